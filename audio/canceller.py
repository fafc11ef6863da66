"""WebRTC's echo canceller, AEC3, as livekit packages it: 10 ms of sound at a time, no network."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from audio.alignment import FRAME
from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.errors import MissingDependencyError


class Canceller(Protocol):
    """AEC3, or nothing: 10 ms frames at 16 kHz."""

    def process(self, near: Samples, far: Samples, delay_ms: int) -> Samples: ...


class WebRtcCanceller:
    """livekit's binding of WebRTC's audio processing. Raises MissingDependencyError without the package."""

    def __init__(self, noise_suppression: bool = False) -> None:
        try:
            from livekit.rtc.apm import AudioProcessingModule
            from livekit.rtc.audio_frame import AudioFrame as Frame
        except (ImportError, OSError) as error:
            raise MissingDependencyError(
                f"echo.canceller: the livekit package cannot be loaded ({error}); pip install livekit, "
                "or set echo.canceller: off and use headphones"
            ) from error
        self._module = AudioProcessingModule(echo_cancellation=True, noise_suppression=noise_suppression)
        self._delay_ms: int | None = None
        frames = (Frame(bytearray(2 * FRAME), SAMPLE_RATE_HZ, 1, FRAME) for _ in range(2))
        self._near, self._far = ((frame, np.frombuffer(frame.data, np.int16)) for frame in frames)
        """each end's frame, worked on in place, and its samples"""

    def process(self, near: Samples, far: Samples, delay_ms: int) -> Samples:
        """`near` [160] without the echo of `far` [160], which is played `delay_ms` before it is heard."""
        reference, reference_samples = self._far
        reference_samples[:] = _pcm(far)
        self._module.process_reverse_stream(reference)
        if delay_ms != self._delay_ms:
            self._module.set_stream_delay_ms(delay_ms)
            self._delay_ms = delay_ms
        frame, samples = self._near
        samples[:] = _pcm(near)
        self._module.process_stream(frame)
        return samples * np.float32(1 / 32768)


def _pcm(samples: Samples) -> Samples:
    """-1 to 1 as 16-bit numbers, not yet rounded."""
    result: Samples = np.minimum(np.maximum(samples * 32767.0, -32767.0), 32767.0)
    return result
