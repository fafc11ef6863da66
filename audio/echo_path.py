"""How loud the speaker comes back into the microphone, and so whether what is heard can be echo at all.

With headphones nothing comes back, and a canceller that has not yet learnt so would take the user's voice out with the
echo it expects. The user's voice over headphones is as loud as an echo, but does not sound like what is played: only an
echo that was found by correlation, and is loud where it was, ends the belief that none comes back. Guarantees nothing
while the level is not yet known: then the canceller decides.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Samples

FRAME_S = 0.01
REACH = 60
"""frames of far end that may still sound in the room, 0.6 s: the reverberation and an unknown delay"""
LOUD = 5e-3
"""a far end (root mean square) that tells something about the room"""
SHORT = 5
"""frames over which the microphone's level is taken, 50 ms"""
EVERY = 5
"""a ratio is noted every 50 ms"""
KEPT = 80
ENOUGH = 3
"""ratios after which the level counts as known: 0.1 s of speech on top of `REACH`"""
ABSENT = 0.01
"""an echo 40 dB below the speaker needs no canceller and opens no turn"""
FAINT = 0.1
"""the microphone's level, against the speaker's, up to which it may be all noise"""
BACK = 2 * ABSENT
"""where none came back before, one that was found counts from so loud on"""


class EchoPath:
    """Call `update` with each 10 ms frame of both ends while the assistant is audible."""

    def __init__(self) -> None:
        self._far: deque[float] = deque(maxlen=REACH)
        self._near: deque[float] = deque(maxlen=REACH)
        self._ratios: deque[float] = deque(maxlen=KEPT)
        self._frames = 0
        self._absent = False
        self._gain: float | None = None

    @property
    def gain(self) -> float | None:
        """Usual level of the microphone relative to the speaker; an upper bound of the echo's. None: not known yet."""
        return self._gain

    @property
    def absent(self) -> bool:
        """No echo that matters comes back: headphones, or a quiet speaker far away."""
        return self._absent

    def find(self, level: float) -> None:
        """What comes back was found by correlation, and is so many times as loud as what is played."""
        if level > BACK:
            self._absent, self._gain = False, level
            self._ratios.clear()

    def lose(self) -> None:
        """Nothing like what is played has been heard for long: unless it is loud, it is the room's own noise."""
        self._absent = self._absent or (self._gain is not None and self._gain < FAINT)

    def rest(self) -> None:
        """The assistant is silent; what is known of the room stays."""
        self._far.clear()
        self._near.clear()

    def update(self, near: Samples, far: Samples) -> None:
        """Take in a frame [160] of each end at 16 kHz."""
        assert len(near) == len(far) == round(FRAME_S * SAMPLE_RATE_HZ)
        self._far.append(float(np.dot(far, far)) / len(far))
        self._near.append(float(np.dot(near, near)) / len(near))
        self._frames += 1
        if self._frames % EVERY == 0 and len(self._far) == REACH and _steady(self._far):
            self._ratios.append(math.sqrt(_loudest(self._near) / _loudest(self._far)))
            if len(self._ratios) >= ENOUGH:
                self._gain = float(np.median(self._ratios))
                self._absent = self._absent or self._gain < ABSENT


def is_loud(far: Samples, count: int | None = None) -> bool:
    """Whether it tells something about the room; `count`: as if all its sound were in so many samples."""
    return float(np.dot(far, far)) / (count or len(far)) >= LOUD**2


def _loudest(energies: deque[float]) -> float:
    """Mean energy of the loudest 50 ms."""
    values = tuple(energies)
    parts = (values[start : start + SHORT] for start in range(0, len(values), SHORT))
    return max(sum(part) / len(part) for part in parts)


def _steady(energies: deque[float]) -> bool:
    """Whether the far end was loud all along `REACH`, in each third of it: only then has its echo arrived."""
    values, third = tuple(energies), REACH // 3
    return all(sum(values[start : start + third]) > LOUD**2 * third for start in range(0, REACH, third))
