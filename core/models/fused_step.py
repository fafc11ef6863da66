"""A decoder's whole forward pass over some rows as one numba function, which several threads run together.

Every thread walks through the same operations; each operation's work is claimed in pieces (core.models.thread_team).
Addresses come from core.models.fused, which owns the memory. One row or many go through the same arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numba

from core.models.cpu_kernels import multiply_block, round_activations, rows_from
from core.models.cpu_layers import attend, rms_norm, rotate, silu_product
from core.models.cpu_layout import BLOCK, GROUP, INT4, Linear, jit
from core.models.simd import get, put
from core.models.thread_team import COUNTERS, await_all, claim, finish

# A row of the table of layers, int64: seven linears of six fields each, then what follows.
FIELDS = len(Linear._fields)
QUERY, KEY, VALUE, OUT, GATE, UP, DOWN = range(7)
INPUT_NORM, AFTER_NORM, QUERY_NORM, KEY_NORM, ROTATES, KEYS, VALUES, CAPACITY = range(7 * FIELDS, 7 * FIELDS + 8)
COLUMNS = 7 * FIELDS + 8
OPERATIONS = 8
"""that threads share out, in a layer"""
_STEP = 8 * COUNTERS
_PIECES = 8
"""of an operation for each thread"""
GATE_ROWS = 64
"""whose inner activations a thread has at hand before they are multiplied: they fit into its cache"""


class Shape(NamedTuple):
    """Of the pass."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    inner: int
    """width of the feed-forward part"""
    rows: int
    position: int
    """of the first row, and so the number of keys there are already"""
    threads: int


class Buffers(NamedTuple):
    """Addresses of float32 unless said otherwise."""

    hidden: int
    """[rows, hidden]: the embeddings; the residual stream"""
    heads: int
    """[rows, query, key and value heads, head width]"""
    gate: int
    """[threads, GATE_ROWS, gate and up, inner_piece(...)]"""
    scores: int
    """[threads, score_room]"""
    score_room: int
    """number of float32"""
    cos: int
    """[rows, head width], of which the first half is read"""
    sin: int
    """[rows, head width], of which the second half is read"""
    progress: int
    """int64 [OPERATIONS * layers + 2, COUNTERS], all 0"""


@numba.njit(nogil=True, cache=True)
def _linear(table, layer, which):
    n = which * FIELDS
    row = table[layer]
    return Linear(row[n], row[n + 1], row[n + 2], row[n + 3], row[n + 4], row[n + 5])


