"""Notices within some 0.1 s that the microphone hears more than the echo of the assistant's voice: somebody speaks.

An echo canceller takes longer to believe that, and swallows a first syllable meanwhile; so while another sound is heard
this gives what stands above the expected echo instead. Says only that there is another sound, not that it is a voice;
and nothing before it knows how loud the echo comes back.

This is double-talk detection by levels, as D. Duttweiler's ("A twelve-channel digital echo canceler", IEEE Trans.
Communications 26, 1978), but of each band against its own expected echo: the generalised likelihood ratio of an
exponentially distributed power, summed over the bands. Correlating the two ends (J. Benesty, D. Morgan and J. Cho, "A
new class of doubletalk detectors based on cross-correlation", IEEE Trans. Speech and Audio Processing 8, 2000) needs a
filter that has converged, which a drifting clock and a reference that is moved prevent. What is let through is the
Wiener share of each band (C. Faller and J. Chen, "Suppressing acoustic echo in a spectral envelope space", ibid. 13,
2005).
"""

from __future__ import annotations

from collections import deque
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from audio.echo_model import BANDS, EDGES_HZ, FRAME, EchoModel, Powers
from core.messages import SAMPLE_RATE_HZ, Samples

MARGIN = 10 ** (6 / 10)
"""an echo may be 6 dB above what is expected of it"""
MOST_OF_A_BAND = 4.0
"""nats that one band can count for: no single whistle or hum is a voice"""
FRAMES = 3
"""over which the bands' sum is taken"""
LIKELY = 7.0
"""Nats from which on there is another sound: with it no echo is heard as one, and every voice over a fainter echo is
(`python3 main.py test -m slow tests/integration/test_echo_in_rooms.py`)."""
POSSIBLE = 1.5
"""nats from which on there may be one; the echo alone stays below for nineteen of twenty frames"""
HOLD = 12
"""frames for which the other sound is taken to go on"""
TAPS = 2 * 128
"""of the filter that weighs the bands; it delays by half of them"""
LEAST = 0.03
"""of a band that is all echo"""


class NearEnd:
    """Call `update` with each 10 ms frame of both ends while the assistant can be heard."""

    def __init__(self) -> None:
        self.echo = EchoModel()
        self._likely: deque[float] = deque(maxlen=FRAMES)
        self._held = self._possible = 0
        self._weights = _interpolation()
        self._window = np.hanning(TAPS + 1)[:-1]
        self._filter: NDArray[np.float64] | None = None

    @property
    def heard(self) -> bool:
        """Whether there is another sound than the echo, or was a moment ago."""
        return self._held > 0

    @property
    def silent(self) -> bool:
        """Whether an echo sounds that explains all that is heard."""
        return self.echo.known and self.echo.audible and not self._possible

    def restart(self, before: Samples, near: Samples) -> None:
        """The assistant was silent, or the echo comes with another delay.

        `before` [n * 160] was played till now, and `near` [160] heard last.
        """
        self.echo.restart(before, near)
        self._likely.clear()
        self._held = self._possible = 0
        self._filter = None

    def update(self, near: Samples, far: Samples) -> None:
        """Take in a frame [160] of each end at 16 kHz; `far` is what the echo in `near` is of, or runs just ahead."""
        echo = self.echo
        echo.update(near, far)
        self._likely.append(_excess(echo))
        likely = sum(self._likely) / FRAMES
        goes_on = self.heard and not echo.audible
        if echo.known and likely > LIKELY and (self.heard or echo.sounding):
            self._held = HOLD
        elif not goes_on:
            self._held = max(0, self._held - 1)
        self._possible = HOLD if likely > POSSIBLE else max(0, self._possible - 1)
        if not self.heard:
            self._filter = None
        echo.learn()

    def rate(self, near: Samples, far: Samples) -> float:
        """Nats a frame that speak for another sound in `near` [n * 160] than the echo of `far` [n * 160 or more].

        What `far` has more was played before. Nothing is learnt of it.
        """
        echo = deepcopy(self.echo)
        begins = len(far) - len(near)
        echo.restart(far[:begins], np.zeros(FRAME, np.float32))
        rated = 0.0
        for at in range(0, len(near), FRAME):
            echo.update(near[at : at + FRAME], far[begins + at : begins + at + FRAME])
            rated += _excess(echo)
        return rated * FRAME / len(near)

    def let_through(self, sound: Samples) -> Samples:
        """What stands above the echo in the frame that ended half of `TAPS` samples ago [160].

        `sound` [`TAPS` - 1 + 160] is the microphone's up to the frame last taken in.
        """
        before, self._filter = self._filter, self._shape()
        now = np.convolve(sound, self._filter, "valid")
        if before is not None:
            rising = np.linspace(0.0, 1.0, FRAME)
            now = np.convolve(sound, before, "valid") * (1 - rising) + now * rising
        return np.asarray(now, np.float32)

    def _shape(self) -> NDArray[np.float64]:
        """The filter [256]: of each band the share that is not echo."""
        gains = np.maximum(1.0 - MARGIN * self.echo.expected / np.maximum(self.echo.heard, 1e-12), LEAST)
        response = np.fft.irfft(self._weights @ gains, TAPS)
        return np.asarray(np.roll(response, TAPS // 2) * self._window, np.float64)


def _excess(echo: EchoModel) -> float:
    """Nats by which the last frame speaks for another sound than the echo."""
    excess = np.maximum(echo.heard / (MARGIN * echo.expected), 1.0)
    return float(np.minimum(excess - 1.0 - np.log(excess), MOST_OF_A_BAND).sum())


def _interpolation() -> Powers:
    """[frequencies, bands]: how each frequency of the filter takes its gain from the bands around it."""
    centres = (np.array(EDGES_HZ[1:]) + EDGES_HZ[:-1]) / 2
    frequencies = np.fft.rfftfreq(TAPS, 1 / SAMPLE_RATE_HZ)
    return np.stack([np.interp(frequencies, centres, row) for row in np.eye(BANDS)], axis=1)
