"""How long the speaker's sound takes to the microphone, by generalised cross-correlation.

GCC-PHAT: Knapp and Carter, "The generalized correlation method for estimation of time delay", 1976.
"""

from __future__ import annotations

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Samples

WINDOW = 32_768
"""samples compared, about 2 s"""
REACH = SAMPLE_RATE_HZ * 3 // 10
"""delays looked for: from minus to plus 0.3 s"""
CONFIDENT = 5.5
"""height of the peak over the correlation's deviation that is believed"""
AGREEMENT_S = 0.003


def measure_delay(far: Samples, near: Samples) -> float | None:
    """Seconds by which `near` [WINDOW] lags behind `far` [WINDOW]; None when no peak stands out."""
    spectrum = np.fft.rfft(near, 2 * WINDOW) * np.conj(np.fft.rfft(far, 2 * WINDOW))
    magnitude = np.abs(spectrum)
    correlation = np.fft.irfft(spectrum / (magnitude + 1e-3 * magnitude.max() + 1e-12))
    reachable = np.concatenate([correlation[-REACH:], correlation[: REACH + 1]])
    peak = int(np.argmax(reachable))
    if reachable[peak] < CONFIDENT * float(np.std(reachable)):
        return None
    return (peak - REACH) / SAMPLE_RATE_HZ


class DelayTracker:
    """The delay that two measurements in a row agreed on."""

    def __init__(self) -> None:
        self.delay_s: float | None = None
        self._candidate: float | None = None

    def update(self, far: Samples, near: Samples) -> bool:
        """Measure once more; True when `delay_s` changed by more than `AGREEMENT_S`."""
        measured = measure_delay(far, near)
        if measured is None:
            return False
        agreed = self._candidate is not None and abs(measured - self._candidate) <= AGREEMENT_S
        self._candidate = measured
        if not agreed or (self.delay_s is not None and abs(measured - self.delay_s) <= AGREEMENT_S):
            return False
        self.delay_s = measured
        return True
