"""What a decoder layer does besides matrix products, for one row of activations, as numba functions over addresses."""

from __future__ import annotations

from core.models.cpu_layout import jit
from core.models.simd import add, divide, every, exp, fma, get, largest, load, maximum, mul, put, store, total, zero


@jit
def rms_norm(source, weight, epsilon, to, width):
    """x / sqrt(mean(x^2) + epsilon) * weight over `width` values, a multiple of 16 (Zhang & Sennrich 2019)."""
    squares = zero()
    for n in range(0, 4 * width, 64):
        x = load(source + n)
        squares = fma(x, x, squares)
    scale = every((total(squares) / width + epsilon) ** -0.5)
    for n in range(0, 4 * width, 64):
        store(to + n, mul(mul(load(source + n), scale), load(weight + n)))


@jit
def rotate(head, cos, sin, width):
    """Rotary position, in place: the head's two halves turned by the angles of a position (Su et al. 2021)."""
    half = 2 * width
    for n in range(0, half, 4):
        first, second = get(head + n), get(head + half + n)
        c, s = get(cos + n), get(sin + n)
        put(head + n, first * c - second * s)
        put(head + half + n, second * c + first * s)


@jit
def silu_product(gate, up, to, width):
    """gate * sigmoid(gate) * up over `width` values, a multiple of 16."""
    one = every(1.0)
    for n in range(0, 4 * width, 64):
        x = load(gate + n)
        denominator = add(one, exp(mul(x, every(-1.0))))
        store(to + n, mul(divide(x, denominator), load(up + n)))


@jit
def _dot(x, y, width):
    sums = zero()
    for n in range(0, 4 * width, 64):
        sums = fma(load(x + n), load(y + n), sums)
    return total(sums)


@jit
def attend(query, keys, values, length, width, scores, to):
    """One head of one query over `length` keys and values [length, width]; width is a multiple of 16.

    `scores` has room for `length` float32, rounded up to 16.
    """
    scale = width**-0.5
    for n in range(length):
        put(scores + 4 * n, _dot(query, keys + 4 * n * width, width) * scale)
    for n in range(length, (length + 15) // 16 * 16):
        put(scores + 4 * n, -1e30)
    highest = load(scores)
    for n in range(64, 4 * length, 64):
        highest = maximum(highest, load(scores + n))
    offset = every(-largest(highest))
    sums = zero()
    for n in range(0, 4 * length, 64):
        weight = exp(add(load(scores + n), offset))
        store(scores + n, weight)
        sums = add(sums, weight)
    inverse = every(1.0 / total(sums))
    for column in range(0, width, 64):
        _weigh(values + 4 * column, length, width, scores, to + 4 * column, min(64, width - column), inverse)


@jit
def _weigh(values, length, width, scores, to, columns, inverse):
    """At most 64 columns of the weighted sum of values."""
    if columns == 64:
        a, b, c, d = zero(), zero(), zero(), zero()
        for n in range(length):
            weight = every(get(scores + 4 * n))
            at = values + 4 * n * width
            a = fma(weight, load(at), a)
            b = fma(weight, load(at + 64), b)
            c = fma(weight, load(at + 128), c)
            d = fma(weight, load(at + 192), d)
        store(to, mul(a, inverse))
        store(to + 64, mul(b, inverse))
        store(to + 128, mul(c, inverse))
        store(to + 192, mul(d, inverse))
        return
    for column in range(0, 4 * columns, 64):
        a = zero()
        for n in range(length):
            a = fma(every(get(scores + 4 * n)), load(values + 4 * n * width + column), a)
        store(to + column, mul(a, inverse))
