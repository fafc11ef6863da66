"""Streams of sound from one rate to another, without clicks where blocks meet (soxr)."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.messages import Samples


class Resampler:
    """One stream to a fixed target rate; a change of the source's rate begins a new one."""

    def __init__(self, target_hz: int) -> None:
        self.target_hz = target_hz
        self._source_hz = 0
        self._stream: Any = None
        self._taken = 0
        self._given = 0

    @property
    def pending_s(self) -> float:
        """How much of what was taken in has not come out yet."""
        return self._taken / self._source_hz - self._given / self.target_hz if self._source_hz else 0.0

    def process(self, samples: Samples, source_hz: int, last: bool = False) -> Samples:
        """The next samples [m] at the target rate; with `last`, all that is left, and the stream ends."""
        if source_hz != self._source_hz:
            self._begin(source_hz)
        self._taken += len(samples)
        if self._stream is None:
            self._given += len(samples)
            return samples
        result: Samples = np.asarray(
            self._stream.resample_chunk(np.asarray(samples, np.float32), last=last), np.float32
        )
        self._given += len(result)
        if last:
            self.reset()
        return result

    def reset(self) -> None:
        """Forget what came before."""
        self._source_hz = self._taken = self._given = 0
        self._stream = None

    def _begin(self, source_hz: int) -> None:
        import soxr

        self._source_hz, self._taken, self._given = source_hz, 0, 0
        same = source_hz == self.target_hz
        self._stream = (
            None if same else soxr.ResampleStream(source_hz, self.target_hz, 1, dtype="float32", quality="HQ")
        )
