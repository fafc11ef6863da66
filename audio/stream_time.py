"""Turns the jittery times of a device's blocks into a steady time for each sample."""

from __future__ import annotations

MAX_OFFSET_S = 1.0
"""PortAudio's times are taken as nonsense beyond this"""
JUMP_S = 0.08
GAIN = 0.03


class StreamTime:
    """The time of a stream's next sample: predicted by counting, pulled towards what each block claims.

    A claim further than `JUMP_S` away means that sound was lost: it is taken over at once.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._next: float | None = None

    def block(self, claimed: float, count: int) -> float:
        """The monotonic time of the first of `count` samples."""
        if self._next is None or abs(claimed - self._next) > JUMP_S:
            at = claimed
        else:
            at = self._next + GAIN * (claimed - self._next)
        self._next = at + count / self._rate_hz
        return at


def plausible(offset_s: float | None, otherwise_s: float) -> float:
    """An offset that PortAudio states, or the other one when it is absent or nonsense (0 with some ALSA plugins)."""
    return offset_s if offset_s is not None and 0.0 < offset_s <= MAX_OFFSET_S else otherwise_s
