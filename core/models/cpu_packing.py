"""Quantising float weights on a CPU as fast as they can be read, as numba functions over addresses.

The same rule and layout as core.models.quantize, which says what they are and tests this.
"""

from __future__ import annotations

import numpy as np

from core.models.cpu_layout import BLOCK, GROUP, jit
from core.models.quantize import REACHES, REFITS
from core.models.simd import (
    add,
    every,
    fma,
    largest,
    load,
    load_bf16,
    maximum,
    minimum,
    mul,
    rint,
    total,
    zero,
)
from core.models.simd_bytes import as_half, get_word, put_bytes, put_half, put_word
from core.models.thread_team import await_all, claim, finish

_REACHES = np.array(REACHES, np.float32)
_MOST = 65504.0
"""of float16"""


@jit
def _codes(weights, scale):
    """Of 16 weights in 4 bits, from -8 to 7."""
    inverse = every(0.0 if scale == 0.0 else np.float32(1.0) / scale)
    return maximum(minimum(rint(mul(weights, inverse)), every(7.0)), every(-8.0))


@jit
def _held(scale):
    """As float16 keeps it."""
    return as_half(max(min(scale, np.float32(_MOST)), np.float32(-_MOST)))


@jit
def _refitted(a, b, scale):
    """The scale that serves best the codes which `scale` gives to 32 weights."""
    codes_a, codes_b = _codes(a, scale), _codes(b, scale)
    squares = total(fma(codes_a, codes_a, mul(codes_b, codes_b)))
    if squares == 0.0:
        return scale
    return _held(total(fma(a, codes_a, mul(b, codes_b))) / squares)


@jit
def _error(a, b, scale):
    """Squared error of 32 weights in 4 bits."""
    negative = every(-1.0)
    wrong_a = fma(_codes(a, scale), every(scale), mul(a, negative))
    wrong_b = fma(_codes(b, scale), every(scale), mul(b, negative))
    return total(fma(wrong_a, wrong_a, mul(wrong_b, wrong_b)))


@jit
def _scale(a, b, bits):
    """The scale of 32 weights, as float16 keeps it."""
    high = largest(maximum(a, b))
    low = -largest(maximum(mul(a, every(-1.0)), mul(b, every(-1.0))))
    peak = high if high >= -low else low
    if bits == 8:
        return _held(abs(peak) / np.float32(127.0))
    best, chosen = np.float32(np.inf), np.float32(0.0)
    for reach in _REACHES:
        scale = _held(peak / reach)
        for _ in range(REFITS):
            scale = _refitted(a, b, scale)
        error = _error(a, b, scale)
        if error < best:
            best, chosen = error, scale
    return chosen


@jit
def _pack_group(a, b, bits, codes, row, scales):
    scale = _scale(a, b, bits)
    put_half(scales + 2 * row, scale)
    inverse = every(0.0 if scale == 0.0 else np.float32(1.0) / scale)
    half = every(8.0 if bits == 4 else 128.0)
    low, high = every(0.0 if bits == 4 else 1.0), every(15.0 if bits == 4 else 255.0)
    room = np.empty(GROUP, np.uint8)
    at = room.ctypes.data
    put_bytes(at, maximum(minimum(add(rint(mul(a, inverse)), half), high), low))
    put_bytes(at + 16, maximum(minimum(add(rint(mul(b, inverse)), half), high), low))
    for quad in range(4):
        lower, upper = get_word(at + 4 * quad), get_word(at + 16 + 4 * quad)
        to = codes + 64 * quad + 4 * row
        if bits == 4:
            put_word(to, lower | (upper << np.uint32(4)))
        else:
            put_word(to, lower)
            put_word(to + 256, upper)
    room[0] = 0  # numba frees an array after its last use, and an address is none


@jit
def pack_blocks(weights, is_bf16, rows, columns, bits, codes, scales, at):
    """All blocks of weights [rows, columns], float32 or bfloat16; a block is a piece of work. Zeros fill the last."""
    groups, size = columns // GROUP, 2 if is_bf16 else 4
    blocks = (rows + BLOCK - 1) // BLOCK
    block = claim(at)
    while block < blocks:
        for row in range(BLOCK):
            number = block * BLOCK + row
            for group in range(groups):
                source = weights + size * (number * columns + group * GROUP)
                a, b = zero(), zero()
                if number < rows and is_bf16:
                    a, b = load_bf16(source), load_bf16(source + 32)
                elif number < rows:
                    a, b = load(source), load(source + 64)
                index = block * groups + group
                _pack_group(a, b, bits, codes + 64 * bits * index, row, scales + 2 * BLOCK * index)
        finish(at)
        block = claim(at)
    await_all(at, blocks)
