"""What a decoder layer does besides matrix products, for one row of activations, as numba functions over addresses."""

from __future__ import annotations

from core.models.cpu_layout import jit
from core.models.simd import add, divide, every, exp, fma, get, load, mul, put, store, total, zero


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
