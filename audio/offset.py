"""Takes out the constant that a cheap sound card adds to every sample, which counts as loudness and is no sound."""

from __future__ import annotations

import math

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Samples

FOLLOWS_S = 0.5
"""in about which it follows a change"""
LEAST = 2e-3
"""so much is left in: no speech's own mean is larger, and what has no offset stays as it came"""


class Offset:
    """One stream at 16 kHz."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._taken = 0.0

    def take_out(self, samples: Samples) -> Samples:
        """The next samples [n] without it."""
        if not len(samples):
            return samples
        mean = float(np.add.reduce(samples)) / len(samples)  # a third of the time of mean(), fifty times a second
        if self._mean is None:
            self._mean, self._taken = mean, _beyond(mean)
        self._mean += (mean - self._mean) * min(1.0, len(samples) / (FOLLOWS_S * SAMPLE_RATE_HZ))
        before, self._taken = self._taken, _beyond(self._mean)
        if before == self._taken == 0.0:
            return samples
        result: Samples = samples - np.linspace(before, self._taken, len(samples), dtype=np.float32)
        return result


def _beyond(mean: float) -> float:
    return math.copysign(max(0.0, abs(mean) - LEAST), mean)
