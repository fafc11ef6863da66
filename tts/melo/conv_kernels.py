"""One-dimensional convolutions on a CPU, as numba functions over addresses; no compiler is needed on the machine.

Signals lie in planes of 16 channels, a plane being rows of time: [channels / 16, rows, 16] float32. A row's neighbours
are one cache line away whatever the number of channels, and a vector holds a row's 16 channels. Rows outside of the
signal that a kernel reaches must be zeros. A table of operations is one call; threads share each operation's pieces.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models import simd
from core.models.cpu_layout import jit
from core.models.kernel_cache import use_kernel_cache
from core.models.simd import add, every, load, maximum, mul, operation, store
from core.models.thread_team import await_all, claim, finish
from tts.melo.fast_convolution import OF_FOUR, OF_THREE, OUTPUTS, Matrix

LANE_BYTES = 64
_F32 = ir.VectorType(ir.FloatType(), simd.LANES)
_I64 = ir.IntType(64)
WIDE = bool(llvm.get_host_cpu_features().get("avx512f"))
"""32 registers of 16 float32, instead of 16 of 8"""
HELD = 24 if WIDE else 6
"""sums in registers, a vector each"""

(
    INPUT, INPUT_PLANE, INPUT_PLANES, TAPS, TAP_STEP, FIRST_TAP, WEIGHTS, BIAS,
    OUT_PLANES, GROUP, FIRST_ROW, END_ROW, ROWS_A_PIECE, OUT_STEP, OUT_OFFSET,
    RESIDUAL, RESIDUAL_PLANE, ADDED, ADDED_PLANE, RAW, RAW_PLANE, LEAKY, LEAKY_PLANE, SLOPE_MILLI,
    KIND, FIELDS,
) = range(26)  # fmt: skip
"""Columns of the table of operations. Addresses are of row 0 of plane 0, whether or not that row is in memory; planes
are bytes apart; steps are in rows. 0 stands for none in RESIDUAL, ADDED, RAW and LEAKY. GROUP is planes of output that
one pass computes; rows FIRST_ROW..END_ROW, times OUT_STEP plus OUT_OFFSET, are rows of the output. KIND is PLAIN, or
the taps of a scheme of fast_convolution, and then TAPS counts groups of so many taps, or CLEAR, which writes zeros to
rows of RAW."""
PLAIN, CLEAR = 0, -1

use_kernel_cache(
    *(Path(__file__).with_name(name).read_text("utf-8") for name in ("conv_kernels.py", "fast_convolution.py"))
)


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


_sums_of_four = _sums(HELD // 4, 4)
_sums_of_two = _sums(HELD // 2, 2)
_sums_of_one = _sums(HELD, 1)


@jit
def _compute(op: Any, source: int, weights: int, bias: int, scratch: int) -> None:
    tap_bytes = op[TAP_STEP] * LANE_BYTES
    if op[GROUP] == 4:
        _sums_of_four(source, op[INPUT_PLANE], op[INPUT_PLANES], op[TAPS], tap_bytes, weights, bias, scratch)
    elif op[GROUP] == 2:
        _sums_of_two(source, op[INPUT_PLANE], op[INPUT_PLANES], op[TAPS], tap_bytes, weights, bias, scratch)
    else:
        _sums_of_one(source, op[INPUT_PLANE], op[INPUT_PLANES], op[TAPS], tap_bytes, weights, bias, scratch)


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


_enter_three, _leave_three = _mixing(OF_THREE.enter()), _mixing(OF_THREE.leave())
_enter_four, _leave_four = _mixing(OF_FOUR.enter()), _mixing(OF_FOUR.leave())


@jit
def _put_rows(op: Any, sums: int, plane: int, row: int, count: int, apart: int) -> None:
    """Rows of one plane, so many apart, after what is to be added, to where they belong."""
    slope = every(numba.float32(op[SLOPE_MILLI] / 1000.0))
    step = op[OUT_STEP] * LANE_BYTES * apart
    first = (row * op[OUT_STEP] + op[OUT_OFFSET]) * LANE_BYTES
    residual = op[RESIDUAL] + plane * op[RESIDUAL_PLANE] + first
    added = op[ADDED] + plane * op[ADDED_PLANE] + first
    raw = op[RAW] + plane * op[RAW_PLANE] + first
    leaky = op[LEAKY] + plane * op[LEAKY_PLANE] + first
    for n in range(count):
        x = load(sums + LANE_BYTES * n)
        if op[RESIDUAL]:
            x = add(x, load(residual + n * step))
        if op[ADDED]:
            x = add(x, load(added + n * step))
        if op[RAW]:
            store(raw + n * step, x)
        if op[LEAKY]:
            store(leaky + n * step, maximum(x, mul(x, slope)))


@jit
def _direct(op: Any, piece: int, pieces_of_rows: int, scratch: int) -> None:
    group = op[GROUP]
    rows = HELD // group
    number = piece // pieces_of_rows
    begin = op[FIRST_ROW] + (piece % pieces_of_rows) * op[ROWS_A_PIECE]
    end = min(begin + op[ROWS_A_PIECE], op[END_ROW])
    weights = op[WEIGHTS] + number * op[INPUT_PLANES] * op[TAPS] * simd.LANES * group * LANE_BYTES
    bias = op[BIAS] + number * group * LANE_BYTES
    for row in range(begin, end, rows):
        source = op[INPUT] + (row + op[FIRST_TAP]) * LANE_BYTES
        _compute(op, source, weights, bias, scratch)
        count = min(rows, end - row)
        for n in range(group):
            _put_rows(op, scratch + n * rows * LANE_BYTES, number * group + n, row, count, 1)


@jit
def _enter_all(op: Any, begin: int, tiles: int, room: int, scratch: int, apart: int) -> None:
    """All inputs of a piece, mixed: [products, planes, groups, room, 16]."""
    step = op[TAP_STEP]
    for plane in range(op[INPUT_PLANES]):
        for group in range(op[TAPS]):
            source = op[INPUT] + plane * op[INPUT_PLANE] + (op[FIRST_TAP] + group * op[KIND] * step) * LANE_BYTES
            to = scratch + (plane * op[TAPS] + group) * room * LANE_BYTES
            for tile in range(tiles):
                at = source + (begin + tile // step * OUTPUTS * step + tile % step) * LANE_BYTES
                if op[KIND] == 3:
                    _enter_three(at, step * LANE_BYTES, to + tile * LANE_BYTES, apart)
                else:
                    _enter_four(at, step * LANE_BYTES, to + tile * LANE_BYTES, apart)


@jit
def _leave_all(op: Any, number: int, begin: int, end: int, tiles: int, sums: int, rows: int) -> None:
    """One group of output planes from its sums [room / rows, products, planes, rows, 16]."""
    step, group = op[TAP_STEP], op[GROUP]
    products = op[KIND] + OUTPUTS - 1
    held = rows * group * LANE_BYTES
    mixed = sums - OUTPUTS * LANE_BYTES
    for n in range(group):
        for tile in range(tiles):
            row = begin + tile // step * OUTPUTS * step + tile % step
            count = min(OUTPUTS, (end - row + step - 1) // step)
            if count > 0:
                at = sums + tile // rows * products * held + (n * rows + tile % rows) * LANE_BYTES
                if op[KIND] == 3:
                    _leave_three(at, held, mixed, LANE_BYTES)
                else:
                    _leave_four(at, held, mixed, LANE_BYTES)
                _put_rows(op, mixed, number * group + n, row, count, step)


@jit
def _fast(op: Any, piece: int, scratch: int) -> None:
    """A piece by a scheme: every `step`-th row belongs to one tile of OUTPUTS rows, `step` tiles lie in each other."""
    step, group = op[TAP_STEP], op[GROUP]
    products, rows = op[KIND] + OUTPUTS - 1, HELD // group
    begin = op[FIRST_ROW] + piece * op[ROWS_A_PIECE]
    end = min(begin + op[ROWS_A_PIECE], op[END_ROW])
    tiles = (end - begin + OUTPUTS * step - 1) // (OUTPUTS * step) * step
    room = (tiles + rows - 1) // rows * rows
    plane = op[TAPS] * room * LANE_BYTES
    apart = op[INPUT_PLANES] * plane
    _enter_all(op, begin, tiles, room, scratch, apart)
    zeros = scratch + products * apart
    for n in range(group):
        store(zeros + n * LANE_BYTES, every(numba.float32(0.0)))
    sums = zeros + (group + OUTPUTS) * LANE_BYTES
    weights = op[WEIGHTS]
    for number in range(op[OUT_PLANES] // group):
        for product in range(products):
            bias = zeros if product else op[BIAS] + number * group * LANE_BYTES  # the first is added to all outputs
            for tile in range(0, room, rows):
                to = sums + (tile // rows * products + product) * rows * group * LANE_BYTES
                source = scratch + product * apart + tile * LANE_BYTES
                if group == 4:
                    _sums_of_four(source, plane, op[INPUT_PLANES], op[TAPS], room * LANE_BYTES, weights, bias, to)
                elif group == 2:
                    _sums_of_two(source, plane, op[INPUT_PLANES], op[TAPS], room * LANE_BYTES, weights, bias, to)
                else:
                    _sums_of_one(source, plane, op[INPUT_PLANES], op[TAPS], room * LANE_BYTES, weights, bias, to)
            weights += op[INPUT_PLANES] * op[TAPS] * simd.LANES * group * LANE_BYTES
        _leave_all(op, number, begin, end, tiles, sums, rows)


def scratch_floats(planes: int, groups: int, products: int, tiles: int, group: int) -> int:
    """What a thread needs for a piece of so many tiles, or for one that is PLAIN with no products."""
    rows = HELD // group
    room = -(-tiles // rows) * rows
    return simd.LANES * (room * products * (planes * groups + group) + group + OUTPUTS + HELD)


@jit
def _clear(op: Any, plane: int) -> None:
    for row in range(op[FIRST_ROW], op[END_ROW]):
        store(op[RAW] + plane * op[RAW_PLANE] + row * LANE_BYTES, every(numba.float32(0.0)))


@jit
def run_operations(table: Any, counters: int, scratch: int) -> None:
    """Every operation of the table [n, FIELDS] in turn; all threads of a team call it with the same table and counters.

    `counters` is the address of n times thread_team.COUNTERS zeros, `scratch` of a thread's own memory.
    """
    for n in range(table.shape[0]):
        op = table[n]
        at = counters + n * 128
        rows = op[END_ROW] - op[FIRST_ROW]
        pieces_of_rows = (rows + op[ROWS_A_PIECE] - 1) // op[ROWS_A_PIECE]
        pieces = pieces_of_rows if op[KIND] > 0 else pieces_of_rows * (op[OUT_PLANES] // op[GROUP])
        while True:
            piece = claim(at)
            if piece >= pieces:
                break
            if op[KIND] > 0:
                _fast(op, piece, scratch)
            elif op[KIND] == CLEAR:
                _clear(op, piece)
            else:
                _direct(op, piece, pieces_of_rows, scratch)
            finish(at)
        await_all(at, pieces)
