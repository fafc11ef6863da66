"""The inner loops of the convolution kernels, put together instruction by instruction: sums over taps, and mixing."""

from __future__ import annotations

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


def _sums(rows: int, planes: int) -> Any:
    """An intrinsic: bias plus taps, for `rows` rows of `planes` planes, stored as [planes, rows, 16].

    Weights: [input planes, taps, 16 input channels, planes, 16 output channels].
    """

    def build(b: ir.IRBuilder, a: Any) -> None:
        source, plane, input_planes, taps, tap_bytes, weights, bias, out = a
        zero, one = ir.Constant(_I64, 0), ir.Constant(_I64, 1)

        def ahead(address: Any, number: int) -> Any:
            return b.add(address, ir.Constant(_I64, number))

        starts = [b.load(simd.at(b, ahead(bias, LANE_BYTES * n), _F32), align=4) for n in range(planes)]
        held = [start for start in starts for _ in range(rows)]
        entry = b.block
        outer, inner, next_plane, done = (b.append_basic_block(name) for name in ("plane", "tap", "next", "done"))
        b.branch(outer)

        b.position_at_end(outer)
        plane_number, plane_at, plane_weights = b.phi(_I64), b.phi(_I64), b.phi(_I64)
        plane_sums = [b.phi(_F32) for _ in held]
        for phi, value in zip(
            (plane_number, plane_at, plane_weights, *plane_sums), (zero, source, weights, *held), strict=True
        ):
            phi.add_incoming(value, entry)
        b.branch(inner)

        b.position_at_end(inner)
        tap, at, weight_at = b.phi(_I64), b.phi(_I64), b.phi(_I64)
        sums = [b.phi(_F32) for _ in held]
        for phi, value in zip((tap, at, weight_at, *sums), (zero, plane_at, plane_weights, *plane_sums), strict=True):
            phi.add_incoming(value, outer)
        new = list(sums)
        for channel in range(simd.LANES):
            parts = [
                b.load(simd.at(b, ahead(weight_at, LANE_BYTES * (channel * planes + n)), _F32), align=4)
                for n in range(planes)
            ]
            for row in range(rows):
                where = simd.at(b, ahead(at, LANE_BYTES * row + 4 * channel), ir.FloatType())
                value = simd.splat(b, b.load(where, align=4), _F32)
                for n, part in enumerate(parts):
                    slot = n * rows + row
                    new[slot] = simd.call(b, "llvm.fma.v16f32", _F32, value, part, new[slot])
        next_tap, next_at = b.add(tap, one), b.add(at, tap_bytes)
        next_weights = ahead(weight_at, LANE_BYTES * simd.LANES * planes)
        for phi, value in zip((tap, at, weight_at, *sums), (next_tap, next_at, next_weights, *new), strict=True):
            phi.add_incoming(value, inner)
        b.cbranch(b.icmp_signed("<", next_tap, taps), inner, next_plane)

        b.position_at_end(next_plane)
        following = b.add(plane_number, one)
        values = (following, b.add(plane_at, plane), next_weights, *new)
        for phi, value in zip((plane_number, plane_at, plane_weights, *plane_sums), values, strict=True):
            phi.add_incoming(value, next_plane)
        b.cbranch(b.icmp_signed("<", following, input_planes), outer, done)

        b.position_at_end(done)
        for slot, value in enumerate(new):
            b.store(value, simd.at(b, ahead(out, LANE_BYTES * slot), _F32), align=4)

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
