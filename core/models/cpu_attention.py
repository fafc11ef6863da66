"""Attention of a few queries over the same keys and values at once, as numba functions over addresses.

Keys are taken SPAN at a time with a running maximum (the online softmax of Milakov & Gimelshein 2018), always from the
same places of the text: what a query gives is the same to the bit, however many are computed with it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models import simd
from core.models.cpu_layout import jit
from core.models.simd import (
    LANES,
    add,
    every,
    exp,
    get,
    largest,
    load,
    maximum,
    mul,
    operation,
    put,
    store,
    total,
    zero,
)

QUERIES = 8
"""at most, that share a reading of keys and values"""
_TOGETHER = 4 if simd.WIDE else 1
"""whose weighted values are held in registers at a time"""
_KEYS_TOGETHER = 16 if simd.WIDE else 4
"""whose products are"""
SPAN = 64
"""keys: of a head 64 wide they and their values fit into the nearest cache"""
_SUM, _FACTOR, _HIGHEST, _WEIGHTED = (4 * SPAN + 64 * n for n in range(4))
"""in a query's room of bytes: SPAN weights; lanes that sum them up; lanes of what to scale by; the highest score; the
weighted values"""
_LOWEST = -1e30

_F32 = ir.VectorType(ir.FloatType(), LANES)
_I64 = ir.IntType(64)


def room_bytes(width: int) -> int:
    """Memory that `attend` works in."""
    return QUERIES * (_WEIGHTED + 4 * width)


def _number(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _halves_summed(b: ir.IRBuilder, vectors: list[Any], width: int) -> list[Any]:
    """Pairs of vectors become one: of each, neighbouring runs of `width` lanes added in the order of `simd.total`."""
    index = ir.VectorType(ir.IntType(32), LANES)
    kept, moved = [], []
    for lane in range(LANES):
        of_second = lane // width % 2
        kept.append(lane + LANES * of_second)
        moved.append(lane - width + LANES if of_second else lane + width)
    found = []
    half = len(vectors) // 2
    for first, other in zip(vectors[:half], vectors[half:], strict=True):
        same = b.shuffle_vector(first, other, ir.Constant(index, kept))
        swapped = b.shuffle_vector(first, other, ir.Constant(index, moved))
        found.append(b.fadd(same, swapped))
    return found


def _products(last_is_given: bool) -> Any:
    """An intrinsic: a query's products with 16 keys; from number `last` on it is always that key."""

    def build(b: ir.IRBuilder, a: Any) -> Any:
        query, keys, stride, size, last = a
        starts = []
        for number in range(LANES):
            key = _number(number)
            if last_is_given:
                key = b.select(b.icmp_signed("<", key, last), key, last)
            starts.append(b.add(keys, b.mul(key, stride)))
        found: list[Any] = []
        for first in range(0, LANES, _KEYS_TOGETHER):
            found += _dots(b, query, starts[first : first + _KEYS_TOGETHER], size)
        for width in (8, 4, 2, 1):
            found = _halves_summed(b, found, width)
        return found[0]

    def products(typing, query, keys, stride, size, last):
        return operation(simd.F32(*[types.int64] * 5), build)

    return intrinsic(products)


def _dots(b: ir.IRBuilder, query: Any, starts: list[Any], size: Any) -> list[Any]:
    """The query times what begins at each start, `size` bytes long: 16 sums of each, still to be added."""
    before = b.block
    loop, after = b.append_basic_block("columns"), b.append_basic_block("done")
    b.branch(loop)
    b.position_at_end(loop)
    column = b.phi(_I64)
    column.add_incoming(_number(0), before)
    sums = [b.phi(_F32) for _ in starts]
    for one in sums:
        one.add_incoming(simd.constant(_F32, 0.0), before)
    x = b.load(simd.at(b, b.add(query, column), _F32), align=4)
    new = [
        simd.call(b, "llvm.fma.v16f32", _F32, x, b.load(simd.at(b, b.add(start, column), _F32), align=4), one)
        for start, one in zip(starts, sums, strict=True)
    ]
    following = b.add(column, _number(64))
    column.add_incoming(following, loop)
    for one, added in zip(sums, new, strict=True):
        one.add_incoming(added, loop)
    b.cbranch(b.icmp_signed("<", following, size), loop, after)
    b.position_at_end(after)
    return new


_whole_products, _last_products = _products(False), _products(True)


