"""The table of operations that convolution kernels run, and how many sums they hold in registers."""

from __future__ import annotations

from pathlib import Path

import llvmlite.binding as llvm

from core.models.kernel_cache import use_kernel_cache

_SOURCES = (
    "byte_kernels.py", "conv_kernels.py", "conv_sums.py", "conv_table.py", "fast_convolution.py", "tile_kernels.py",
)  # fmt: skip
use_kernel_cache(*(Path(__file__).with_name(name).read_text("utf-8") for name in _SOURCES))

LANE_BYTES = 64
"""a row of a plane: 16 float32, or 32 bfloat16"""
QUAD = 4
"""bytes that are multiplied and added at once in a lane"""
WIDE = bool(llvm.get_host_cpu_features().get("avx512f"))
"""32 registers of 16 float32, instead of 16 of 8"""
HELD = 24 if WIDE else 6
"""sums in registers, a vector each"""

(
    INPUT, INPUT_PLANE, INPUT_PLANES, TAPS, TAP_STEP, FIRST_TAP, WEIGHTS, BIAS,
    OUT_PLANES, GROUP, FIRST_ROW, END_ROW, ROWS_A_PIECE, OUT_STEP, OUT_OFFSET,
    RESIDUAL, RESIDUAL_PLANE, ADDED, ADDED_PLANE, RAW, RAW_PLANE, LEAKY, LEAKY_PLANE, SLOPE_MILLI,
    KIND, SCALES, FIELDS,
) = range(27)  # fmt: skip
"""Columns of the table of operations. Addresses are of row 0 of plane 0, whether or not that row is in memory; planes
are bytes apart; steps are in rows. 0 stands for none in RESIDUAL, ADDED, RAW and LEAKY. GROUP is planes of output that
one pass computes; rows FIRST_ROW..END_ROW, times OUT_STEP plus OUT_OFFSET, are rows of the output. KIND is PLAIN; or
the taps of a scheme of fast_convolution, and then TAPS counts groups of so many taps; or TILES, of which inputs and
LEAKY are in bfloat16 (tile_kernels); or BYTES, of which the input is rounded to bytes piece by piece (byte_kernels) and
SCALES are the address of two rows for each plane of output; or CLEAR, which writes zeros to rows of RAW."""
PLAIN, CLEAR, TILES, BYTES = 0, -1, -2, -3
