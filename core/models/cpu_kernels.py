"""Products of weights with activations on a CPU, as numba functions over addresses.

Quantised weights times activations that are rounded to int8 in groups of 32, each with its own scale: the integers are
exact and the groups are added in one order, so a row of activations gives the same numbers alone or among others.
Float weights times float32 activations, for few rows. Layouts are those of core.models.quantize. One thread each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models import simd
from core.models.simd import fma, get, load, load_bf16, operation, prefetch, put, total, zero

GROUP = 32
"""weights, and activations, that share a scale"""
BLOCK = simd.LANES
"""rows of quantised weights that lie together"""
FLOAT32, BFLOAT16, INT4, INT8 = 0, 1, 4, 8
"""kinds of weights"""
AHEAD = 1024
"""bytes of weights that are asked for before their turn, where each is used once: a third more bandwidth on the Xeon
that it was tried on, and less from 512 or 4096"""
TILE = 8
"""rows of activations that one pass over quantised weights serves"""

_F32 = ir.VectorType(ir.FloatType(), simd.LANES)
_I32 = ir.VectorType(ir.IntType(32), simd.LANES)
_I8 = ir.VectorType(ir.IntType(8), 4 * simd.LANES)
_I64 = ir.IntType(64)

jit = numba.njit(
    nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy", boundscheck=False
)


class Linear(NamedTuple):
    """Weights [rows, columns] at addresses. `rows` is a multiple of BLOCK when they are quantised."""

    kind: int
    weights: int
    scales: int
    """float16, of quantised weights"""
    bias: int
    """float32 [rows]; 0: none"""
    rows: int
    columns: int
    """a multiple of GROUP"""


class Activations(NamedTuple):
    """Rows of activations [n, columns] at addresses: as float32, and rounded."""

    values: int
    """float32"""
    rounded: int
    """int8"""
    scales: int
    """float32 [n, columns / GROUP]"""
    sums: int
    """int32 [n, columns / GROUP]: -8 times the sum of a group's rounded values"""


