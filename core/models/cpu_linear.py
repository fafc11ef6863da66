"""A linear layer by itself, as numba functions that several threads run together."""

from __future__ import annotations

from core.models.cpu_kernels import begin_tiles, end_tiles, multiply_block, round_activations
from core.models.cpu_layout import BLOCK, GROUP, jit
from core.models.thread_team import COUNTERS, await_all, claim, finish

_PIECES = 8
"""of an operation for each thread"""


@jit
def items_in_piece(items, threads):
    """So many that there are about _PIECES pieces a thread."""
    return max(1, items // (_PIECES * threads))


@jit
def run_linear(linear, activations, rows, threads, panel, out, out_stride, at):
    """Of quantised weights: `panel` is this thread's, `at` has room for the counters of two operations."""
    piece = items_in_piece(rows, threads)
    pieces = (rows + piece - 1) // piece
    groups = linear.columns // GROUP
    chosen = claim(at)
    while chosen < pieces:
        round_activations(activations, chosen * piece * groups, min(chosen * piece + piece, rows) * groups)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)
    multiply_all(linear, activations, rows, threads, panel, out, out_stride, at + 8 * COUNTERS)


@jit
def multiply_all(linear, activations, rows, threads, panel, out, out_stride, at):
    """The results [rows, out_stride / 4] of activations that are ready."""
    blocks = (linear.rows + BLOCK - 1) // BLOCK
    piece = items_in_piece(blocks, threads)
    pieces = (blocks + piece - 1) // piece
    begin_tiles(rows)
    chosen = claim(at)
    while chosen < pieces:
        for block in range(chosen * piece, min(chosen * piece + piece, blocks)):
            multiply_block(linear, activations, rows, block, out + 4 * BLOCK * block, out_stride, 0, panel)
        finish(at)
        chosen = claim(at)
    await_all(at, pieces)
    end_tiles(rows)