@jit
def _piece(items, threads):
    """Items in a piece, so that there are about _PIECES pieces a thread."""
    return max(1, items // (_PIECES * threads))


def inner_piece(inner: int, threads: int) -> int:
    """Width of a piece of the inner activations, in numbers."""
    return GROUP * int(_piece(inner // GROUP, threads))


@jit
def _norm(shape, source, weight, epsilon, activations, rounds, at):
    piece = _piece(shape.rows, shape.threads)
    pieces = (shape.rows + piece - 1) // piece
    chosen = claim(at)
    while chosen < pieces:
        for row in range(chosen * piece, min(chosen * piece + piece, shape.rows)):
            offset = 4 * row * shape.hidden
            rms_norm(source + offset, weight, epsilon, activations.values + offset, shape.hidden)
            if rounds:
                groups = shape.hidden // GROUP
                round_activations(activations, row * groups, row * groups + groups)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def _project(shape, table, layer, activations, buffers, at):
    """Queries, keys and values, one behind the other in a row."""
    query, key, value = _linear(table, layer, QUERY), _linear(table, layer, KEY), _linear(table, layer, VALUE)
    first, second = query.rows // BLOCK, (query.rows + key.rows) // BLOCK
    blocks = second + value.rows // BLOCK
    stride = 4 * BLOCK * blocks
    piece = _piece(blocks, shape.threads)
    pieces = (blocks + piece - 1) // piece
    chosen = claim(at)
    while chosen < pieces:
        for block in range(chosen * piece, min(chosen * piece + piece, blocks)):
            to = buffers.heads + 4 * BLOCK * block
            if block < first:
                multiply_block(query, activations, shape.rows, block, to, stride, 0)
            elif block < second:
                multiply_block(key, activations, shape.rows, block - first, to, stride, 0)
            else:
                multiply_block(value, activations, shape.rows, block - second, to, stride, 0)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def _copy(source, to, width):
    for n in range(0, 4 * width, 4):
        put(to + n, get(source + n))


@jit
def _place(shape, table, layer, epsilon, buffers, at):
    """Heads normed where the model does so, turned by their position; keys and values put into the cache."""
    width = shape.head_width
    row_width = (shape.heads + 2 * shape.kv_heads) * width
    query_norm, key_norm = table[layer, QUERY_NORM], table[layer, KEY_NORM]
    piece = _piece(shape.rows, shape.threads)
    pieces = (shape.rows + piece - 1) // piece
    chosen = claim(at)
    while chosen < pieces:
        for row in range(chosen * piece, min(chosen * piece + piece, shape.rows)):
            cos, sin = buffers.cos + 4 * row * width, buffers.sin + 4 * row * width + 2 * width
            head = buffers.heads + 4 * row * row_width
            for n in range(shape.heads + shape.kv_heads):
                norm = query_norm if n < shape.heads else key_norm
                if norm:
                    rms_norm(head, norm, epsilon, head, width)
                if table[layer, ROTATES]:
                    rotate(head, cos, sin, width)
                if n >= shape.heads:
                    slot = (n - shape.heads) * table[layer, CAPACITY] + shape.position + row
                    _copy(head, table[layer, KEYS] + 4 * slot * width, width)
                head += 4 * width
            for n in range(shape.kv_heads):
                slot = n * table[layer, CAPACITY] + shape.position + row
                _copy(head, table[layer, VALUES] + 4 * slot * width, width)
                head += 4 * width
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def _attention(shape, table, layer, activations, buffers, rounds, thread, at):
    """One piece is one head of one row."""
    width = shape.head_width
    row_width = (shape.heads + 2 * shape.kv_heads) * width
    shared = shape.heads // shape.kv_heads
    pieces = shape.rows * shape.heads
    scores = buffers.scores + 4 * thread * buffers.score_room
    chosen = claim(at)
    while chosen < pieces:
        row, head = chosen // shape.heads, chosen % shape.heads
        cache = 4 * (head // shared) * table[layer, CAPACITY] * width
        attend(
            buffers.heads + 4 * (row * row_width + head * width),
            table[layer, KEYS] + cache,
            table[layer, VALUES] + cache,
            shape.position + row + 1,
            width,
            scores,
            activations.values + 4 * chosen * width,
        )
        if rounds:
            groups = width // GROUP
            round_activations(activations, chosen * groups, chosen * groups + groups)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def _add_product(shape, linear, activations, buffers, at):
    """A linear layer's result added to the residual stream."""
    blocks = linear.rows // BLOCK
    piece = _piece(blocks, shape.threads)
    pieces = (blocks + piece - 1) // piece
    chosen = claim(at)
    while chosen < pieces:
        for block in range(chosen * piece, min(chosen * piece + piece, blocks)):
            to = buffers.hidden + 4 * BLOCK * block
            multiply_block(linear, activations, shape.rows, block, to, 4 * shape.hidden, 1)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def _gate(shape, table, layer, activations, inner, buffers, rounds, thread, at):
    """The feed-forward part's inner activations. A piece is some groups of all rows, GATE_ROWS rows at a time."""
    gate, up = _linear(table, layer, GATE), _linear(table, layer, UP)
    groups = shape.inner // GROUP
    piece = _piece(groups, shape.threads)
    pieces = (groups + piece - 1) // piece
    width = 4 * GROUP * piece
    room = buffers.gate + 2 * width * GATE_ROWS * thread
    chosen = claim(at)
    while chosen < pieces:
        first, last = chosen * piece, min(chosen * piece + piece, groups)
        for row in range(0, shape.rows, GATE_ROWS):
            rows = min(GATE_ROWS, shape.rows - row)
            given = rows_from(activations, row, shape.hidden)
            for block in range(2 * first, 2 * last):
                to = room + 4 * BLOCK * (block - 2 * first)
                multiply_block(gate, given, rows, block, to, 2 * width, 0)
                multiply_block(up, given, rows, block, to + width, 2 * width, 0)
            for n in range(rows):
                source, begin = room + 2 * width * n, (row + n) * groups + first
                to = inner.values + 4 * GROUP * begin
                silu_product(source, source + width, to, GROUP * (last - first))
                if rounds:
                    round_activations(inner, begin, begin + last - first)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def run_layers(shape, epsilon, table, activations, inner, buffers, thread):
    """All layers. `activations` and `inner` are room for a layer's inputs and for the feed-forward part's."""
    at = buffers.progress
    for layer in range(shape.layers):
        rounds = table[layer, 0] >= INT4
        _norm(shape, buffers.hidden, table[layer, INPUT_NORM], epsilon, activations, rounds, at)
        _project(shape, table, layer, activations, buffers, at + _STEP)
        _place(shape, table, layer, epsilon, buffers, at + 2 * _STEP)
        _attention(shape, table, layer, activations, buffers, rounds, thread, at + 3 * _STEP)
        _add_product(shape, _linear(table, layer, OUT), activations, buffers, at + 4 * _STEP)
        _norm(shape, buffers.hidden, table[layer, AFTER_NORM], epsilon, activations, rounds, at + 5 * _STEP)
        _gate(shape, table, layer, activations, inner, buffers, rounds, thread, at + 6 * _STEP)
        _add_product(shape, _linear(table, layer, DOWN), inner, buffers, at + 7 * _STEP)
        at += OPERATIONS * _STEP


@jit
def run_head(shape, epsilon, norm, head, activations, buffers, logits, logits_stride):
    """The final norm and the output head over `shape.rows` rows; `shape.layers` counts those that ran before."""
    at = buffers.progress + shape.layers * OPERATIONS * _STEP
    _norm(shape, buffers.hidden, norm, epsilon, activations, head.kind >= INT4, at)
    multiply_all(head, activations, shape.rows, shape.threads, logits, logits_stride, at + _STEP)


@jit
def run_linear(linear, activations, rows, threads, out, out_stride, at):
    """A quantised linear layer by itself: `at` has room for the counters of two operations."""
    piece = _piece(rows, threads)
    pieces = (rows + piece - 1) // piece
    groups = linear.columns // GROUP
    chosen = claim(at)
    while chosen < pieces:
        round_activations(activations, chosen * piece * groups, min(chosen * piece + piece, rows) * groups)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)
    multiply_all(linear, activations, rows, threads, out, out_stride, at + _STEP)


@jit
def multiply_all(linear, activations, rows, threads, out, out_stride, at):
    """A linear layer's results [rows, out_stride / 4]."""
    blocks = (linear.rows + BLOCK - 1) // BLOCK
    piece = _piece(blocks, threads)
    pieces = (blocks + piece - 1) // piece
    chosen = claim(at)
    while chosen < pieces:
        for block in range(chosen * piece, min(chosen * piece + piece, blocks)):
            multiply_block(linear, activations, rows, block, out + 4 * BLOCK * block, out_stride, 0)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)
