"""Quantised weights with several rows of activations at once, as code that is put together instruction by instruction.

By vectors for any processor, or by the tile registers (core.models.amx) where there are some; both give the same bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models import amx, simd
from core.models.cpu_layout import BLOCK, GROUP, HALF_TILE, INT4, INT8, TILE
from core.models.simd import operation
from core.models.simd_bytes import byte_dot

AHEAD = 1024
"""bytes of weights that are asked for before their turn, where each is used once: a third more bandwidth on the Xeon
that it was tried on, and less from 512 or 4096"""

_F32 = ir.VectorType(ir.FloatType(), simd.LANES)
_I32 = ir.VectorType(ir.IntType(32), simd.LANES)
_I8 = ir.VectorType(ir.IntType(8), 4 * simd.LANES)
_I64 = ir.IntType(64)


def _tile(kind: int, tokens: int) -> Any:
    """An intrinsic: BLOCK rows of quantised weights with `tokens` rows of activations, of which `count` are put out."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        weights, scales, rounded, a_scales, sums, groups, bias, count, *to = a
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
                whole = byte_dot(b, whole, part, simd.splat(b, b.load(where, align=4), _I32))
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
        _put_rows(b, sums_out, count, tuple(to))

    def tile(typing, weights, scales, rounded, a_scales, sums, groups, bias, count, out, out_stride, accumulate):
        return operation(types.void(*[types.int64] * 11), build)

    return intrinsic(tile)


def _put_rows(b: ir.IRBuilder, rows: list[ir.Value], count: ir.Value, to: tuple[ir.Value, ...]) -> None:
    """The first `count` results to their rows; `to`: where, bytes between rows, and 0, or 1 to add to what is there."""
    out, stride, accumulate = to
    adds = b.icmp_signed("!=", accumulate, ir.Constant(_I64, 0))
    for number, new in enumerate(rows):
        with b.if_then(b.icmp_signed("<", ir.Constant(_I64, number), count), likely=True):
            at = simd.at(b, b.add(out, b.mul(stride, ir.Constant(_I64, number))), _F32)
            old = b.select(adds, b.load(at, align=4), simd.constant(_F32, 0.0))
            b.store(b.fadd(new, old), at, align=4)


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


int4_tile, int4_row = _tile(INT4, TILE), _tile(INT4, 1)
int8_tile, int8_row = _tile(INT8, TILE), _tile(INT8, 1)
int4_half, int8_half = _tile(INT4, HALF_TILE), _tile(INT8, HALF_TILE)


def _signed(kind: int) -> Any:
    """An intrinsic: a group's weights as signed bytes to an address, for `amx_rows`."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        half = simd.constant(_I8, 8 if kind == INT4 else 128)
        for quad, part in enumerate(_quads(b, kind, a[0], a[1], prefetches=True)):
            to = simd.at(b, b.add(a[2], ir.Constant(_I64, 64 * quad)), _I8)
            b.store(b.sub(part, half), to, align=1)

    def signed(typing, weights, group, to):
        return operation(types.void(types.int64, types.int64, types.int64), build)

    return intrinsic(signed)


signed_int4, signed_int8 = _signed(INT4), _signed(INT8)


def _with_products(
    b: ir.IRBuilder, held: list[Any], products: Any, scale: Any, places: list[Any], a_scales: Any
) -> list[Any]:
    """The sums with a group's products [rows, 16 int32] added, each times both scales."""
    found = []
    for row, (sum_, place) in enumerate(zip(held, places, strict=True)):
        whole = b.load(simd.at(b, b.add(products, ir.Constant(_I64, 64 * row)), _I32), align=4)
        at = simd.at(b, b.add(a_scales, b.mul(place, ir.Constant(_I64, 4))), ir.FloatType())
        factor = b.fmul(scale, simd.splat(b, b.load(at, align=4), _F32))
        found.append(simd.call(b, "llvm.fma.v16f32", _F32, b.sitofp(whole, _F32), factor, sum_))
    return found


def _fetch_rows(b: ir.IRBuilder, out: Any, stride: Any) -> None:
    for row in range(amx.TILE_ROWS):
        simd.fetch_ahead(b, b.add(out, b.mul(stride, ir.Constant(_I64, row))))


