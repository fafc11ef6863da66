"""Notices within some 30 ms that the microphone hears more than the echo of the assistant's voice: somebody speaks.

An echo canceller takes longer to believe that, and swallows a first syllable meanwhile. Says only that there is another
sound, not that it is a voice; and nothing before it knows how loud the echo comes back, or while nothing is played.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from core.messages import SAMPLE_RATE_HZ, Samples

FRAME = SAMPLE_RATE_HZ // 100
EDGES_HZ = (200, 450, 800, 1300, 2000, 3000, 4500)
"""of the bands that are compared; the last is the end of the highest"""
REACH = 10
"""frames for which the echo is expected as loud as what was played: delay, early reflections, errors of both"""
DECAY = 10 ** (-0.35 / 10)
"""of the expected echo's power for each frame after that, as in a room with 1.7 s of reverberation"""
AUDIBLE = 1e-5
"""power of a band from which on an echo is expected of it at all"""
FLOOR = 1e-7
KEPT = 300
EVERY = 3
"""a ratio is noted every 30 ms, the last 9 s of them count"""
ENOUGH = 60
"""ratios, 1.8 s of speech, after which it is known how loud the echo comes back"""
USUAL = 0.99
"""share of the ratios that the echo alone stays below"""
MARGIN = 10 ** (6 / 10)
"""6 dB above that in any band: not once in six minutes of four rooms' echoes, by 0.06 to 0.12 s of most voices"""
LASTING = 2
"""frames"""
HOLD = 12
"""frames for which the other sound is taken to go on"""
MOST = 200
"""frames; a reply would have been interrupted within 2 s: what lasts longer is an echo that has grown louder"""
BLIND = 30
"""frames after a rest for which nothing is judged: the echo of what was played before them is not expected"""
FORGIVEN = 0.25
"""so much of a frame for each without another sound, since echoes pause like voices"""


class NearEnd:
    """Call `update` with each 10 ms frame of both ends while the assistant can be heard."""

    def __init__(self) -> None:
        bins = np.array(EDGES_HZ) * 2 * FRAME // SAMPLE_RATE_HZ
        self._bins: NDArray[np.intp] = bins.astype(np.intp)
        self._window = np.hanning(2 * FRAME).astype(np.float32)
        self._sound = np.zeros((2, 2 * FRAME), np.float32)
        """the last two frames of the microphone and of the far end"""
        self._ratios = np.zeros((KEPT, len(EDGES_HZ) - 1))
        self._noted = self._frames = 0
        self._usual: NDArray[np.float64] | None = None
        self._talking = 0.0
        self.rest()

    @property
    def heard(self) -> bool:
        """Whether there is another sound than the echo, or was a moment ago."""
        return self._held > 0

    def rest(self) -> None:
        """The assistant was silent, or the echo comes with another delay; what is known of its level stays."""
        self._recent = deque([np.zeros(len(EDGES_HZ) - 1)], maxlen=REACH)
        self._echo = np.zeros(len(EDGES_HZ) - 1)
        self._sound[:] = 0.0
        self._exceeding = self._held = 0
        self._blind = BLIND

    def update(self, near: Samples, far: Samples) -> None:
        """Take in a frame [160] of each end at 16 kHz; `far` is what the echo in `near` is of, or runs just ahead."""
        assert len(near) == len(far) == FRAME
        self._sound[:, :FRAME] = self._sound[:, FRAME:]
        self._sound[0, FRAME:], self._sound[1, FRAME:] = near, far
        spectra = np.fft.rfft(self._sound * self._window)
        powers = np.add.reduceat(spectra.real**2 + spectra.imag**2, self._bins, axis=1)[:, :-1] / (2 * FRAME * 120)
        self._recent.append(powers[1])
        self._echo = np.maximum(np.max(self._recent, axis=0), self._echo * DECAY)
        ratios = (powers[0] + FLOOR) / (self._echo + 10 * FLOOR)
        self._judge(ratios, bool(self._echo.max() > AUDIBLE), bool(powers[1].max() > AUDIBLE))

    def _judge(self, ratios: NDArray[np.float64], audible: bool, playing: bool) -> None:
        """`audible`: an echo is expected; `playing`: it is not merely the room that goes on sounding."""
        if self._blind or (self._held and not audible):
            self._blind = max(0, self._blind - audible)
            return
        ducked = self._held > 0 and not playing
        margin = 1.0 if ducked else MARGIN
        exceeds = audible and self._usual is not None and bool((ratios > margin * self._usual).any())
        self._exceeding = self._exceeding + 1 if exceeds else 0
        self._held = HOLD if self._exceeding >= (1 if ducked else LASTING) else max(0, self._held - 1)
        self._talking += playing if self._held else -FORGIVEN
        self._talking = max(0.0, self._talking)
        if self._talking > MOST:
            self._forget()
        elif audible and not self._held:
            self._note(ratios)

    def _note(self, ratios: NDArray[np.float64]) -> None:
        self._frames += 1
        if self._frames % EVERY:
            return
        self._ratios[self._noted % KEPT] = ratios
        self._noted += 1
        if self._noted >= ENOUGH and self._noted % REACH == 0:
            self._usual = np.quantile(self._ratios[: min(self._noted, KEPT)], USUAL, axis=0)

    def _forget(self) -> None:
        self._noted = self._held = 0
        self._talking = 0.0
        self._usual = None
