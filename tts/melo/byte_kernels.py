"""Convolutions in int8 by the products of bytes that most processors of the last years have (VNNI).

The input of a piece is rounded to unsigned bytes between its own least and largest number, which its thread does just
before; weights are signed bytes with a factor for each output. Sums are whole numbers, and exact; all else is float32
and lies in planes as in conv_kernels. A row of bytes is 16 channels, 16 bytes.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models import simd
from core.models.cpu_layout import jit
from core.models.simd import add, every, fma, largest, load, maximum, minimum, mul, operation, rint, store, total, zero
from core.models.simd_bytes import byte_dot, put_bytes
from tts.melo.conv_sums import ahead, over_taps
from tts.melo.conv_table import HELD, INPUT, INPUT_PLANE, INPUT_PLANES, LANE_BYTES, QUAD

ROW_BYTES = simd.LANES
HAS_BYTES = simd.DOT in ("avx512-vnni", "avx-vnni")
"""whether the processor multiplies and adds four bytes in a lane as fast as one float32"""
_STEPS = 254.0
"""from the least number of a piece to its largest: one less than there are, as both ends are rounded"""

_F32 = ir.VectorType(ir.FloatType(), simd.LANES)
_I32 = ir.VectorType(ir.IntType(32), simd.LANES)
_I8 = ir.VectorType(ir.IntType(8), QUAD * simd.LANES)


def _byte_sums(rows: int, planes: int) -> Any:
    """An intrinsic: as conv_sums, of bytes; float32 sums times `factors` [planes, 16] plus `offsets` [planes, 16].

    Weights: [input planes, taps, 4 quads of input channels, planes, 16 output channels, 4] int8.
    """

    def add_tap(b: ir.IRBuilder, at: Any, weight_at: Any, sums: list[Any]) -> list[Any]:
        new = list(sums)
        for quad in range(simd.LANES // QUAD):
            parts = [
                b.load(simd.at(b, ahead(b, weight_at, LANE_BYTES * (quad * planes + n)), _I32), align=4)
                for n in range(planes)
            ]
            for row in range(rows):
                where = simd.at(b, ahead(b, at, ROW_BYTES * row + QUAD * quad), ir.IntType(32))
                value = b.bitcast(simd.splat(b, b.load(where, align=4), _I32), _I8)
                for n, part in enumerate(parts):
                    slot = n * rows + row
                    new[slot] = byte_dot(b, new[slot], value, part)
        return new

    def build(b: ir.IRBuilder, a: Any) -> None:
        *arguments, factors, offsets, out = a
        held = [ir.Constant(_I32, [0] * simd.LANES)] * (rows * planes)
        whole = over_taps(b, arguments, LANE_BYTES * QUAD * planes, held, add_tap)
        for n in range(planes):
            factor, offset = (
                b.load(simd.at(b, ahead(b, at, LANE_BYTES * n), _F32), align=4) for at in (factors, offsets)
            )
            for slot in range(n * rows, (n + 1) * rows):
                value = simd.call(b, "llvm.fma.v16f32", _F32, b.sitofp(whole[slot], _F32), factor, offset)
                b.store(value, simd.at(b, ahead(b, out, LANE_BYTES * slot), _F32), align=4)

    def sums(
        typing: Any,
        source: Any,
        plane: Any,
        input_planes: Any,
        taps: Any,
        tap_bytes: Any,
        weights: Any,
        factors: Any,
        offsets: Any,
        out: Any,
    ) -> Any:
        return operation(types.void(*[types.int64] * 9), build)

    return intrinsic(sums)


byte_sums_of_four = _byte_sums(HELD // 4, 4)
byte_sums_of_two = _byte_sums(HELD // 2, 2)
byte_sums_of_one = _byte_sums(HELD, 1)


@jit
def to_bytes(op: Any, first: int, rows: int, plane_bytes: int, to: int) -> Any:
    """Rows of all planes of an operation's input as unsigned bytes; what a step is worth, and the byte of 0.

    A step is no number where one of these is none, so that nothing that comes of it is one.
    """
    low, high, wrong = zero(), zero(), zero()
    for plane in range(op[INPUT_PLANES]):
        at = op[INPUT] + plane * op[INPUT_PLANE] + first * LANE_BYTES
        for row in range(rows):
            x = load(at + row * LANE_BYTES)
            low, high, wrong = minimum(low, x), maximum(high, x), fma(x, zero(), wrong)
    least = -largest(mul(low, every(numba.float32(-1.0))))
    step = (largest(high) - least) / numba.float32(_STEPS)
    inverse = numba.float32(1.0) / step if step > numba.float32(0.0) else numba.float32(0.0)
    middle = numba.float32(round(-least * inverse))
    for plane in range(op[INPUT_PLANES]):
        at = op[INPUT] + plane * op[INPUT_PLANE] + first * LANE_BYTES
        for row in range(rows):
            rounded = rint(fma(load(at + row * LANE_BYTES), every(inverse), every(middle)))
            put_bytes(to + plane * plane_bytes + row * ROW_BYTES, rounded)
    return step + total(wrong), middle


@jit
def put_factors(scales: int, sums: int, bias: int, step: Any, middle: Any, to: int, planes: int) -> None:
    """For so many planes, what a whole-number sum is multiplied with, and, behind them, what is added to it."""
    for n in range(planes):
        factor = mul(load(scales + n * LANE_BYTES), every(step))
        store(to + n * LANE_BYTES, factor)
        offset = mul(mul(factor, load(sums + n * LANE_BYTES)), every(-middle))
        store(to + (planes + n) * LANE_BYTES, add(load(bias + n * LANE_BYTES), offset))
