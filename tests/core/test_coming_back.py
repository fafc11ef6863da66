"""Models that were put away begin to come back with the user's first words."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from core.app.coming_back import ComingBack
from core.messages import SpeechStarted
from core.optimization.memory import MemoryBudgets, MemoryOptimizer, Stage
from core.utils.errors import InferenceError

VOICE = SpeechStarted(1, 0, 0.0)
MB = 1_000_000


class Desk:
    """What was put away, and what has come back of it, in order."""

    def __init__(self, *away: Stage, available: int | None = None, fails: str = "") -> None:
        self.came: list[str] = []
        self.memory = MemoryOptimizer(MemoryBudgets(reserve=100 * MB))
        self.gate = threading.Event()
        self.gate.set()
        for stage in away:
            self.memory.put_away(f"a model for {stage}", stage, 500 * MB, self._bringing(stage, stage == fails))
        self.coming = ComingBack(self.memory, lambda: self.came.append("ready"), lambda: available)

    def _bringing(self, stage: Stage, fails: bool) -> Callable[[], None]:
        def bring() -> None:
            assert self.gate.wait(10)
            if fails:
                raise InferenceError("m was put away and cannot be loaded again")
            self.came.append(stage)
            self.memory.register(f"a new model for {stage}", stage, 500 * MB, lambda: None)

        return bring

    def hear(self, message: SpeechStarted = VOICE) -> list[str]:
        self.coming.speech_started(message)
        self.coming.wait(10)
        return self.came


def test_they_come_as_they_are_needed_and_the_language_model_reads_at_once():
    desk = Desk("tts", "llm", "stt")
    assert desk.hear() == ["stt", "llm", "ready", "tts"]
    assert desk.hear() == ["stt", "llm", "ready", "tts"], "all are here"


def test_whoever_speaks_does_not_wait_for_them_and_one_thread_brings_them():
    desk = Desk("llm")
    desk.gate.clear()
    desk.coming.speech_started(VOICE)
    desk.coming.speech_started(SpeechStarted(2, 0, 1.0))
    assert desk.came == []
    desk.gate.set()
    desk.coming.wait(10)
    assert desk.came == ["llm", "ready"]


def test_who_goes_on_after_a_pause_brings_nothing_more():
    assert Desk("llm").hear(SpeechStarted(1, 1, 0.0)) == []


@pytest.mark.parametrize(("available", "comes"), [(599 * MB, False), (600 * MB, True), (None, True)])
def test_where_memory_has_no_room_it_waits_until_it_is_used(available: int | None, comes: bool):
    assert (Desk("llm", available=available).hear() != []) == comes


def test_one_that_cannot_come_keeps_none_of_the_others(caplog: pytest.LogCaptureFixture):
    assert Desk("llm", "tts", fails="llm").hear() == ["tts"]
    assert "cannot be loaded again" in caplog.text
