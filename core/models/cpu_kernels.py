"""Products of weights with activations on a CPU, as numba functions over addresses.

Quantised weights times activations that are rounded to int8 in groups of 32, each with its own scale: the integers are
exact and the groups are added in one order, so a row of activations gives the same numbers alone or among others.
Float weights times float32 activations, for few rows. Layouts are those of core.models.quantize. One thread each.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models import amx, simd
from core.models.cpu_layout import BLOCK, FLOAT32, GROUP, HALF_TILE, INT4, TILE, jit
from core.models.cpu_tiles import (
    AHEAD,
    FLOAT_ROWS,
    FLOAT_TOKENS,
    amx_rows,
    amx_rows_ahead_4,
    amx_rows_ahead_8,
    amx_rows_ahead_16,
    float_tile_2,
    float_tile_3,
    float_tile_4,
    float_tile_5,
    float_tile_6,
    int4_half,
    int4_row,
    int4_tile,
    int8_half,
    int8_row,
    int8_tile,
    signed_int4,
    signed_int8,
)
from core.models.simd import fma, get, load, load_bf16, operation, prefetch, put, total, zero

_F32 = ir.VectorType(ir.FloatType(), simd.LANES)
_I32 = ir.VectorType(ir.IntType(32), simd.LANES)
_I64 = ir.IntType(64)
FEWEST = 3
"""rows of activations for which half a tile that is not full is quicker than one row after another"""
FEWEST_IN_TILES = 9
"""rows that tile registers are quicker for than vectors, though they compute 16"""
SPREAD = 64
"""rows from which the next block's weights are fetched beside several tiles and not beside one"""
_PRODUCTS = 2048
"""bytes of what comes out of tile registers, in front of a panel"""


@intrinsic
def _round_group(typing: Any, values: Any, rounded: Any, scale: Any, total: Any) -> Any:
    """32 float32 to int8, their scale, and -8 times the sum of the int8. What is not a number makes the scale none."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        parts = [b.load(simd.at(b, b.add(a[0], ir.Constant(_I64, 64 * n)), _F32), align=4) for n in (0, 1)]
        bits = [b.and_(b.bitcast(part, _I32), simd.constant(_I32, 0x7FFFFFFF)) for part in parts]
        larger = b.select(b.icmp_unsigned(">", *bits), *bits)  # as whole numbers, where no number is the largest
        peak = b.bitcast(simd.call(b, "llvm.vector.reduce.umax.v16i32", ir.IntType(32), larger), ir.FloatType())
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
        round_group(activations.values + 4 * GROUP * group, activations, group)


@jit
def round_group(values, activations, group):
    """Round a group that lies elsewhere."""
    rounded, scale, sum_ = activations.rounded + GROUP * group, activations.scales, activations.sums
    _round_group(values, rounded, scale + 4 * group, sum_ + 4 * group)


def panel_bytes(columns: int) -> int:
    """Memory for a block of weights as `multiply_block` lays them out for tile registers; 0 where there are none."""
    return 512 * (columns // GROUP) + _PRODUCTS + 64 if amx.AMX else 0


def _begin_tiles(rows):
    if rows >= FEWEST_IN_TILES:
        amx.begin(amx.CONFIGURATION.ctypes.data)


def _end_tiles(rows):
    if rows >= FEWEST_IN_TILES:
        amx.end()


def _tiled(linear, activations, rows, weights, scales, bias, out, out_stride, accumulate, panel):
    """As many rows as are better off in tile registers; how many that was."""
    groups = linear.columns // GROUP
    size = 256 if linear.kind == INT4 else 512
    room = (panel + 63) // 64 * 64
    signed = room + _PRODUCTS
    for group in range(groups):
        if linear.kind == INT4:
            signed_int4(weights, group, signed + 512 * group)
        else:
            signed_int8(weights, group, signed + 512 * group)
    next_block = weights + groups * size
    ahead, row = next_block, 0
    while row + FEWEST_IN_TILES <= rows:
        rounded = activations.rounded + row * linear.columns
        a_scales = activations.scales + 4 * row * groups
        to = out + row * out_stride
        count = min(amx.TILE_ROWS, rows - row)
        place = (room, bias, count, to, out_stride, accumulate)
        if ahead >= next_block + groups * size:
            amx_rows(signed, scales, rounded, a_scales, groups, *place, ahead)
        elif rows >= SPREAD:
            amx_rows_ahead_4(signed, scales, rounded, a_scales, groups, *place, ahead)
            ahead += 128 * groups
        elif linear.kind == INT4:
            amx_rows_ahead_8(signed, scales, rounded, a_scales, groups, *place, ahead)
            ahead += 256 * groups
        else:
            amx_rows_ahead_16(signed, scales, rounded, a_scales, groups, *place, ahead)
            ahead += 512 * groups
        row += count
    return row


def _untiled(linear, activations, rows, weights, scales, bias, out, out_stride, accumulate, panel):
    return 0


def _nothing(rows):
    pass


_by_tiles = jit(_tiled if amx.AMX else _untiled)
begin_tiles = jit(_begin_tiles if amx.AMX else _nothing)
"""before a thread's first `multiply_block` with so many rows"""
end_tiles = jit(_end_tiles if amx.AMX else _nothing)
"""and after its last"""


