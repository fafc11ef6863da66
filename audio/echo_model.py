"""How loud the echo of what is played should be, band by band and 10 ms by 10 ms, learnt while the assistant talks.

It knows powers only, no phases: a clock that drifts and a delay that moves by a few milliseconds do not harm it, as
they do an adaptive filter. It also tells nothing of the words; taking those out is the canceller's part.

The model: the power of a band in the microphone is the sum of those played in the last 0.3 s, each times a gain of its
own, and of an exponentially decaying rest (C. Faller and C. Tournery, "Robust acoustic echo control using a simple
echo path model", ICASSP 2006). The gains are fitted by expectation maximisation for sums of exponentially distributed
powers, which minimises the Itakura-Saito distance (C. Févotte, N. Bertin and J.-L. Durrieu, "Nonnegative matrix
factorization with the Itakura-Saito divergence", Neural Computation 21, 2009), here one small step a frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.messages import SAMPLE_RATE_HZ, Samples

FRAME = SAMPLE_RATE_HZ // 100
EDGES_HZ = (
    200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3700, 4400, 5300, 6400,
)  # fmt: skip
"""of the bands, the ear's critical ones; the last is the end of the highest"""
BANDS = len(EDGES_HZ) - 1
REACH = 30
"""frames whose gains are learnt one by one; the delay need not be known better than that"""
TAILS = 10 ** (-np.array([0.6, 0.05]) / 10)
"""by which the echo of older ones fades each frame: in a room with 1 s of reverberation, and in a hall"""
SILENT = 1e-6
"""power of a band (1.0: a full-scale noise's) that is heard in any room"""
AUDIBLE = 10 * SILENT
DISTORTION = 10 ** (-40 / 10)
"""of the loudest band that every other holds: what a loudspeaker adds, and what abrupt sounds leave in all of them"""
FIRST_GAINS = 0.1 * 10 ** (-0.7 * np.arange(REACH + 1) / 10)
FIRST_HALL_GAIN = 1e-4
"""Before anything is known: an echo 2 dB below what is played, in a room with 0.9 s of reverberation."""
LEAST_GAIN = 1e-6
STEP, FIRST_STEP, STEP_FALLS = 0.05, 0.3, 50
"""of the learning; a band's first step, and the number of frames after which it has halved"""
WHOLE = 0.1
"""of a step that goes to all gains of a band alike: of one by one they would follow a quieter echo too slowly"""
TRUSTED = 4.0
"""how many times more than expected a single frame can teach"""
ENOUGH = 60
"""frames with an audible echo after which a band is known"""

Powers = NDArray[np.float64]


class EchoModel:
    """Call `update` with each 10 ms frame of both ends, then `learn`."""

    def __init__(self) -> None:
        bins = np.rint(np.array(EDGES_HZ) * 2 * FRAME / SAMPLE_RATE_HZ)
        self._bins: NDArray[np.intp] = bins.astype(np.intp)
        self._scale = 1.0 / (np.diff(bins) * 2 * FRAME * 3 / 8)
        self._window = np.hanning(2 * FRAME).astype(np.float32)
        self._sound = np.zeros((2, 2 * FRAME), np.float32)
        """the last two frames of the microphone and of the far end"""
        self._played = np.zeros((BANDS, REACH + len(TAILS)))
        """powers, the latest first; the last columns are fading sums of all older ones"""
        self._gains: Powers = np.tile(np.append(FIRST_GAINS, FIRST_HALL_GAIN), (BANDS, 1))
        self._shares: Powers = self._played * self._gains
        self._learnt = np.zeros(BANDS)
        self._known = False
        self.heard: Powers = np.zeros(BANDS)
        """power of each band in the microphone"""
        self.expected: Powers = np.full(BANDS, SILENT)
        """what of it the echo and a quiet room explain"""

    @property
    def known(self) -> bool:
        """Whether enough has been heard of the echo to tell it from something else."""
        self._known = self._known or bool(np.median(self._learnt) >= ENOUGH)  # what is learnt stays
        return self._known

    @property
    def audible(self) -> bool:
        """Whether an echo is expected just now."""
        return bool(self.expected.max() > AUDIBLE)

    @property
    def sounding(self) -> bool:
        """Whether anything was played in the last 0.3 s: later, nothing is learnt and no voice is hidden."""
        return bool(self._played[:, :REACH].max() > AUDIBLE)

    def restart(self, before: Samples, near: Samples) -> None:
        """The next frame does not follow the last; `before` [n * 160] was played before it, and `near` [160] heard.

        What is learnt stays.
        """
        frames = np.concatenate([np.zeros(2 * FRAME, np.float32), before]).reshape(-1, FRAME)
        powers = self._powers(np.concatenate([frames[1:-1], frames[2:]], axis=1))[::-1]  # the latest first
        ages = np.arange(max(0, len(powers) - REACH))
        self._played[:] = 0.0
        self._played[:, : min(REACH, len(powers))] = powers[:REACH].T
        self._played[:, REACH:] = powers[REACH:].T @ TAILS ** ages[:, None]
        self._sound[0], self._sound[1] = 0.0, frames[-2:].reshape(-1)
        self._sound[0, FRAME:] = near  # without it the first frame would begin with a click

    def update(self, near: Samples, far: Samples) -> None:
        """Take in a frame [160] of each end at 16 kHz; `far` is what the echo in `near` is of, or runs just ahead."""
        self._take(near, far)
        self._shares = self._played * self._gains
        explained = self._shares.sum(axis=1)
        self.expected = explained + DISTORTION * explained.max() + SILENT

    def learn(self) -> None:
        """Let the gains explain the last frame a little better.

        Another voice in it teaches them little, for it has not the rhythm of what is played; and leaving out what
        is not expected would keep the expectation wrong.
        """
        if not self.sounding:
            return
        on = self.expected > AUDIBLE
        step = np.maximum(STEP, FIRST_STEP / (1.0 + self._learnt / STEP_FALLS))
        missing = np.minimum((self.heard + SILENT) / self.expected, TRUSTED) - 1.0
        shares = self._shares + WHOLE * self._shares.sum(axis=1, keepdims=True)
        self._gains *= 1.0 + shares * np.where(on, step * missing / self.expected, 0.0)[:, None]
        np.maximum(self._gains, LEAST_GAIN, out=self._gains)
        self._learnt += on

    def _take(self, near: Samples, far: Samples) -> None:
        assert len(near) == len(far) == FRAME
        self._sound[:, :FRAME] = self._sound[:, FRAME:]
        self._sound[0, FRAME:], self._sound[1, FRAME:] = near, far
        self.heard, fresh = self._powers(self._sound)
        self._played[:, REACH:] = self._played[:, REACH:] * TAILS + self._played[:, REACH - 1 : REACH]
        self._played[:, 1:REACH] = self._played[:, : REACH - 1]
        self._played[:, 0] = fresh

    def _powers(self, sounds: Samples) -> Powers:
        """[n, bands] of [n, 320] samples."""
        spectra = np.fft.rfft(sounds * self._window)
        energies = spectra.real**2 + spectra.imag**2
        return np.asarray(np.add.reduceat(energies, self._bins, axis=1)[:, :-1] * self._scale, np.float64)
