"""A decoder's step for one token, as Triton kernels: five a layer, each reading its weights from memory just once.

Activations are float32 vectors. A kernel that is launched ahead of its turn (`AHEAD`, a programmatic dependent launch
of CUDA) fetches its first weights while the one before still runs, and waits for that before it reads activations.
Triton comes with torch for NVIDIA cards; on the first use it compiles these with the machine's C compiler at hand.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait


@triton.jit
def wait(AHEAD: tl.constexpr):
    """Until the kernel before has ended and its results can be read."""
    if AHEAD:
        gdc_wait()


@triton.jit
def let_next(AHEAD: tl.constexpr):
    """The kernel after may come to the card as soon as there is room beside this one."""
    if AHEAD:
        gdc_launch_dependents()


@triton.jit
def _weights(pointers, columns, COLUMNS: tl.constexpr, WIDTH: tl.constexpr):
    """Read once, so not kept near."""
    if COLUMNS % WIDTH == 0:
        return tl.load(pointers, eviction_policy="evict_first").to(tl.float32)
    return tl.load(pointers, mask=columns < COLUMNS, other=0.0, eviction_policy="evict_first").to(tl.float32)


@triton.jit
def _near(pointers, columns, COLUMNS: tl.constexpr, WIDTH: tl.constexpr):
    """What all programs read."""
    if COLUMNS % WIDTH == 0:
        return tl.load(pointers).to(tl.float32)
    return tl.load(pointers, mask=columns < COLUMNS, other=0.0).to(tl.float32)


@triton.jit
def _products(
    first_weights, second_weights, first_rows, second_rows, x, norm, epsilon,
    COLUMNS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, UNROLL: tl.constexpr,
    NORMED: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """Two times ROWS rows of weights, each times the vector x, which is divided by its root mean square if NORMED.

    That factor is taken out of the sums: weights meet x as soon as it comes (Zhang & Sennrich 2019, reordered).
    """
    columns = tl.arange(0, WIDTH)[None, :] + tl.zeros([ROWS, 1], tl.int32)
    first_starts = first_weights + first_rows.to(tl.int64)[:, None] * COLUMNS
    second_starts = second_weights + second_rows.to(tl.int64)[:, None] * COLUMNS
    a = _weights(first_starts + columns, columns, COLUMNS, WIDTH)
    b = _weights(second_starts + columns, columns, COLUMNS, WIDTH)
    scale = _near(norm + columns, columns, COLUMNS, WIDTH) if NORMED else 1.0
    wait(AHEAD)
    v = _near(x + columns, columns, COLUMNS, WIDTH)
    squares = v * v
    v *= scale
    first_sums = a * v
    second_sums = b * v
    for start in tl.range(WIDTH, COLUMNS, WIDTH, loop_unroll_factor=UNROLL):
        at = columns + start
        a = _weights(first_starts + at, at, COLUMNS, WIDTH)
        b = _weights(second_starts + at, at, COLUMNS, WIDTH)
        v = _near(x + at, at, COLUMNS, WIDTH)
        if NORMED:
            squares += v * v
            v *= _near(norm + at, at, COLUMNS, WIDTH)
        first_sums += a * v
        second_sums += b * v
    first, second = tl.sum(first_sums, 1), tl.sum(second_sums, 1)
    if NORMED:
        factor = tl.rsqrt(tl.sum(squares, 1) / COLUMNS + epsilon)
        first, second = first * factor, second * factor
    return first, second


@triton.jit
def embed(table, token, x, COLUMNS: tl.constexpr, WIDTH: tl.constexpr, AHEAD: tl.constexpr):
    """x = the token's row of the table."""
    at = tl.program_id(0) * WIDTH + tl.arange(0, WIDTH)
    let_next(AHEAD)
    row = tl.load(token)
    tl.store(x + at, tl.load(table + row * COLUMNS + at, mask=at < COLUMNS).to(tl.float32), mask=at < COLUMNS)


