"""How loud a sentence will be, told from the frames before any of it is decoded, so that its first sound has its gain.

Learnt from one sentence that the voice said: the amplitude of each frame is a weighted sum of its channels (ridge
regression). What such sums are off by on frames that they were not learnt from is learnt too, by leaving out a third of
the sentence at a time, and from each sentence that is said later. Figures on a published voice of the same kind:
benchmarks.tts_parts.loudness, Piper's rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.messages import Samples
from tts.loudness import voiced_dbfs

RIDGE = 1.0
"""times the channels' mean variance: a sentence has hardly more frames than there are channels"""
GATE = 0.1
"""of the loudest frame's amplitude; what is below is a pause"""
PARTS = 3
"""of the sentence it is learnt from, each foretold from the others"""
REMEMBERED = 20
"""sentences that the correction is the mean of, at most"""


@dataclass(frozen=True, slots=True)
class LevelForecast:
    """Learnt of one voice."""

    middle: NDArray[np.float64]
    """[channels] of the frames it was learnt from"""
    weights: NDArray[np.float64]
    """[channels] amplitude for each channel's distance from the middle"""
    amplitude: float
    """in the middle"""
    correction_db: float = 0.0
    heard: int = 0
    """sentences that the correction was learnt from"""

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
        parts = np.array_split(np.arange(len(columns)), PARTS)
        if len(columns) < PARTS:
            told = cls._fitted(columns, amplitudes)._amplitudes(columns)
        else:
            others = (np.concatenate(parts[:n] + parts[n + 1 :]) for n in range(PARTS))
            told = np.concatenate(
                [
                    cls._fitted(columns[other], amplitudes[other])._amplitudes(columns[part])
                    for part, other in zip(parts, others, strict=True)
                ]
            )
        return cls._fitted(columns, amplitudes)._corrected(level - _dbfs(told))

    @classmethod
    def _fitted(cls, columns: NDArray[np.float64], amplitudes: NDArray[np.float64]) -> LevelForecast:
        """To frames [n, channels] and the amplitude of each."""
        middle = columns.mean(axis=0)
        away = columns - middle
        ridge = RIDGE * max(float(np.square(away).sum()) / len(middle), 1e-9)
        products = away.T @ away + ridge * np.eye(len(middle))
        weights = np.linalg.solve(products, away.T @ (amplitudes - amplitudes.mean()))
        return cls(middle, weights, float(amplitudes.mean()))

    def dbfs(self, frames: NDArray[Any]) -> float:
        """As tts.loudness.voiced_dbfs will find a sentence of these frames [channels, n > 0]."""
        return _dbfs(self._amplitudes(frames.T.astype(np.float64))) + self.correction_db

    def after(self, told_dbfs: float, samples: Samples, sample_rate_hz: int) -> LevelForecast:
        """Having heard a sentence of which that was told."""
        level = voiced_dbfs(samples, sample_rate_hz)
        return self._corrected(self.correction_db + level - told_dbfs) if np.isfinite(level) else self

    def _corrected(self, correction_db: float) -> LevelForecast:
        heard = min(self.heard + 1, REMEMBERED)
        mean = self.correction_db + (correction_db - self.correction_db) / heard
        return replace(self, correction_db=mean, heard=heard)

    def _amplitudes(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum((columns - self.middle) @ self.weights + self.amplitude, 1e-6)


def _dbfs(amplitudes: NDArray[np.float64]) -> float:
    """Of the frames that are no pauses."""
    voiced = amplitudes[amplitudes >= GATE * amplitudes.max()]
    return float(10 * np.log10(np.square(voiced).mean()))
