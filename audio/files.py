"""A recording in place of the microphone, a list of samples in place of the speaker: for a turn from file to file."""

from __future__ import annotations

import queue

import numpy as np

from audio.far_end import FarEnd
from audio.wav import Recording
from core.messages import AudioFrame, Samples
from core.utils.clock import Clock


class FileMicrophone:
    """An inbox of a recording's frames and then of silence; after that, empty for ever.

    It never waits. Times are virtual: the first sample is captured at `starts_at`, and time passes as frames are taken.
    """

    def __init__(
        self, recording: Recording, silence_s: float = 2.0, block_ms: int = 20, starts_at: float = 0.0
    ) -> None:
        rate_hz = recording.sample_rate_hz
        silence: Samples = np.zeros(round(silence_s * rate_hz), np.float32)
        self._samples = np.concatenate([recording.samples, silence])
        self._block = max(1, rate_hz * block_ms // 1000)
        self._taken = 0
        self.sample_rate_hz = rate_hz
        self.starts_at = starts_at

    @property
    def now(self) -> float:
        """The virtual time up to which frames were taken."""
        return self.starts_at + self._taken / self.sample_rate_hz

    @property
    def finished(self) -> bool:
        """Whether the silence, too, has been taken."""
        return self._taken >= len(self._samples)

    def get(self, block: bool = True, timeout: float | None = None) -> AudioFrame:
        """The next frame at once; queue.Empty when there is none."""
        if self.finished:
            raise queue.Empty
        captured_at = self.now
        samples = self._samples[self._taken : self._taken + self._block]
        self._taken += len(samples)
        return AudioFrame(samples, self.sample_rate_hz, captured_at)


class FileSpeaker:
    """Collects what is played, in place of a `Speaker`; everything has been heard the moment it is written."""

    def __init__(self, clock: Clock, sample_rate_hz: int = 24_000) -> None:
        self._clock = clock
        self.sample_rate_hz = sample_rate_hz
        self.far_end = FarEnd()
        self.queued = 0
        self._pieces: list[Samples] = []
        self.position = 0

    @property
    def recording(self) -> Recording:
        """All that was played."""
        nothing: Samples = np.zeros(0, np.float32)
        return Recording(np.concatenate([nothing, *self._pieces]), self.sample_rate_hz)

    def write(self, samples: Samples) -> int:
        at = self.position
        self._pieces.append(samples)
        self.position += len(samples)
        return at

    def pause(self) -> None:
        """Nothing is waited for."""

    def stop(self) -> None:
        """Nothing is queued that could be dropped."""

    def hold(self, on: bool) -> None:
        """A file does not wait."""

    def rewind(self, position: int) -> None:
        """What is in a file is heard once."""

    def wait(self, timeout: float) -> None:
        """Never waits."""

    def leaves_at(self, position: int) -> float:
        """Now: what is written has been heard."""
        return self._clock.monotonic()
