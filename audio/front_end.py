"""From the microphone's frames to what the listener hears: 16 kHz, without the assistant's own voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.alignment import FRAME
from audio.echo import CANCELLER_DELAY, EchoCanceller
from audio.far_end import FarEnd
from audio.offset import Offset
from audio.resampling import Resampler
from core.messages import SAMPLE_RATE_HZ, AudioFrame, Samples
from core.utils.config import EchoConfig

GAP_S = 0.1


@dataclass(frozen=True, slots=True)
class Processed:
    """What the listener hears."""

    samples: Samples
    """[n] at 16 kHz; n is a multiple of 160, 0 while the echo's delay is sought: what was held then comes at once"""
    captured_at: float
    """monotonic seconds of the first sample"""
    far_end_active: bool
    """the assistant was audible while this was captured, or its echo less than `echo.tail_ms` before"""
    echo_moved: bool
    """the echo was just found to come at another time than was thought: a voice heard just before may be an echo"""


class FrontEnd:
    """Call `process` with every frame, in order, from one thread."""

    def __init__(self, config: EchoConfig, far_end: FarEnd) -> None:
        self.echo = EchoCanceller(config, far_end)
        self._resampler = Resampler(SAMPLE_RATE_HZ)
        self._offset = Offset()
        self._waiting: Samples = np.zeros(0, np.float32)
        self._ends_at: float | None = None

    def load(self) -> None:
        """Load the echo canceller; call it, from any thread, once listening has begun and before the first reply.

        Raises MissingDependencyError if the configuration demands AEC3 and the livekit package is not there.
        """
        self.echo.load()

    def process(self, frame: AudioFrame) -> Processed:
        """The frame's sound; up to 10 ms of it, and what the resampler holds, come with the next one."""
        if self._ends_at is None or abs(frame.captured_at - self._ends_at) > GAP_S:
            self._resampler.reset()
            self._waiting = np.zeros(0, np.float32)
        waiting_since = frame.captured_at - self._resampler.pending_s - len(self._waiting) / SAMPLE_RATE_HZ
        self._ends_at = frame.captured_at + len(frame.samples) / frame.sample_rate_hz
        fresh = self._offset.take_out(self._resampler.process(frame.samples, frame.sample_rate_hz))
        sound = np.concatenate([self._waiting, fresh]) if len(self._waiting) else fresh
        whole = len(sound) // FRAME * FRAME
        sound, self._waiting = sound[:whole], sound[whole:]
        self.echo.take_far_end()
        captured_at = waiting_since - (CANCELLER_DELAY + self.echo.held) / SAMPLE_RATE_HZ
        cleaned = self.echo.process(sound, waiting_since) if whole else sound
        active = self.echo.far_end_active(captured_at + len(cleaned) / SAMPLE_RATE_HZ)
        if self.echo.deaf(captured_at + len(cleaned) / SAMPLE_RATE_HZ):
            cleaned = np.zeros_like(cleaned)
        return Processed(cleaned, captured_at, active, self.echo.take_moved())