@jit
def _quantised(linear, activations, rows, block, bias, out, out_stride, accumulate, panel):
    groups = linear.columns // GROUP
    weights = linear.weights + block * groups * (256 if linear.kind == INT4 else 512)
    scales = linear.scales + block * groups * 2 * BLOCK
    row = 0
    if rows >= FEWEST_IN_TILES and groups % 2 == 0:
        row = _by_tiles(linear, activations, rows, weights, scales, bias, out, out_stride, accumulate, panel)
    while row < rows:
        rounded = activations.rounded + row * linear.columns
        a_scales = activations.scales + 4 * row * groups
        sums = activations.sums + 4 * row * groups
        to = out + row * out_stride
        left = rows - row
        if left > HALF_TILE:
            count = min(TILE, left)
            if linear.kind == INT4:
                int4_tile(weights, scales, rounded, a_scales, sums, groups, bias, count, to, out_stride, accumulate)
            else:
                int8_tile(weights, scales, rounded, a_scales, sums, groups, bias, count, to, out_stride, accumulate)
        elif left >= FEWEST:
            count = left
            if linear.kind == INT4:
                int4_half(weights, scales, rounded, a_scales, sums, groups, bias, count, to, out_stride, accumulate)
            else:
                int8_half(weights, scales, rounded, a_scales, sums, groups, bias, count, to, out_stride, accumulate)
        else:
            count = 1
            if linear.kind == INT4:
                int4_row(weights, scales, rounded, a_scales, sums, groups, bias, 1, to, out_stride, accumulate)
            else:
                int8_row(weights, scales, rounded, a_scales, sums, groups, bias, 1, to, out_stride, accumulate)
        row += count


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
def _float_tile(weights, stride, values, columns, tokens, out, out_stride):
    if tokens == 6:
        float_tile_6(weights, stride, values, stride, columns, out, out_stride)
    elif tokens == 5:
        float_tile_5(weights, stride, values, stride, columns, out, out_stride)
    elif tokens == 4:
        float_tile_4(weights, stride, values, stride, columns, out, out_stride)
    elif tokens == 3:
        float_tile_3(weights, stride, values, stride, columns, out, out_stride)
    else:
        float_tile_2(weights, stride, values, stride, columns, out, out_stride)


@jit
def _floating_tiles(linear, activations, rows, block, out, out_stride):
    """Several rows of activations, in tiles that are as full as each other."""
    stride, tiles = 4 * linear.columns, (rows + FLOAT_TOKENS - 1) // FLOAT_TOKENS
    for four in range(block * BLOCK, min(block * BLOCK + BLOCK, linear.rows), FLOAT_ROWS):
        first = min(four, linear.rows - FLOAT_ROWS)
        weights, to = linear.weights + first * stride, out + 4 * (first - block * BLOCK)
        for tile in range(tiles):
            row = tile * rows // tiles
            tokens = (tile + 1) * rows // tiles - row
            begin = to + row * out_stride
            _float_tile(weights, stride, activations.values + row * stride, linear.columns, tokens, begin, out_stride)
            if linear.bias:
                for token in range(tokens):
                    for n in range(FLOAT_ROWS):
                        at = begin + token * out_stride + 4 * n
                        put(at, get(at) + get(linear.bias + 4 * (first + n)))


@jit
def _floating(linear, activations, rows, block, out, out_stride, accumulate):
    stride = linear.columns * (4 if linear.kind == FLOAT32 else 2)
    if simd.WIDE and rows > 1 and linear.kind == FLOAT32 and not accumulate:
        _floating_tiles(linear, activations, rows, block, out, out_stride)
        return
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
def multiply_block(linear, activations, rows, block, out, out_stride, accumulate, panel):
    """BLOCK rows of weights, the block's number counted from 0, with all rows of activations.

    `accumulate` adds to what is there; the number of rows is then a multiple of 4.

    `out` is where the first row's result for this block goes; `out_stride` bytes lie between rows of results. `panel`
    is this thread's memory of panel_bytes(columns); between begin_tiles and end_tiles.
    """
    if linear.kind >= INT4:
        bias = linear.bias + 4 * BLOCK * block
        _quantised(linear, activations, rows, block, bias, out, out_stride, accumulate, panel)
    else:
        _floating(linear, activations, rows, block, out, out_stride, accumulate)