def _amx_rows(lines: int) -> Any:
    """As `_tile` for amx.TILE_ROWS rows, by tile registers, two groups at a time; `weights` are signed bytes.

    So many cache lines of what lies at `ahead` are asked for with each two groups, and one of the next block's scales.
    """

    def build(b: ir.IRBuilder, a: Any) -> None:
        weights, scales, rounded, a_scales, groups, room, bias, count, *to, ahead = a
        before = b.block
        loop, after = b.append_basic_block("groups"), b.append_basic_block("done")
        columns = b.mul(groups, ir.Constant(_I64, GROUP))
        start = b.load(simd.at(b, bias, _F32), align=4)
        next_scales = b.add(scales, b.mul(groups, ir.Constant(_I64, 2 * BLOCK)))
        _fetch_rows(b, to[0], to[1])
        b.branch(loop)
        b.position_at_end(loop)
        first = b.phi(_I64)
        first.add_incoming(ir.Constant(_I64, 0), before)
        sums = [b.phi(_F32) for _ in range(amx.TILE_ROWS)]
        held: list[Any] = list(sums)
        for one in sums:
            one.add_incoming(start, before)
        rows_of_scales = [b.mul(ir.Constant(_I64, row), groups) for row in range(amx.TILE_ROWS)]
        pairs = [b.add(first, ir.Constant(_I64, n)) for n in (0, 1)]
        rooms = [b.add(room, ir.Constant(_I64, 1024 * n)) for n in (0, 1)]
        for n, group in enumerate(pairs):
            left = b.add(rounded, b.mul(group, ir.Constant(_I64, GROUP)))
            right = b.add(weights, b.mul(group, ir.Constant(_I64, 512)))
            amx.multiply(b, n, left, columns, right, rooms[n])
        wanted = b.add(ahead, b.mul(first, ir.Constant(_I64, 32 * lines)))
        for line in range(lines):
            simd.fetch_ahead(b, b.add(wanted, ir.Constant(_I64, 64 * line)), 2)
        if lines:
            simd.fetch_ahead(b, b.add(next_scales, b.mul(first, ir.Constant(_I64, 2 * BLOCK))), 2)
        for group, products in zip(pairs, rooms, strict=True):
            at = simd.at(b, b.add(scales, b.mul(group, ir.Constant(_I64, 2 * BLOCK))), ir.VectorType(ir.HalfType(), 16))
            scale = b.fpext(b.load(at, align=2), _F32)
            held = _with_products(b, held, products, scale, [b.add(row, group) for row in rows_of_scales], a_scales)
        following = b.add(first, ir.Constant(_I64, 2))
        first.add_incoming(following, b.block)
        for one, new in zip(sums, held, strict=True):
            one.add_incoming(new, b.block)
        b.cbranch(b.icmp_signed("<", following, groups), loop, after)
        b.position_at_end(after)
        _put_rows(b, held, count, tuple(to))

    def rows(typing, weights, scales, rounded, a_scales, groups, room, bias, count, out, out_stride, accumulate, ahead):
        return operation(types.void(*[types.int64] * 12), build)

    return intrinsic(rows)


amx_rows, amx_rows_ahead_4, amx_rows_ahead_8, amx_rows_ahead_16 = (_amx_rows(lines) for lines in (0, 4, 8, 16))


FLOAT_ROWS = 4
"""of float weights in a tile"""
FLOAT_TOKENS = 6
"""rows of activations in the largest tile: with the weights' and one of activations all fit into 32 registers"""


def _float_tile(tokens: int) -> Any:
    """An intrinsic: FLOAT_ROWS rows of float32 weights with `tokens` rows of activations, as sums [tokens, FLOAT_ROWS].

    Bytes lie between rows of each. The same sums as a row of activations has alone (cpu_kernels).
    """

    def build(b: ir.IRBuilder, a: Any) -> None:
        weights, stride, values, value_stride, columns, out, out_stride = a
        before = b.block
        loop, after = b.append_basic_block("columns"), b.append_basic_block("done")
        b.branch(loop)
        b.position_at_end(loop)
        column = b.phi(_I64)
        column.add_incoming(ir.Constant(_I64, 0), before)
        held = [b.phi(_F32) for _ in range(tokens * FLOAT_ROWS)]
        for one in held:
            one.add_incoming(simd.constant(_F32, 0.0), before)
        offset = b.mul(column, ir.Constant(_I64, 4))
        parts = []
        for row in range(FLOAT_ROWS):
            where = b.add(b.add(weights, b.mul(stride, ir.Constant(_I64, row))), offset)
            simd.fetch_ahead(b, b.add(where, ir.Constant(_I64, AHEAD // 2)))
            parts.append(b.load(simd.at(b, where, _F32), align=4))
        new = []
        for token in range(tokens):
            where = b.add(b.add(values, b.mul(value_stride, ir.Constant(_I64, token))), offset)
            x = b.load(simd.at(b, where, _F32), align=4)
            sums = held[token * FLOAT_ROWS :][:FLOAT_ROWS]
            new += [
                simd.call(b, "llvm.fma.v16f32", _F32, part, x, sum_) for part, sum_ in zip(parts, sums, strict=True)
            ]
        following = b.add(column, ir.Constant(_I64, simd.LANES))
        column.add_incoming(following, b.block)
        for one, sum_ in zip(held, new, strict=True):
            one.add_incoming(sum_, b.block)
        b.cbranch(b.icmp_signed("<", following, columns), loop, after)
        b.position_at_end(after)
        for slot, sum_ in enumerate(new):
            token, row = divmod(slot, FLOAT_ROWS)
            where = b.add(b.add(out, b.mul(out_stride, ir.Constant(_I64, token))), ir.Constant(_I64, 4 * row))
            b.store(simd.lane_sum(b, sum_), simd.at(b, where, ir.FloatType()), align=4)

    def tile(
        typing: Any,
        weights: Any,
        stride: Any,
        values: Any,
        value_stride: Any,
        columns: Any,
        out: Any,
        out_stride: Any,
    ) -> Any:
        return operation(types.void(*[types.int64] * 7), build)

    return intrinsic(tile)


float_tile_6, float_tile_5, float_tile_4, float_tile_3, float_tile_2 = (
    _float_tile(tokens) for tokens in range(FLOAT_TOKENS, 1, -1)
)
