"""The inner loops of the convolution kernels, put together instruction by instruction: sums over taps, and mixing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models import simd
from core.models.simd import operation
from tts.melo.conv_table import HELD, LANE_BYTES
from tts.melo.fast_convolution import OF_FOUR, OF_THREE, Matrix

_F32 = ir.VectorType(ir.FloatType(), simd.LANES)
_I64 = ir.IntType(64)

Add = Callable[[ir.IRBuilder, Any, Any, list[Any]], list[Any]]
"""builder, address of the input at a tap, address of its weights, sums: the new sums"""


def over_taps(b: ir.IRBuilder, arguments: Any, weights_a_tap: int, held: list[Any], add: Add) -> list[Any]:
    """A loop over input planes and their taps, with sums in registers; the sums after it.

    `arguments` are source, bytes to the next plane, input planes, taps, bytes to the next tap, and weights
    [input planes, taps, weights_a_tap bytes].
    """
    source, plane, input_planes, taps, tap_bytes, weights = arguments
    zero, one = ir.Constant(_I64, 0), ir.Constant(_I64, 1)
    entry = b.block
    outer, inner, next_plane, done = (b.append_basic_block(name) for name in ("plane", "tap", "next", "done"))
    b.branch(outer)

    def begin(block: ir.Block, before: ir.Block, *values: Any) -> list[Any]:
        """The loop's variables: their first values come from the block before."""
        b.position_at_end(block)
        variables = [b.phi(value.type) for value in values]
        repeat(variables, before, *values)
        return variables

    def repeat(variables: list[Any], block: ir.Block, *values: Any) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.add_incoming(value, block)

    planes = begin(outer, entry, zero, source, weights, *held)
    b.branch(inner)
    each = begin(inner, outer, zero, *planes[1:])
    tap, at, weight_at, *sums = each
    new = add(b, at, weight_at, sums)
    next_tap, next_weights = b.add(tap, one), b.add(weight_at, ir.Constant(_I64, weights_a_tap))
    repeat(each, inner, next_tap, b.add(at, tap_bytes), next_weights, *new)
    b.cbranch(b.icmp_signed("<", next_tap, taps), inner, next_plane)

    b.position_at_end(next_plane)
    following = b.add(planes[0], one)
    repeat(planes, next_plane, following, b.add(planes[1], plane), next_weights, *new)
    b.cbranch(b.icmp_signed("<", following, input_planes), outer, done)
    b.position_at_end(done)
    return new


def ahead(b: ir.IRBuilder, address: Any, number: int) -> Any:
    """So many bytes further on."""
    return b.add(address, ir.Constant(_I64, number))


def _sums(rows: int, planes: int) -> Any:
    """An intrinsic: bias plus taps, for `rows` rows of `planes` planes, stored as [planes, rows, 16].

    Weights: [input planes, taps, 16 input channels, planes, 16 output channels].
    """

    def add_tap(b: ir.IRBuilder, at: Any, weight_at: Any, sums: list[Any]) -> list[Any]:
        new = list(sums)
        for channel in range(simd.LANES):
            parts = [
                b.load(simd.at(b, ahead(b, weight_at, LANE_BYTES * (channel * planes + n)), _F32), align=4)
                for n in range(planes)
            ]
            for row in range(rows):
                where = simd.at(b, ahead(b, at, LANE_BYTES * row + 4 * channel), ir.FloatType())
                value = simd.splat(b, b.load(where, align=4), _F32)
                for n, part in enumerate(parts):
                    slot = n * rows + row
                    new[slot] = simd.call(b, "llvm.fma.v16f32", _F32, value, part, new[slot])
        return new

    def build(b: ir.IRBuilder, a: Any) -> None:
        *arguments, bias, out = a
        starts = [b.load(simd.at(b, ahead(b, bias, LANE_BYTES * n), _F32), align=4) for n in range(planes)]
        held = [start for start in starts for _ in range(rows)]
        for slot, value in enumerate(over_taps(b, arguments, LANE_BYTES * simd.LANES * planes, held, add_tap)):
            b.store(value, simd.at(b, ahead(b, out, LANE_BYTES * slot), _F32), align=4)

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


sums_of_four = _sums(HELD // 4, 4)
sums_of_two = _sums(HELD // 2, 2)
sums_of_one = _sums(HELD, 1)


def _mixed(matrix: Matrix, b: ir.IRBuilder, vectors: list[Any]) -> list[Any]:
    """The matrix times the vectors, without products with 0, 1 and -1."""
    rows = []
    for row in matrix:
        total = None
        for factor, vector in zip(row, vectors, strict=True):
            if factor == 0:
                continue
            if total is None:
                total = vector if factor == 1 else b.fmul(vector, simd.constant(_F32, factor))
            elif abs(factor) == 1:
                total = b.fadd(total, vector) if factor == 1 else b.fsub(total, vector)
            else:
                total = simd.call(b, "llvm.fma.v16f32", _F32, vector, simd.constant(_F32, factor), total)
        rows.append(total)
    return rows


def _mixing(matrix: Matrix) -> Any:
    """An intrinsic: that many vectors at a stride, mixed, to another address at another stride."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        source, source_stride, to, stride = a

        def place(begin: Any, step: Any, number: int) -> Any:
            return simd.at(b, b.add(begin, b.mul(step, ir.Constant(_I64, number))), _F32)

        vectors = [b.load(place(source, source_stride, n), align=4) for n in range(matrix.shape[1])]
        for n, row in enumerate(_mixed(matrix, b, vectors)):
            b.store(row, place(to, stride, n), align=4)

    def mix(typing: Any, source: Any, source_stride: Any, to: Any, stride: Any) -> Any:
        return operation(types.void(*[types.int64] * 4), build)

    return intrinsic(mix)


enter_three, leave_three = _mixing(OF_THREE.enter()), _mixing(OF_THREE.leave())
enter_four, leave_four = _mixing(OF_FOUR.enter()), _mixing(OF_FOUR.leave())
