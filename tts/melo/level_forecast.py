"""How loud a sentence will be, told from the frames before any of it is decoded, so that its first sound has its gain.

Learnt from one sentence that the voice said: the amplitude of each frame is a weighted sum of its channels (ridge
regression). On a published voice of the same kind (benchmarks.tts_parts.loudness, Piper's row) the error is half of
what is left when all sentences are taken for equally loud.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.messages import Samples
from tts.loudness import voiced_dbfs

RIDGE = 1.0
"""times the channels' mean variance: a sentence has hardly more frames than there are channels"""
GATE = 0.1
"""of the loudest frame's amplitude; what is below is a pause"""


@dataclass(frozen=True, slots=True)
class LevelForecast:
    """Learnt of one voice."""

    middle: NDArray[np.float64]
    """[channels] of the frames it was learnt from"""
    weights: NDArray[np.float64]
    """[channels] amplitude for each channel's distance from the middle"""
    amplitude: float
    """in the middle"""
    correction_db: float

    @classmethod
    def learnt(cls, frames: NDArray[Any], samples: Samples, sample_rate_hz: int) -> LevelForecast | None:
        """From a sentence's frames [channels, n] and its sound, n times as many samples as a frame has.

        None where it is silent or has no frames: nothing is to be learnt from that.
        """
        level = voiced_dbfs(samples, sample_rate_hz)
        if not frames.shape[1] or not np.isfinite(level):
            return None
        sound = samples.astype(np.float64).reshape(frames.shape[1], -1)
        amplitudes = np.sqrt(np.square(sound).mean(axis=1))
        columns = frames.T.astype(np.float64)
        middle = columns.mean(axis=0)
        away = columns - middle
        ridge = RIDGE * max(float(np.square(away).sum()) / len(middle), 1e-9)
        products = away.T @ away + ridge * np.eye(len(middle))
        weights = np.linalg.solve(products, away.T @ (amplitudes - amplitudes.mean()))
        plain = cls(middle, weights, float(amplitudes.mean()), 0.0)
        return cls(middle, weights, plain.amplitude, level - plain.dbfs(frames))

    def dbfs(self, frames: NDArray[Any]) -> float:
        """As tts.loudness.voiced_dbfs will find a sentence of these frames [channels, n > 0]."""
        away = frames.T.astype(np.float64) - self.middle
        amplitudes = np.maximum(away @ self.weights + self.amplitude, 1e-6)
        voiced = amplitudes[amplitudes >= GATE * amplitudes.max()]
        return float(10 * np.log10(np.square(voiced).mean())) + self.correction_db
