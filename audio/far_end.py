"""What really left the speaker, and when: handed from the output callback to the echo canceller."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from audio.resampling import Resampler
from core.messages import SAMPLE_RATE_HZ, Samples

KEPT_BLOCKS = 400
"""more than a listener may ever lag; older blocks are dropped"""
KEPT_S = 4.0
JOIN_S = 0.02
"""blocks whose times differ by less follow each other without a gap"""
AUDIBLE = 1e-3
"""a sample louder than this (-60 dBFS) can be heard"""


@dataclass(frozen=True, slots=True)
class Played:
    """A block of sound, with volume and ducking applied."""

    samples: Samples
    """[n] mono"""
    sample_rate_hz: int
    leaves_at: float
    """monotonic seconds at which the first sample leaves the speaker"""


class FarEnd:
    """A bounded line of played blocks with one writer and one reader; silence is not handed over."""

    def __init__(self) -> None:
        self._blocks: deque[Played] = deque(maxlen=KEPT_BLOCKS)

    def put(self, played: Played) -> None:
        self._blocks.append(played)

    def take(self) -> Played | None:
        """The oldest block not yet taken, or None."""
        try:
            return self._blocks.popleft()
        except IndexError:
            return None


class FarEndTimeline:
    """The last `KEPT_S` seconds of far-end sound at 16 kHz, by the time it left the speaker; gaps are zeros."""

    def __init__(self) -> None:
        self._sound: Samples = np.zeros(0, np.float32)
        self._starts = 0
        """number of the first kept sample, counted from time 0"""
        self._resampler = Resampler(SAMPLE_RATE_HZ)
        self._audible_from = float("inf")
        self.audible_until = float("-inf")
        self._resumed: deque[int] = deque(maxlen=KEPT_BLOCKS)
        """numbers of the samples with which sound came again after missing blocks"""

    @property
    def ends_at(self) -> float:
        """The time up to which sound is known."""
        return self.end / SAMPLE_RATE_HZ

    def add(self, played: Played) -> None:
        """Take a block in; one that follows the last within `JOIN_S` is joined to it without regard to jitter."""
        gap = played.leaves_at - self.ends_at - self._resampler.pending_s
        if abs(gap) > JOIN_S:
            self._resampler.reset()
            self._move_end(round(played.leaves_at * SAMPLE_RATE_HZ))
            self._resumed.append(self.end)
        fresh = self._resampler.process(played.samples, played.sample_rate_hz)
        end = self.end + len(fresh)
        self._sound = np.concatenate([self._sound, fresh])[-round(KEPT_S * SAMPLE_RATE_HZ) :]
        self._starts = end - len(self._sound)
        self._note_audible(played)

    def read(self, first: int, count: int) -> Samples:
        """Samples `first` to `first + count` [count], numbered from time 0 at 16 kHz."""
        result: Samples = np.zeros(count, np.float32)
        low, high = max(first, self._starts), min(first + count, self._starts + len(self._sound))
        if low < high:
            result[low - first : high - first] = self._sound[low - self._starts : high - self._starts]
        return result

    def resumed(self, before: int) -> bool:
        """Whether, up to this sample, sound came again after missing blocks; true once for each time."""
        came = False
        while self._resumed and self._resumed[0] < before:
            came = bool(self._resumed.popleft())
        return came

    def audible(self, at: float, tail_s: float) -> bool:
        """Whether anything left the speaker at this time or up to `tail_s` before it."""
        return self._audible_from <= at <= self.audible_until + tail_s

    @property
    def end(self) -> int:
        """Number of the sample after the last known."""
        return self._starts + len(self._sound)

    def _move_end(self, number: int) -> None:
        kept = round(KEPT_S * SAMPLE_RATE_HZ)
        gap = number - self.end
        if not len(self._sound) or gap > kept or -gap > len(self._sound):
            self._sound, self._starts = np.zeros(0, np.float32), number
        elif gap > 0:
            self._sound = np.concatenate([self._sound, np.zeros(gap, np.float32)])
        else:
            self._sound = self._sound[: len(self._sound) + gap]

    def _note_audible(self, played: Played) -> None:
        if np.abs(played.samples).max(initial=0.0) <= AUDIBLE:
            return
        if played.leaves_at > self.audible_until + KEPT_S:
            self._audible_from = played.leaves_at
        self.audible_until = max(self.audible_until, played.leaves_at + len(played.samples) / played.sample_rate_hz)