@intrinsic
def _round_group(typing: Any, values: Any, rounded: Any, scale: Any, total: Any) -> Any:
    """32 float32 to int8, their scale, and -8 times the sum of the int8. What is not a number makes the scale none."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        parts = [b.load(simd.at(b, b.add(a[0], ir.Constant(_I64, 64 * n)), _F32), align=4) for n in (0, 1)]
        sizes = [simd.call(b, "llvm.fabs.v16f32", _F32, part) for part in parts]
        largest = simd.call(b, "llvm.maximum.v16f32", _F32, *sizes)
        peak = simd.call(b, "llvm.vector.reduce.fmaximum.v16f32", ir.FloatType(), largest)
        one = ir.Constant(ir.FloatType(), 127.0)
        nothing = b.fcmp_ordered("==", peak, ir.Constant(ir.FloatType(), 0.0))
        inverse = b.select(nothing, ir.Constant(ir.FloatType(), 0.0), b.fdiv(one, peak))
        b.store(b.fdiv(peak, one), simd.at(b, a[2], ir.FloatType()), align=4)
        numbers = []
        for n, part in enumerate(parts):
            whole = simd.call(b, "llvm.rint.v16f32", _F32, b.fmul(part, simd.splat(b, inverse, _F32)))
            numbers.append(b.fptosi(whole, _I32))
            to = simd.at(b, b.add(a[1], ir.Constant(_I64, 16 * n)), ir.VectorType(ir.IntType(8), 16))
            b.store(b.trunc(numbers[-1], ir.VectorType(ir.IntType(8), 16)), to, align=1)
        summed = simd.call(b, "llvm.vector.reduce.add.v16i32", ir.IntType(32), b.add(*numbers))
        b.store(b.mul(summed, ir.Constant(ir.IntType(32), -8)), simd.at(b, a[3], ir.IntType(32)), align=4)

    return operation(types.void(*[types.int64] * 4), build)


@jit
def round_activations(activations, first, last):
    """Round groups first..last of all rows, counted through [n, columns / GROUP]."""
    for group in range(first, last):
        _round_group(
            activations.values + 4 * GROUP * group,
            activations.rounded + GROUP * group,
            activations.scales + 4 * group,
            activations.sums + 4 * group,
        )


@jit
def rows_from(activations, row, columns):
    """The activations without their first rows."""
    groups = row * (columns // GROUP)
    return Activations(
        activations.values + 4 * row * columns,
        activations.rounded + row * columns,
        activations.scales + 4 * groups,
        activations.sums + 4 * groups,
    )


def _tile(kind: int, tokens: int) -> Any:
    """An intrinsic: BLOCK rows of quantised weights with `tokens` rows of activations, all groups."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        weights, scales, rounded, a_scales, sums, groups, bias, out, out_stride, accumulate = a
        before = b.block
        loop, after = b.append_basic_block("groups"), b.append_basic_block("done")
        columns = b.mul(groups, ir.Constant(_I64, GROUP))
        start = b.load(simd.at(b, bias, _F32), align=4)
        b.branch(loop)
        b.position_at_end(loop)
        group = b.phi(_I64)
        group.add_incoming(ir.Constant(_I64, 0), before)
        held = [b.phi(_F32) for _ in range(tokens)]
        for one in held:
            one.add_incoming(start, before)
        quads = _quads(b, kind, weights, group, prefetches=tokens == 1)
        scale_at = simd.at(
            b, b.add(scales, b.mul(group, ir.Constant(_I64, 2 * BLOCK))), ir.VectorType(ir.HalfType(), 16)
        )
        scale = b.fpext(b.load(scale_at, align=2), _F32)
        sums_out = []
        for token in range(tokens):
            row = ir.Constant(_I64, token)
            at_group = b.mul(b.add(b.mul(row, groups), group), ir.Constant(_I64, 4))
            offset = simd.splat(b, b.load(simd.at(b, b.add(sums, at_group), ir.IntType(32)), align=4), _I32)
            whole = offset if kind == INT4 else b.shl(offset, simd.constant(_I32, 4))
            values = b.add(rounded, b.add(b.mul(row, columns), b.mul(group, ir.Constant(_I64, GROUP))))
            for quad, part in enumerate(quads):
                where = simd.at(b, b.add(values, ir.Constant(_I64, 4 * quad)), ir.IntType(32))
                whole = simd.byte_dot(b, whole, part, simd.splat(b, b.load(where, align=4), _I32))
            a_scale = simd.splat(b, b.load(simd.at(b, b.add(a_scales, at_group), ir.FloatType()), align=4), _F32)
            product = simd.call(b, "llvm.fma.v16f32", _F32, b.sitofp(whole, _F32), b.fmul(scale, a_scale), held[token])
            sums_out.append(product)
        following = b.add(group, ir.Constant(_I64, 1))
        last = b.block
        group.add_incoming(following, last)
        for one, new in zip(held, sums_out, strict=True):
            one.add_incoming(new, last)
        b.cbranch(b.icmp_signed("<", following, groups), loop, after)
        b.position_at_end(after)
        adds = b.icmp_signed("!=", accumulate, ir.Constant(_I64, 0))
        for token, new in enumerate(sums_out):
            to = simd.at(b, b.add(out, b.mul(out_stride, ir.Constant(_I64, token))), _F32)
            old = b.select(adds, b.load(to, align=4), simd.constant(_F32, 0.0))
            b.store(b.fadd(new, old), to, align=4)

    def tile(
        typing: Any,
        weights: Any,
        scales: Any,
        rounded: Any,
        a_scales: Any,
        sums: Any,
        groups: Any,
        bias: Any,
        out: Any,
        out_stride: Any,
        accumulate: Any,
    ) -> Any:
        return operation(types.void(*[types.int64] * 10), build)

    return intrinsic(tile)


