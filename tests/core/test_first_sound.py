"""Words that nobody waits for yet wait for the first sound."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from core.app.first_sound import FirstSound
from core.messages import Sentence, Speech, Transcript, TurnFailed
from core.pipeline import Part, Pipeline
from core.stage import TurnClock
from tests.fakes import FakeStage, ListInbox

FIRST = Sentence(1, 0, 0, "Because of the air,", False)
SOUND = Speech(1, 0, 0, np.zeros(4, np.float32), 16_000)


@pytest.mark.parametrize("ending", [SOUND, TurnFailed(1, 0, "tts", "no voice")])
def test_the_rest_waits_from_the_first_sentence_to_its_first_sound(ending: object) -> None:
    first_sound = FirstSound()
    assert not first_sound.wait(1, 0.0)
    first_sound.note(FIRST)
    assert first_sound.wait(1, 0.0)
    assert not first_sound.wait(2, 0.0), "another turn has nothing to wait for"
    first_sound.note(ending)
    assert not first_sound.wait(1, 0.0)


@pytest.mark.parametrize("sentence", [Sentence(1, 0, 0, "Yes.", True), Sentence(1, 0, 1, "More.", False)])
def test_a_whole_reply_and_later_sentences_hold_nothing_up(sentence: Sentence) -> None:
    first_sound = FirstSound()
    first_sound.note(sentence)
    assert not first_sound.wait(1, 0.0)


def test_a_sound_that_never_comes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.app.first_sound.LONGEST_S", 0.0)
    first_sound = FirstSound()
    first_sound.note(FIRST)
    assert not first_sound.wait(1, 0.0)


def test_who_waits_wakes_with_the_sound() -> None:
    first_sound, done = FirstSound(), threading.Event()
    first_sound.note(FIRST)

    def wait() -> None:
        while first_sound.wait(1, 10.0):
            continue
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    first_sound.note(SOUND)
    assert done.wait(1.4)
    thread.join(10)


def test_in_a_pipeline_the_second_sentence_is_written_behind_the_first_sound() -> None:
    order: list[str] = []

    def writes(message: Transcript) -> Iterator[Sentence]:
        for index in range(3):
            order.append(f"writes {index}")
            yield Sentence(message.turn, 0, index, "words", index == 2)

    def speaks(sentence: Sentence) -> Iterator[Speech]:
        order.append(f"speaks {sentence.index}")
        yield Speech(sentence.turn, 0, sentence.index, np.zeros(4, np.float32), 16_000, last=sentence.last)

    clock, first_sound = TurnClock(), FirstSound()
    inbox = ListInbox([Transcript(clock.open(), 0, "hello", 5, "en", True)])
    parts = [Part("llm", FakeStage(writes), inbox, yields=first_sound.wait), Part("tts", FakeStage(speaks))]
    pipeline = Pipeline(parts, clock)
    pipeline.passed = first_sound.note
    while any(thread.step() for thread in pipeline.threads):  # the writer first, whenever it may
        continue
    assert order[:3] == ["writes 0", "speaks 0", "writes 1"]
    assert order[-1] == "speaks 2"
