"""The numbers of one int8 layer: the range of its input, its scales, its shape.

Source: Jacob et al., arXiv 1712.05877.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Affine:
    """value = (code - zero_point) * scale, the code in uint8."""

    scale: float
    zero_point: int
    levels: int = 255
    """largest code; 127 where the processor's products would overflow with more"""

    @classmethod
    def of_range(cls, low: float, high: float, levels: int = 255) -> Affine:
        """The range is widened to hold zero, so that padding is exact."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / levels, 1e-12)
        return cls(scale, min(levels, max(0, round(-low / scale))), levels)

    def encode(self, x: Tensor) -> Tensor:
        """uint8 of float, rounded half to even and clipped."""
        codes = (x * (1.0 / self.scale)).add_(float(self.zero_point)).round_().clamp_(0.0, float(self.levels))
        return codes.to(torch.uint8)

    def decode(self, codes: Tensor) -> Tensor:
        """float32 of uint8."""
        return (codes.to(torch.float32) - self.zero_point) * self.scale


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a convolution moves, a number for each dimension of space."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def dimensions(self) -> int:
        return len(self.stride)


@dataclass(frozen=True, slots=True)
class Int8Call:
    """All that a kernel needs beside the codes of weights and activations."""

    scales: Tensor
    """float32 [rows], of the weights"""
    zeros: Tensor
    """int32 [rows], all zero: weights are symmetric"""
    bias: Tensor | None
    """float32 [rows]"""
    x: Affine
    out: Affine
    """the range of the output, for kernels that cannot give float"""
    hands_on: bool = False
    """the output stays uint8 in the range `out`"""
    relu: bool = False
    geometry: Geometry | None = None
    """None: a linear layer"""