def _quads(b: ir.IRBuilder, kind: int, weights: ir.Value, group: ir.Value, prefetches: bool) -> list[ir.Value]:
    """The group's eight vectors of BLOCK rows by four columns, as unsigned bytes."""
    size = 256 if kind == INT4 else 512
    begin = b.add(weights, b.mul(group, ir.Constant(_I64, size)))
    if prefetches:
        for ahead in range(AHEAD, AHEAD + size, 64):
            simd.fetch_ahead(b, b.add(begin, ir.Constant(_I64, ahead)))
    stored = [b.load(simd.at(b, b.add(begin, ir.Constant(_I64, 64 * n)), _I8), align=1) for n in range(size // 64)]
    if kind == INT8:
        return stored
    mask, halves = simd.constant(_I8, 15), ir.VectorType(ir.IntType(16), 32)
    lower = [b.and_(part, mask) for part in stored]
    moved = [b.bitcast(b.lshr(b.bitcast(part, halves), simd.constant(halves, 4)), _I8) for part in stored]
    return lower + [b.and_(part, mask) for part in moved]


_int4_tile, _int4_row = _tile(INT4, TILE), _tile(INT4, 1)
_int8_tile, _int8_row = _tile(INT8, TILE), _tile(INT8, 1)


@jit
def _quantised(linear, activations, rows, block, bias, out, out_stride, accumulate):
    groups = linear.columns // GROUP
    weights = linear.weights + block * groups * (256 if linear.kind == INT4 else 512)
    scales = linear.scales + block * groups * 2 * BLOCK
    row = 0
    while row < rows:
        rounded = activations.rounded + row * linear.columns
        a_scales = activations.scales + 4 * row * groups
        sums = activations.sums + 4 * row * groups
        to = out + row * out_stride
        if row + TILE <= rows:
            if linear.kind == INT4:
                _int4_tile(weights, scales, rounded, a_scales, sums, groups, bias, to, out_stride, accumulate)
            else:
                _int8_tile(weights, scales, rounded, a_scales, sums, groups, bias, to, out_stride, accumulate)
            row += TILE
        else:
            if linear.kind == INT4:
                _int4_row(weights, scales, rounded, a_scales, sums, groups, bias, to, out_stride, accumulate)
            else:
                _int8_row(weights, scales, rounded, a_scales, sums, groups, bias, to, out_stride, accumulate)
            row += 1


@jit
def _prefetch_four(at, stride):
    prefetch(at)
    prefetch(at + stride)
    prefetch(at + 2 * stride)
    prefetch(at + 3 * stride)


@jit
def _four_rows(kind, weights, stride, values, columns):
    """Four rows of float weights with one row of activations, as four sums."""
    a, b, c, d = zero(), zero(), zero(), zero()
    if kind == FLOAT32:
        for column in range(0, columns, 16):
            x = load(values + 4 * column)
            at = weights + 4 * column
            _prefetch_four(at + AHEAD // 2, stride)
            a = fma(load(at), x, a)
            b = fma(load(at + stride), x, b)
            c = fma(load(at + 2 * stride), x, c)
            d = fma(load(at + 3 * stride), x, d)
    else:
        for column in range(0, columns, 16):
            x = load(values + 4 * column)
            at = weights + 2 * column
            _prefetch_four(at + AHEAD // 2, stride)
            a = fma(load_bf16(at), x, a)
            b = fma(load_bf16(at + stride), x, b)
            c = fma(load_bf16(at + 2 * stride), x, c)
            d = fma(load_bf16(at + 3 * stride), x, d)
    return total(a), total(b), total(c), total(d)


@jit
def _put(linear, row, sum_, to, accumulate):
    if linear.bias:
        sum_ += get(linear.bias + 4 * row)
    if accumulate:
        sum_ += get(to)
    put(to, sum_)


@jit
def _floating(linear, activations, rows, block, out, out_stride, accumulate):
    stride = linear.columns * (4 if linear.kind == FLOAT32 else 2)
    for row in range(rows):
        values = activations.values + 4 * row * linear.columns
        begin = out + row * out_stride
        for four in range(block * BLOCK, min(block * BLOCK + BLOCK, linear.rows), 4):
            first = min(four, linear.rows - 4)  # the last rows of an odd number are computed twice, to the same end
            to = begin + 4 * (first - block * BLOCK)
            a, b, c, d = _four_rows(linear.kind, linear.weights + first * stride, stride, values, linear.columns)
            _put(linear, first, a, to, accumulate)
            _put(linear, first + 1, b, to + 4, accumulate)
            _put(linear, first + 2, c, to + 8, accumulate)
            _put(linear, first + 3, d, to + 12, accumulate)


@jit
def multiply_block(linear, activations, rows, block, out, out_stride, accumulate):
    """BLOCK rows of weights, the block's number counted from 0, with all rows of activations.

    `accumulate` adds to what is there; the number of rows is then a multiple of 4.

    `out` is where the first row's result for this block goes; `out_stride` bytes lie between rows of results.
    """
    if linear.kind >= INT4:
        bias = linear.bias + 4 * BLOCK * block
        _quantised(linear, activations, rows, block, bias, out, out_stride, accumulate)
    else:
        _floating(linear, activations, rows, block, out, out_stride, accumulate)
