"""Ranges of activations from what was seen of them: all of it, all but a ten-thousandth, or the least squared error."""

from __future__ import annotations

import torch
from torch import Tensor

from core.optimization.toolbox.int8_call import Affine
from core.optimization.toolbox.quantization_config import Calibration
from core.utils.errors import QuantizationError

SAMPLES_PER_BATCH = 8192
MOST_SAMPLES = 2**16
EXTREMES = 64
"""largest values in size that are kept: in language models a few reach a thousand times as far as the rest"""
KEPT_SHARE = 0.9999
SEARCHED = 2**14
"""values of the sample that each range is tried on"""
CLIPS = 24
"""ranges tried, from a quarter of the full one up"""


class RangeObserver:
    """Least and largest value and the largest in size exactly, and an evenly strided sample of the rest."""

    def __init__(self) -> None:
        self.low, self.high = float("inf"), float("-inf")
        self._samples: list[Tensor] = []
        self._extremes = torch.empty(0)
        self._count, self._seen = 0, 0

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
        flat = x.detach().reshape(-1)
        self._seen += flat.numel()
        self._keep_extremes(flat)
        if self._count < MOST_SAMPLES:
            taken = flat[:: max(1, flat.numel() // SAMPLES_PER_BATCH)].to(torch.float32, copy=True)
            self._samples.append(taken)
            self._count += taken.numel()

    def _keep_extremes(self, values: Tensor) -> None:
        largest = values[values.abs().topk(min(EXTREMES, values.numel())).indices]
        both = torch.cat((self._extremes, largest.to(torch.float32)))
        self._extremes = both[both.abs().topk(min(EXTREMES, len(both))).indices]

    def merge(self, other: RangeObserver) -> None:
        """As if this one had seen that too."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self._samples += other._samples
        self._count, self._seen = self._count + other._count, self._seen + other._seen
        self._keep_extremes(other._extremes)

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
        samples = samples[:: max(1, len(samples) // SEARCHED)]
        stands_for = self._seen / len(samples)

        def lost(tried: Affine) -> float:
            return stands_for * _error(samples, tried) + _error(self._extremes, tried)

        least = lost(best)
        for step in range(CLIPS):
            share = 0.25 + 0.75 * step / CLIPS
            tried = Affine.of_range(share * self.low, share * self.high, best.levels)
            error = lost(tried)
            if error < least:
                best, least = tried, error
        return best


def _error(samples: Tensor, affine: Affine) -> float:
    return float((affine.decode(affine.encode(samples)) - samples).square().sum())