@triton.jit
def query_key_value(
    queries, keys, values, query_bias, key_bias, value_bias, x, norm, to, epsilon,
    COLUMNS: tl.constexpr, QUERY_ROWS: tl.constexpr, KEY_ROWS: tl.constexpr, BIASED: tl.constexpr,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, UNROLL: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """The three projections of the normed x, one behind the other. A program's rows are all of one of them."""
    let_next(AHEAD)
    out = tl.program_id(0) * 2 * ROWS
    weights, bias, first = queries, query_bias, out
    if out >= QUERY_ROWS + KEY_ROWS:
        weights, bias, first = values, value_bias, out - QUERY_ROWS - KEY_ROWS
    elif out >= QUERY_ROWS:
        weights, bias, first = keys, key_bias, out - QUERY_ROWS
    lane = tl.arange(0, ROWS)
    a, b = _products(
        weights, weights, first + lane, first + ROWS + lane, x, norm, epsilon, COLUMNS, ROWS, WIDTH, UNROLL, True, AHEAD
    )
    if BIASED:
        a += tl.load(bias + first + lane).to(tl.float32)
        b += tl.load(bias + first + ROWS + lane).to(tl.float32)
    tl.store(to + out + lane, a)
    tl.store(to + out + ROWS + lane, b)


@triton.jit
def add_projected(
    weights, bias, source, x,
    ALL_ROWS: tl.constexpr, COLUMNS: tl.constexpr, BIASED: tl.constexpr,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, UNROLL: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """x += weights times source (+ bias)."""
    let_next(AHEAD)
    first = tl.program_id(0) * 2 * ROWS + tl.arange(0, ROWS)
    second = first + ROWS
    a, b = _products(
        weights, weights, tl.minimum(first, ALL_ROWS - 1), tl.minimum(second, ALL_ROWS - 1), source, source, 0.0,
        COLUMNS, ROWS, WIDTH, UNROLL, False, AHEAD,
    )  # fmt: skip
    if BIASED:
        a += tl.load(bias + first, mask=first < ALL_ROWS, other=0.0).to(tl.float32)
        b += tl.load(bias + second, mask=second < ALL_ROWS, other=0.0).to(tl.float32)
    tl.store(x + first, tl.load(x + first, mask=first < ALL_ROWS, other=0.0) + a, mask=first < ALL_ROWS)
    tl.store(x + second, tl.load(x + second, mask=second < ALL_ROWS, other=0.0) + b, mask=second < ALL_ROWS)


@triton.jit
def gate_and_up(
    gate, up, gate_bias, up_bias, x, norm, to, epsilon,
    ALL_ROWS: tl.constexpr, COLUMNS: tl.constexpr, BIASED: tl.constexpr,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, UNROLL: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """silu(gate x) * (up x) of the normed x (SwiGLU, Shazeer 2020)."""
    let_next(AHEAD)
    at = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    rows = tl.minimum(at, ALL_ROWS - 1)
    a, b = _products(gate, up, rows, rows, x, norm, epsilon, COLUMNS, ROWS, WIDTH, UNROLL, True, AHEAD)
    if BIASED:
        a += tl.load(gate_bias + rows).to(tl.float32)
        b += tl.load(up_bias + rows).to(tl.float32)
    tl.store(to + at, a * b / (1.0 + tl.exp(-a)), mask=at < ALL_ROWS)


@triton.jit
def head(
    weights, x, norm, logits, epsilon,
    ALL_ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, UNROLL: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """Logits of the normed x."""
    let_next(AHEAD)
    first = tl.program_id(0) * 2 * ROWS + tl.arange(0, ROWS)
    second = first + ROWS
    a, b = _products(
        weights, weights, tl.minimum(first, ALL_ROWS - 1), tl.minimum(second, ALL_ROWS - 1), x, norm, epsilon,
        COLUMNS, ROWS, WIDTH, UNROLL, True, AHEAD,
    )  # fmt: skip
    tl.store(logits + first, a, mask=first < ALL_ROWS)
    tl.store(logits + second, b, mask=second < ALL_ROWS)
