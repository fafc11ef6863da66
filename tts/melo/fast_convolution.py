"""Convolutions of few taps with fewer products: four outputs from six or seven of them instead of twelve or sixteen.

Toom-Cook (Winograd 1980; Lavin & Gray 2016): y = A ((G w) * (B x)), elementwise, by evaluation at points and at
infinity. Exact but for rounding, which these few and small points keep near that of the plain sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
OUTPUTS = 4


@dataclass(frozen=True, slots=True)
class Scheme:
    """Four outputs of a convolution of `taps` taps."""

    taps: int
    points: tuple[float, ...]
    """taps + 2 of them, the first of which is 1; infinity comes on top"""

    @property
    def products(self) -> int:
        """And inputs: both are as many."""
        return len(self.points) + 1

    def enter(self) -> Matrix:
        """B [products, inputs]."""
        rows = [np.poly([other for other in self.points if other != point]) for point in self.points]
        matrix = np.zeros((self.products, self.products))
        for row, coefficients in enumerate(rows):
            matrix[row, : self.products - 1] = coefficients[::-1]
        matrix[-1] = np.poly(self.points)[::-1]
        return matrix

    def weigh(self) -> Matrix:
        """G [products, taps]."""
        matrix = np.zeros((self.products, self.taps))
        for row, point in enumerate(self.points):
            matrix[row] = point ** np.arange(self.taps)
            matrix[row] /= np.prod([point - other for other in self.points if other != point])
        matrix[-1, -1] = 1
        return matrix

    def leave(self) -> Matrix:
        """A [OUTPUTS, products]."""
        matrix = np.zeros((OUTPUTS, self.products))
        for column, point in enumerate(self.points):
            matrix[:, column] = point ** np.arange(OUTPUTS)
        matrix[-1, -1] = 1
        return matrix


OF_THREE = Scheme(3, (1.0, -1.0, 2.0, -2.0, 0.0))
OF_FOUR = Scheme(4, (1.0, -1.0, 0.5, -0.5, 2.0, 0.0))


def scheme_for(taps: int) -> Scheme:
    """The one that needs the fewest products for so many taps in groups."""
    return min((OF_FOUR, OF_THREE), key=lambda scheme: -(-taps // scheme.taps) * scheme.products)
