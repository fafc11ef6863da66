"""Convolutions in bfloat16 by the tile registers (AMX) that some server processors have; sums stay in float32.

A row of an input is 32 channels, 64 bytes, so a tile of 16 rows is loaded where the signal lies, a tap further on for
the next tap. Residuals and what is added are float32 planes as in conv_kernels; what is LEAKY is written in bfloat16.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models import amx, simd
from core.models.amx import number, pointer
from core.models.cpu_layout import jit
from core.models.simd import F32, add, every, load, maximum, mul, operation, store
from core.models.thread_team import await_all, claim, finish
from tts.melo.conv_kernels import clear
from tts.melo.conv_sums import ahead, over_taps
from tts.melo.conv_table import (
    ADDED,
    ADDED_PLANE,
    BIAS,
    CLEAR,
    END_ROW,
    FIRST_ROW,
    FIRST_TAP,
    GROUP,
    INPUT,
    INPUT_PLANE,
    INPUT_PLANES,
    KIND,
    LANE_BYTES,
    LEAKY,
    LEAKY_PLANE,
    OUT_OFFSET,
    OUT_PLANES,
    OUT_STEP,
    RAW,
    RAW_PLANE,
    RESIDUAL,
    RESIDUAL_PLANE,
    ROWS_A_PIECE,
    SLOPE_MILLI,
    TAP_STEP,
    TAPS,
    WEIGHTS,
)

TILE_ROWS = 16
ROWS = 2 * TILE_ROWS
"""of output that one pass computes"""
TILE_BYTES = 1024
SCRATCH_FLOATS = 2 * ROWS * simd.LANES
HAS_TILES = amx.AMX and bool(llvm.get_host_cpu_features().get("amx-bf16"))
_I64, _VOID = ir.IntType(64), ir.VoidType()
_I32 = ir.VectorType(ir.IntType(32), simd.LANES)
_I16 = ir.VectorType(ir.IntType(16), simd.LANES)


def _configuration() -> Any:
    """All eight tiles whole: 0 to 3 are sums, 4 and 5 rows of the input, 6 and 7 weights."""
    made = np.zeros(64, np.uint8)
    made[0] = 1
    made[16:32:2], made[48:56] = 64, TILE_ROWS
    return made


CONFIGURATION = _configuration()


def _tile_sums(planes: int) -> Any:
    """An intrinsic: bias plus taps for ROWS rows of one or two planes, stored as [planes, ROWS, 16] float32.

    Weights: [input planes, taps, planes, 16 pairs of input channels, 16 output channels, 2] bfloat16.
    """

    def build(b: ir.IRBuilder, a: Any) -> None:
        *arguments, bias, out = a

        def run(name: str, *arguments: Any) -> None:
            simd.call(b, f"llvm.x86.{name}", _VOID, *arguments)

        def load_tile(tile: int, address: Any, by: int, row_bytes: int) -> None:
            run("tileloadd64", number(tile), pointer(b, ahead(b, address, by)), ir.Constant(_I64, row_bytes))

        def add_tap(b: ir.IRBuilder, at: Any, weight_at: Any, sums: list[Any]) -> list[Any]:
            for half in range(2):
                load_tile(4 + half, at, half * TILE_ROWS * LANE_BYTES, LANE_BYTES)
            for n in range(planes):
                load_tile(6 + n, weight_at, n * TILE_BYTES, LANE_BYTES)
                for half in range(2):
                    run("tdpbf16ps", number(2 * n + half), number(4 + half), number(6 + n))
            return sums

        for n in range(planes):
            for half in range(2):
                load_tile(2 * n + half, bias, LANE_BYTES * n, 0)
        over_taps(b, arguments, planes * TILE_BYTES, [], add_tap)
        for slot in range(2 * planes):
            at = pointer(b, ahead(b, out, slot * TILE_BYTES))
            run("tilestored64", number(slot), at, ir.Constant(_I64, LANE_BYTES))

    def sums(
        typing: Any,
        source: Any,
        plane: Any,
        input_planes: Any,
        taps: Any,
        tap_bytes: Any,
        weights: Any,
        bias: Any,
        out: Any,
    ) -> Any:
        return operation(types.void(*[types.int64] * 8), build)

    return intrinsic(sums)


_sums_of_two, _sums_of_one = _tile_sums(2), _tile_sums(1)


@intrinsic
def _store_bf16(typing: Any, address: Any, vector: Any) -> Any:
    """16 float32 to an address as bfloat16, to the nearest, halves to even."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        bits = b.bitcast(a[1], _I32)
        odd = b.and_(b.lshr(bits, simd.constant(_I32, 16)), simd.constant(_I32, 1))
        rounded = b.add(b.add(bits, odd), simd.constant(_I32, 0x7FFF))
        b.store(b.trunc(b.lshr(rounded, simd.constant(_I32, 16)), _I16), simd.at(b, a[0], _I16), align=2)

    return operation(types.void(types.int64, F32), build)