def _weigher(queries: int, parts: int) -> Any:
    """An intrinsic: to the weighted values of some queries, 16 * `parts` columns, `count` more are added."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        values, stride, count, weights, weighted, room = a
        before = b.block
        places = [
            [b.add(b.add(weighted, b.mul(room, _number(query))), _number(64 * part)) for part in range(parts)]
            for query in range(queries)
        ]
        starts = []
        for query, row in enumerate(places):
            factor_at = b.add(b.add(weights, b.mul(room, _number(query))), _number(_FACTOR))
            factor = b.load(simd.at(b, factor_at, _F32), align=4)
            starts += [b.fmul(b.load(simd.at(b, place, _F32), align=4), factor) for place in row]
        loop, after = b.append_basic_block("keys"), b.append_basic_block("done")
        b.branch(loop)
        b.position_at_end(loop)
        key = b.phi(_I64)
        key.add_incoming(_number(0), before)
        held = [b.phi(_F32) for _ in starts]
        for one, start in zip(held, starts, strict=True):
            one.add_incoming(start, before)
        at = b.add(values, b.mul(key, stride))
        row = [b.load(simd.at(b, b.add(at, _number(64 * part)), _F32), align=4) for part in range(parts)]
        new = []
        for query in range(queries):
            place = b.add(b.add(weights, b.mul(room, _number(query))), b.mul(key, _number(4)))
            weight = simd.splat(b, b.load(simd.at(b, place, ir.FloatType()), align=4), _F32)
            for part in range(parts):
                sum_ = held[query * parts + part]
                new.append(simd.call(b, "llvm.fma.v16f32", _F32, weight, row[part], sum_))
        following = b.add(key, _number(1))
        key.add_incoming(following, loop)
        for one, added in zip(held, new, strict=True):
            one.add_incoming(added, loop)
        b.cbranch(b.icmp_signed("<", following, count), loop, after)
        b.position_at_end(after)
        for place, added in zip([place for row in places for place in row], new, strict=True):
            b.store(added, simd.at(b, place, _F32), align=4)

    def weigh(typing, values, stride, count, weights, weighted, room):
        return operation(types.void(*[types.int64] * 6), build)

    return intrinsic(weigh)


_weigh_some, _weigh_some_narrow = _weigher(_TOGETHER, 4), _weigher(_TOGETHER, 2)
_weigh_one, _weigh_one_narrow = _weigher(1, 4), _weigher(1, 2)


@jit
def _weights(query, keys, count, most, width, room):
    """Of a query for `count` keys, and 0 for those up to `most`; what was weighted before is scaled to them."""
    size = 4 * width
    scale = every(width**-0.5)
    filled = (count + LANES - 1) // LANES * LANES
    for n in range(0, filled, LANES):
        at = keys + n * size
        if n + LANES <= count:
            scores = _whole_products(query, at, size, size, 0)
        else:
            scores = _last_products(query, at, size, size, count - 1 - n)
        store(room + 4 * n, mul(scores, scale))
    for n in range(count, filled):
        put(room + 4 * n, _LOWEST)
    before = get(room + _HIGHEST)
    peak = every(before)
    for n in range(0, filled, LANES):
        peak = maximum(peak, load(room + 4 * n))
    highest = largest(peak)
    put(room + _HIGHEST, highest)
    offset = every(-highest)
    factor = exp(add(every(before), offset))
    sums = mul(load(room + _SUM), factor)
    for n in range(0, filled, LANES):
        weight = exp(add(load(room + 4 * n), offset))
        store(room + 4 * n, weight)
        sums = add(sums, weight)
    store(room + _SUM, sums)
    store(room + _FACTOR, factor)
    for n in range(count, most):
        put(room + 4 * n, 0.0)


@jit
def _skip(most, room):
    """A query that sees none of `most` keys."""
    store(room + _FACTOR, every(1.0))
    for n in range(most):
        put(room + 4 * n, 0.0)


@jit
def _weigh(values, width, most, count, memory, room):
    """What `most` values add to the weighted values of all queries, 64 columns at a time or 32."""
    size = 4 * width
    for column in range(0, size, 256):
        narrow = size - column < 256  # then it is 128
        n = 0
        while n < count:
            weights = memory + n * room
            weighted = weights + _WEIGHTED + column
            if count - n >= _TOGETHER:
                if narrow:
                    _weigh_some_narrow(values + column, size, most, weights, weighted, room)
                else:
                    _weigh_some(values + column, size, most, weights, weighted, room)
                n += _TOGETHER
            else:
                if narrow:
                    _weigh_one_narrow(values + column, size, most, weights, weighted, room)
                else:
                    _weigh_one(values + column, size, most, weights, weighted, room)
                n += 1


@jit
def attend(queries, query_stride, count, keys, values, length, step, width, memory, to, to_stride):
    """`count` queries, at most QUERIES, over one head's keys and values [n, width]; width is a multiple of 32.

    Query n sees the first `length` + n * `step` keys. Strides are bytes between queries and between results.
    `memory` has room_bytes(width).
    """
    room = _WEIGHTED + 4 * width
    for n in range(count):
        begin = memory + n * room
        store(begin + _SUM, zero())
        put(begin + _HIGHEST, _LOWEST)
        for column in range(0, 4 * width, 64):
            store(begin + _WEIGHTED + column, zero())
    longest = length + (count - 1) * step
    for first in range(0, longest, SPAN):
        most = min(SPAN, longest - first)
        for n in range(count):
            seen = min(most, length + n * step - first)
            if seen > 0:
                at = keys + 4 * first * width
                _weights(queries + n * query_stride, at, seen, most, width, memory + n * room)
            else:
                _skip(most, memory + n * room)
        _weigh(values + 4 * first * width, width, most, count, memory, room)
    for n in range(count):
        begin = memory + n * room
        inverse = every(1.0 / total(load(begin + _SUM)))
        for column in range(0, 4 * width, 64):
            store(to + n * to_stride + column, mul(load(begin + _WEIGHTED + column), inverse))
