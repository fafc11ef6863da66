"""How the assistant sounds right now: volume and speaking rate, changed by voice and read by the stages that speak."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

VOLUME_RANGE = (0.05, 1.0)
RATE_RANGE = (0.6, 2.0)


@dataclass(frozen=True, slots=True)
class Voice:
    """Volume as a gain in 0.05..1 and rate as a factor in 0.6..2 of the configured speed."""

    volume: float = 1.0
    rate: float = 1.0


class VoiceSettings:
    """The one mutable `Voice`, safe to read and change from any thread."""

    def __init__(self, voice: Voice | None = None) -> None:
        self._lock = threading.Lock()
        self._voice = voice or Voice()

    @property
    def current(self) -> Voice:
        with self._lock:
            return self._voice

    def change(self, volume_factor: float = 1.0, rate_factor: float = 1.0) -> Voice:
        """Multiply volume and rate, kept within their ranges; return the new voice."""
        with self._lock:
            self._voice = replace(
                self._voice,
                volume=_clamp(self._voice.volume * volume_factor, VOLUME_RANGE),
                rate=_clamp(self._voice.rate * rate_factor, RATE_RANGE),
            )
            return self._voice


def _clamp(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
