"""Turns the jittery times of a device's blocks into a steady time for each sample."""

from __future__ import annotations

MAX_OFFSET_S = 1.0
"""PortAudio's times are taken as nonsense beyond this"""
JUMP_S = 0.08
GAIN = 0.03


CONFIRMED_S = 0.06
"""of sound whose claims agree, before they are believed against the count"""
JITTER_S = 0.04
"""by how much jitter may make sound seem captured after it was handed on, or played before"""


class StreamTime:
    """The time of a stream's next sample: predicted by counting, pulled towards what each block claims.

    Claims further than `JUMP_S` away mean that sound was lost, if those of the next blocks say so too: they are then
    taken over. On a busy machine the device's thread wakes late and hands on what had waited in one go; each of those
    blocks claims to be of that moment, so that their claims draw nearer the count by a block each. None was lost.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._next: float | None = None
        self._first_off = 0.0
        """how far off the first of the doubtful claims was"""
        self._doubted_s = 0.0
        """of sound since then; 0 while nothing is in doubt"""

    def block(
        self, claimed: float, count: int, at_least: float = float("-inf"), at_most: float = float("inf")
    ) -> float:
        """The monotonic time of the first of `count` samples.

        Never outside what is possible whatever is claimed: sound is captured before it is handed on, played after.
        """
        length_s = count / self._rate_hz
        at = claimed if self._next is None else self._next + self._correction(claimed - self._next, length_s)
        at = min(max(at, at_least - JITTER_S), at_most + JITTER_S)
        self._next = at + length_s
        return at

    def _correction(self, off: float, length_s: float) -> float:
        if abs(off) <= JUMP_S:
            self._doubted_s = 0.0
            return GAIN * off
        if not self._doubted_s or abs(off - self._first_off) > self._doubted_s / 2:
            self._first_off, self._doubted_s = off, length_s
            return 0.0
        if self._doubted_s < CONFIRMED_S:
            self._doubted_s += length_s
            return 0.0
        self._doubted_s = 0.0
        return off


def plausible(offset_s: float | None, otherwise_s: float) -> float:
    """An offset that PortAudio states, or the other one when it is absent or nonsense (0 with some ALSA plugins)."""
    return offset_s if offset_s is not None and 0.0 < offset_s <= MAX_OFFSET_S else otherwise_s
