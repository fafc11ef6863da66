"""Whose turn it is to speak: announcements wait until nobody has the floor."""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.messages import (
    DeviceEvent,
    EchoDropped,
    Heard,
    SpeechStarted,
    Transcript,
    TurnFailed,
    VoiceOnset,
    VoiceRejected,
)
from core.pipeline import Pipeline
from core.stage import TurnClock

LONGEST_TURN_S = 60.0
"""a turn that has not ended after this long no longer holds the floor: an announcement must never wait for ever"""


class Floor:
    """Watches the conversation and tells whether there is a gap in it."""

    def __init__(self, turns: TurnClock, now: Callable[[], float]) -> None:
        self._turns = turns
        self._now = now
        self._lock = threading.Lock()
        self._taken_at: float | None = None

    def watch(self, pipeline: Pipeline) -> None:
        """Observe who speaks."""
        pipeline.observe(VoiceOnset, self._take)
        pipeline.observe(SpeechStarted, self._take)
        pipeline.observe(VoiceRejected, self._give)
        pipeline.observe(EchoDropped, self._give)
        pipeline.observe(TurnFailed, self._give)
        pipeline.observe(DeviceEvent, self._give)
        pipeline.observe(
            Transcript, lambda message: self._give(message) if message.final and not message.text else None
        )
        pipeline.observe(Heard, lambda message: self._give(message) if message.finished else self._take(message))

    def gap(self) -> int | None:
        """The current turn when nobody speaks, thinks or plays; else None."""
        turn = self._turns.current
        with self._lock:
            taken = self._taken_at is not None and self._now() - self._taken_at < LONGEST_TURN_S
        return None if taken else turn

    def free(self) -> None:
        """The turn was ended from outside: nobody has the floor."""
        with self._lock:
            self._taken_at = None

    def _take(self, message: object) -> None:
        with self._lock:
            self._taken_at = self._now()

    def _give(self, message: object) -> None:
        self.free()
