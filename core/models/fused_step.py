"""A decoder's whole forward pass over some rows as one numba function, which several threads run together.

Every thread walks through the same operations; each operation's work is claimed in pieces (core.models.thread_team).
Addresses come from core.models.fused, which owns the memory. One row or many go through the same arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numba

from core.models.cpu_attention import QUERIES, attend
from core.models.cpu_kernels import begin_tiles, end_tiles, multiply_block, round_activations, round_group
from core.models.cpu_layers import rms_norm, rotate, silu_product
from core.models.cpu_layout import BLOCK, GROUP, INT4, Linear, jit
from core.models.cpu_linear import items_in_piece, multiply_all
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
    """[threads, rows, gate and up, GROUP]"""
    attention: int
    """room for cpu_attention, for each thread"""
    attention_bytes: int
    """of each"""
    panels: int
    """room for multiply_block, for each thread"""
    panel_bytes: int
    """of each"""
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
def _norm(shape, source, weight, epsilon, activations, rounds, at):
    piece = items_in_piece(shape.rows, shape.threads)
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
def _project(shape, table, layer, activations, buffers, panel, at):
    """Queries, keys and values, one behind the other in a row."""
    query, key, value = _linear(table, layer, QUERY), _linear(table, layer, KEY), _linear(table, layer, VALUE)
    first, second = query.rows // BLOCK, (query.rows + key.rows) // BLOCK
    blocks = second + value.rows // BLOCK
    stride = 4 * BLOCK * blocks
    piece = items_in_piece(blocks, shape.threads)
    pieces = (blocks + piece - 1) // piece
    chosen = claim(at)
    while chosen < pieces:
        for block in range(chosen * piece, min(chosen * piece + piece, blocks)):
            to = buffers.heads + 4 * BLOCK * block
            if block < first:
                multiply_block(query, activations, shape.rows, block, to, stride, 0, panel)
            elif block < second:
                multiply_block(key, activations, shape.rows, block - first, to, stride, 0, panel)
            else:
                multiply_block(value, activations, shape.rows, block - second, to, stride, 0, panel)
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
    piece = items_in_piece(shape.rows, shape.threads)
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
    """One piece is one head of a few rows, or, of a single row, a few heads that share keys."""
    width = shape.head_width
    row_width = (shape.heads + 2 * shape.kv_heads) * width
    shared = shape.heads // shape.kv_heads
    memory = buffers.attention + thread * buffers.attention_bytes
    by_rows = shape.rows > 2
    batches = (shape.rows if by_rows else shared) + QUERIES - 1
    batches //= QUERIES
    pieces = batches * shape.heads if by_rows else batches * shape.kv_heads * shape.rows
    chosen = claim(at)
    while chosen < pieces:
        if by_rows:
            row, head = chosen // shape.heads * QUERIES, chosen % shape.heads
            count, step = min(QUERIES, shape.rows - row), 1
            stride, to_stride = row_width, shape.heads * width
        else:
            row, part = chosen // (batches * shape.kv_heads), chosen % (batches * shape.kv_heads)
            first = part % batches * QUERIES
            head = part // batches * shared + first
            count, step = min(QUERIES, shared - first), 0
            stride = to_stride = width
        cache = 4 * (head // shared) * table[layer, CAPACITY] * width
        group = (row * shape.heads + head) * (width // GROUP)
        attend(
            buffers.heads + 4 * (row * row_width + head * width),
            4 * stride,
            count,
            table[layer, KEYS] + cache,
            table[layer, VALUES] + cache,
            shape.position + row + 1,
            step,
            width,
            memory,
            activations.values + 4 * GROUP * group,
            4 * to_stride,
        )
        for n in range(count if rounds else 0):
            begin = group + n * (to_stride // GROUP)
            round_activations(activations, begin, begin + width // GROUP)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def _add_product(shape, linear, activations, buffers, panel, at):
    """A linear layer's result added to the residual stream."""
    blocks = linear.rows // BLOCK
    piece = items_in_piece(blocks, shape.threads)
    pieces = (blocks + piece - 1) // piece
    chosen = claim(at)
    while chosen < pieces:
        for block in range(chosen * piece, min(chosen * piece + piece, blocks)):
            to = buffers.hidden + 4 * BLOCK * block
            multiply_block(linear, activations, shape.rows, block, to, 4 * shape.hidden, 1, panel)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def _gate(shape, table, layer, activations, inner, buffers, rounds, panel, thread, at):
    """The feed-forward part's inner activations. A piece is some groups of all rows."""
    gate, up = _linear(table, layer, GATE), _linear(table, layer, UP)
    groups = shape.inner // GROUP
    piece = items_in_piece(groups, shape.threads)
    pieces = (groups + piece - 1) // piece
    size = 4 * GROUP
    room = buffers.gate + 2 * size * shape.rows * thread
    chosen = claim(at)
    while chosen < pieces:
        for group in range(chosen * piece, min(chosen * piece + piece, groups)):
            for half in range(GROUP // BLOCK):
                block, to = group * (GROUP // BLOCK) + half, room + 4 * BLOCK * half
                multiply_block(gate, activations, shape.rows, block, to, 2 * size, 0, panel)
                multiply_block(up, activations, shape.rows, block, to + size, 2 * size, 0, panel)
            for row in range(shape.rows):
                source, here = room + 2 * size * row, row * groups + group
                if rounds:
                    silu_product(source, source + size, source, GROUP)
                    round_group(source, inner, here)
                else:
                    silu_product(source, source + size, inner.values + size * here, GROUP)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)


@jit
def run_layers(shape, epsilon, table, activations, inner, buffers, thread):
    """All layers. `activations` and `inner` are room for a layer's inputs and for the feed-forward part's."""
    at = buffers.progress
    panel = buffers.panels + thread * buffers.panel_bytes
    begin_tiles(shape.rows)
    for layer in range(shape.layers):
        rounds = table[layer, 0] >= INT4
        _norm(shape, buffers.hidden, table[layer, INPUT_NORM], epsilon, activations, rounds, at)
        _project(shape, table, layer, activations, buffers, panel, at + _STEP)
        _place(shape, table, layer, epsilon, buffers, at + 2 * _STEP)
        _attention(shape, table, layer, activations, buffers, rounds, thread, at + 3 * _STEP)
        _add_product(shape, _linear(table, layer, OUT), activations, buffers, panel, at + 4 * _STEP)
        _norm(shape, buffers.hidden, table[layer, AFTER_NORM], epsilon, activations, rounds, at + 5 * _STEP)
        _gate(shape, table, layer, activations, inner, buffers, rounds, panel, thread, at + 6 * _STEP)
        _add_product(shape, _linear(table, layer, DOWN), inner, buffers, panel, at + 7 * _STEP)
        at += OPERATIONS * _STEP
    end_tiles(shape.rows)


@jit
def run_head(shape, epsilon, norm, head, activations, buffers, thread, logits, logits_stride):
    """The final norm and the output head over `shape.rows` rows; `shape.layers` counts those that ran before."""
    at = buffers.progress + shape.layers * OPERATIONS * _STEP
    panel = buffers.panels + thread * buffers.panel_bytes
    _norm(shape, buffers.hidden, norm, epsilon, activations, head.kind >= INT4, at)
    multiply_all(head, activations, shape.rows, shape.threads, panel, logits, logits_stride, at + _STEP)