@jit
def _put_rows(op: Any, sums: int, plane: int, row: int, count: int) -> None:
    """Rows of one plane, after what is to be added, to where they belong."""
    slope = every(numba.float32(op[SLOPE_MILLI] / 1000.0))
    step = op[OUT_STEP] * LANE_BYTES
    first = (row * op[OUT_STEP] + op[OUT_OFFSET]) * LANE_BYTES
    residual = op[RESIDUAL] + plane * op[RESIDUAL_PLANE] + first
    added = op[ADDED] + plane * op[ADDED_PLANE] + first
    raw = op[RAW] + plane * op[RAW_PLANE] + first
    leaky = op[LEAKY] + plane // 2 * op[LEAKY_PLANE] + plane % 2 * (LANE_BYTES // 2) + first
    alone = plane % 2 == 0 and plane + 1 == op[OUT_PLANES]
    for n in range(count):
        x = load(sums + LANE_BYTES * n)
        if op[RESIDUAL]:
            x = add(x, load(residual + n * step))
        if op[ADDED]:
            x = add(x, load(added + n * step))
        if op[RAW]:
            store(raw + n * step, x)
        if op[LEAKY]:
            _store_bf16(leaky + n * step, maximum(x, mul(x, slope)))
            if alone:
                _store_bf16(leaky + n * step + LANE_BYTES // 2, every(numba.float32(0.0)))


@jit
def _convolve(op: Any, piece: int, pieces_of_rows: int, scratch: int) -> None:
    group = op[GROUP]
    plane = piece // pieces_of_rows
    begin = op[FIRST_ROW] + (piece % pieces_of_rows) * op[ROWS_A_PIECE]
    end = min(begin + op[ROWS_A_PIECE], op[END_ROW])
    weights = op[WEIGHTS] + plane * op[INPUT_PLANES] * op[TAPS] * group * TILE_BYTES
    bias = op[BIAS] + plane * group * LANE_BYTES
    tap_bytes = op[TAP_STEP] * LANE_BYTES
    for row in range(begin, end, ROWS):
        source = op[INPUT] + (row + op[FIRST_TAP]) * LANE_BYTES
        if group == 2:
            _sums_of_two(source, op[INPUT_PLANE], op[INPUT_PLANES], op[TAPS], tap_bytes, weights, bias, scratch)
        else:
            _sums_of_one(source, op[INPUT_PLANE], op[INPUT_PLANES], op[TAPS], tap_bytes, weights, bias, scratch)
        count = min(ROWS, end - row)
        for n in range(group):
            _put_rows(op, scratch + n * ROWS * LANE_BYTES, plane * group + n, row, count)


@jit
def run_tile_operations(table: Any, counters: int, scratch: int, configuration: int) -> None:
    """As conv_kernels.run_operations, for a table of TILES and CLEAR."""
    amx.begin(configuration)
    for n in range(table.shape[0]):
        op = table[n]
        at = counters + n * 128
        rows = op[END_ROW] - op[FIRST_ROW]
        pieces_of_rows = (rows + op[ROWS_A_PIECE] - 1) // op[ROWS_A_PIECE]
        pieces = pieces_of_rows * (op[OUT_PLANES] // op[GROUP])
        while True:
            piece = claim(at)
            if piece >= pieces:
                break
            if op[KIND] == CLEAR:
                clear(op, piece)
            else:
                _convolve(op, piece, pieces_of_rows, scratch)
            finish(at)
        await_all(at, pieces)
    amx.end()
