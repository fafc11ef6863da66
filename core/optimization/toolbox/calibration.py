"""Ranges of activations from what was seen of them: all of it, all but a ten-thousandth, or the least squared error."""

from __future__ import annotations

import torch
from torch import Tensor

from core.optimization.toolbox.int8_call import Affine
from core.optimization.toolbox.quantization_config import Calibration
from core.utils.errors import QuantizationError

SAMPLES_PER_BATCH = 8192
MOST_SAMPLES = 2**16
KEPT_SHARE = 0.9999
CLIPS = 24
"""ranges tried, from a quarter of the full one up"""


class RangeObserver:
    """Least and largest value exactly, and an evenly strided sample of the rest."""

    def __init__(self) -> None:
        self.low, self.high = float("inf"), float("-inf")
        self._samples: list[Tensor] = []
        self._count = 0

    @property
    def seen(self) -> bool:
        return self.low <= self.high

    def look(self, x: Tensor) -> None:
        """Raises QuantizationError for values that are not finite."""
        if not x.numel():
            return
        low, high = (float(value) for value in torch.aminmax(x.detach()))
        if not (abs(low) < float("inf") and abs(high) < float("inf")):
            raise QuantizationError(f"activations reach {low} to {high} in calibration; look for NaN in the data")
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self._count < MOST_SAMPLES:
            flat = x.detach().reshape(-1)
            taken = flat[:: max(1, flat.numel() // SAMPLES_PER_BATCH)].to(torch.float32, copy=True)
            self._samples.append(taken)
            self._count += taken.numel()

    def merge(self, other: RangeObserver) -> None:
        """As if this one had seen that too."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self._samples += other._samples

    def range(self, how: Calibration, levels: int = 255) -> Affine:
        """Raises QuantizationError where nothing was seen."""
        if not self.seen:
            raise QuantizationError("calibration data never reached this layer")
        samples = torch.cat(self._samples)
        if how == "percentile":
            ordered = samples.sort().values
            cut = int((1 - KEPT_SHARE) * len(ordered))
            low, high = float(ordered[cut]), float(ordered[len(ordered) - 1 - cut])
            return Affine.of_range(low, high, levels)
        full = Affine.of_range(self.low, self.high, levels)
        return full if how == "minmax" else self._least_error(samples, full)

    def _least_error(self, samples: Tensor, best: Affine) -> Affine:
        least = _error(samples, best)
        for step in range(CLIPS):
            share = 0.25 + 0.75 * step / CLIPS
            tried = Affine.of_range(share * self.low, share * self.high, best.levels)
            error = _error(samples, tried)
            if error < least:
                best, least = tried, error
        return best


def _error(samples: Tensor, affine: Affine) -> float:
    return float((affine.decode(affine.encode(samples)) - samples).square().sum())
