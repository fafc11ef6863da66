"""How long the speaker's sound takes to the microphone, by generalised cross-correlation.

GCC-PHAT: Knapp and Carter, "The generalized correlation method for estimation of time delay", 1976.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Samples

REACH = SAMPLE_RATE_HZ * 3 // 10
"""delays looked for: from minus to plus 0.3 s, or later where more of the far end is given"""
CONFIDENT = 8.0
"""height of the peak over the correlation's deviation that is believed"""
CERTAIN = 15.0
"""height of a peak that is believed at once; a lower one when a second agrees"""
AGREEMENT = SAMPLE_RATE_HZ // 1000
"""by how much two delays that agree may differ"""


@dataclass(frozen=True, slots=True)
class Delay:
    """Where the correlation's peak lies and how far it stands out."""

    samples: int
    """by which the capture lags behind the reference, at 16 kHz"""
    height: float
    """of the peak, in deviations of the liveliest 0.6 s or less"""
    expected: float
    """height of the highest peak where the delay was expected"""


def measure_delay(far: Samples, near: Samples, expected: int = 0, tolerance: int = 0) -> Delay | None:
    """By how many samples `near` [n] lags behind the end of `far` [n or more]; None when no peak stands out.

    What `far` has more, before, is how much later than within `REACH` the echo may come. `expected`, with its
    `tolerance`: where the peak should be.
    """
    reach = min(REACH, len(near) - 1)
    most = len(far) - len(near) + reach
    size = _fast_size(len(far) + reach)  # what wraps around lies beyond the reach
    spectrum = np.fft.rfft(near, size) * np.conj(np.fft.rfft(far, size))
    magnitude = np.abs(spectrum)
    correlation = np.fft.irfft(spectrum / (magnitude + 1e-3 * magnitude.max() + 1e-12), size)
    reachable = np.concatenate([correlation[-most:], correlation[: reach + 1]])
    peak = int(np.argmax(reachable))
    stretches = np.array_split(reachable, max(1, len(reachable) // (2 * reach + 1)))
    scale = 1.0 / (max(float(np.std(stretch)) for stretch in stretches) + 1e-12)  # where nothing was played is none
    height = float(reachable[peak]) * scale
    if height < CONFIDENT:
        return None
    around = reachable[max(0, reach + expected - tolerance) : max(0, reach + expected + tolerance + 1)]
    return Delay(peak - reach, height, float(around.max(initial=0.0)) * scale)


@functools.cache
def _fast_size(least: int) -> int:
    """The smallest even product of powers of 2, 3 and 5 that is not below `least`: quick to transform."""
    sizes: Iterator[int] = (
        2**two * 3**three * 5**five for two, three, five in itertools.product(range(1, 20), range(4), range(4))
    )
    return min(size for size in sizes if size >= least)
