"""How weights and activations lie in memory for the kernels, and how a kernel is compiled."""

from __future__ import annotations

from typing import NamedTuple

import numba

from core.models.simd import LANES

GROUP = 32
"""weights, and activations, that share a scale"""
BLOCK = LANES
"""rows of quantised weights that lie together"""
FLOAT32, BFLOAT16, INT4, INT8 = 0, 1, 4, 8
"""kinds of weights"""
ROW_MULTIPLE = 16
TILE = 8
"""rows of activations that one pass over quantised weights serves"""
HALF_TILE = 4
"""where there are no more"""

jit = numba.njit(
    nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy", boundscheck=False
)


class Linear(NamedTuple):
    """Weights [rows, columns] at addresses. `rows` is a multiple of BLOCK when they are quantised."""

    kind: int
    weights: int
    scales: int
    """float16, of quantised weights"""
    bias: int
    """float32 [rows]; 0: none"""
    rows: int
    columns: int
    """a multiple of GROUP"""


class Activations(NamedTuple):
    """Rows of activations [n, columns] at addresses: as float32, and rounded.

    What is rounded has room for n rows filled up to ROW_MULTIPLE: a tile that is not full reads beyond its rows.
    """

    values: int
    """float32"""
    rounded: int
    """int8"""
    scales: int
    """float32 [n, columns / GROUP]"""
    sums: int
    """int32 [n, columns / GROUP]: -8 times the sum of a group's rounded values"""
