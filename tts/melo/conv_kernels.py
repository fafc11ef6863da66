"""One-dimensional convolutions on a CPU, as numba functions over addresses; no compiler is needed on the machine.

Signals lie in planes of 16 channels, a plane being rows of time: [channels / 16, rows, 16] float32. A row's neighbours
are one cache line away whatever the number of channels, and a vector holds a row's 16 channels. Rows outside of the
signal that a kernel reaches must be zeros. A table of operations is one call; threads share each operation's pieces.
"""

from __future__ import annotations

from typing import Any

import numba

from core.models import simd
from core.models.cpu_layout import jit
from core.models.simd import add, every, load, maximum, mul, store
from core.models.thread_team import await_all, claim, finish
from tts.melo.byte_kernels import (
    ROW_BYTES,
    byte_sums_of_four,
    byte_sums_of_one,
    byte_sums_of_two,
    put_factors,
    to_bytes,
)
from tts.melo.conv_sums import (
    enter_four,
    enter_three,
    leave_four,
    leave_three,
    sums_of_four,
    sums_of_one,
    sums_of_two,
)
from tts.melo.conv_table import (
    ADDED,
    ADDED_PLANE,
    BIAS,
    BYTES,
    CLEAR,
    END_ROW,
    FIRST_ROW,
    FIRST_TAP,
    GROUP,
    HELD,
    INPUT,
    INPUT_PLANE,
    INPUT_PLANES,
    KIND,
    LANE_BYTES,
    LEAKY,
    LEAKY_PLANE,
    OUT_OFFSET,
    OUT_PLANES,
    OUT_STEP,
    QUAD,
    RAW,
    RAW_PLANE,
    RESIDUAL,
    RESIDUAL_PLANE,
    ROWS_A_PIECE,
    SCALES,
    SLOPE_MILLI,
    TAP_STEP,
    TAPS,
    WEIGHTS,
)
from tts.melo.fast_convolution import OUTPUTS


@jit
def _compute(op: Any, source: int, weights: int, bias: int, scratch: int) -> None:
    tap_bytes = op[TAP_STEP] * LANE_BYTES
    if op[GROUP] == 4:
        sums_of_four(source, op[INPUT_PLANE], op[INPUT_PLANES], op[TAPS], tap_bytes, weights, bias, scratch)
    elif op[GROUP] == 2:
        sums_of_two(source, op[INPUT_PLANE], op[INPUT_PLANES], op[TAPS], tap_bytes, weights, bias, scratch)
    else:
        sums_of_one(source, op[INPUT_PLANE], op[INPUT_PLANES], op[TAPS], tap_bytes, weights, bias, scratch)


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
def _bytes(op: Any, piece: int, scratch: int) -> None:
    """A piece of rows, of all planes of output, by products of bytes."""
    group = op[GROUP]
    rows = HELD // group
    begin = op[FIRST_ROW] + piece * op[ROWS_A_PIECE]
    end = min(begin + op[ROWS_A_PIECE], op[END_ROW])
    reach = (op[TAPS] - 1) * op[TAP_STEP]
    first = begin + op[FIRST_TAP] + min(reach, 0)
    needed = end - begin + abs(reach)
    plane = (needed + rows) * ROW_BYTES
    step, middle = to_bytes(op, first, needed, plane, scratch)
    factors = scratch + op[INPUT_PLANES] * plane
    offsets = factors + group * LANE_BYTES
    sums = offsets + group * LANE_BYTES
    tap_bytes = op[TAP_STEP] * ROW_BYTES
    weights = op[WEIGHTS]
    for number in range(op[OUT_PLANES] // group):
        at = number * group * LANE_BYTES
        weight_sums = op[SCALES] + op[OUT_PLANES] * LANE_BYTES + at
        put_factors(op[SCALES] + at, weight_sums, op[BIAS] + at, step, middle, factors, group)
        for row in range(begin, end, rows):
            source = scratch + (row + op[FIRST_TAP] - first) * ROW_BYTES
            if group == 4:
                byte_sums_of_four(source, plane, op[INPUT_PLANES], op[TAPS], tap_bytes, weights, factors, offsets, sums)
            elif group == 2:
                byte_sums_of_two(source, plane, op[INPUT_PLANES], op[TAPS], tap_bytes, weights, factors, offsets, sums)
            else:
                byte_sums_of_one(source, plane, op[INPUT_PLANES], op[TAPS], tap_bytes, weights, factors, offsets, sums)
            count = min(rows, end - row)
            for n in range(group):
                _put_rows(op, sums + n * rows * LANE_BYTES, number * group + n, row, count, 1)
        weights += op[INPUT_PLANES] * op[TAPS] * QUAD * group * LANE_BYTES


def byte_scratch_floats(planes: int, rows: int, group: int) -> int:
    """What a thread needs for a piece of bytes that reads so many rows."""
    return simd.LANES * (2 * group + HELD) + planes * (rows + HELD // group) * ROW_BYTES // 4


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
                    enter_three(at, step * LANE_BYTES, to + tile * LANE_BYTES, apart)
                else:
                    enter_four(at, step * LANE_BYTES, to + tile * LANE_BYTES, apart)


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
                    leave_three(at, held, mixed, LANE_BYTES)
                else:
                    leave_four(at, held, mixed, LANE_BYTES)
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
                    sums_of_four(source, plane, op[INPUT_PLANES], op[TAPS], room * LANE_BYTES, weights, bias, to)
                elif group == 2:
                    sums_of_two(source, plane, op[INPUT_PLANES], op[TAPS], room * LANE_BYTES, weights, bias, to)
                else:
                    sums_of_one(source, plane, op[INPUT_PLANES], op[TAPS], room * LANE_BYTES, weights, bias, to)
            weights += op[INPUT_PLANES] * op[TAPS] * simd.LANES * group * LANE_BYTES
        _leave_all(op, number, begin, end, tiles, sums, rows)


def scratch_floats(planes: int, groups: int, products: int, tiles: int, group: int) -> int:
    """What a thread needs for a piece of so many tiles, or for one that is PLAIN with no products."""
    rows = HELD // group
    room = -(-tiles // rows) * rows
    return simd.LANES * (room * products * (planes * groups + group) + group + OUTPUTS + HELD)


@jit
def clear(op: Any, plane: int) -> None:
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
        pieces = pieces_of_rows if op[KIND] > 0 or op[KIND] == BYTES else pieces_of_rows * (op[OUT_PLANES] // op[GROUP])
        while True:
            piece = claim(at)
            if piece >= pieces:
                break
            if op[KIND] > 0:
                _fast(op, piece, scratch)
            elif op[KIND] == BYTES:
                _bytes(op, piece, scratch)
            elif op[KIND] == CLEAR:
                clear(op, piece)
            else:
                _direct(op, piece, pieces_of_rows, scratch)
            finish(at)
        await_all(at, pieces)
