"""Words that nobody waits for yet wait for the first sound."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from core.app.first_sound import LONGEST_S, FirstSound
from core.messages import Sentence, Speech, Transcript, TurnFailed
from core.pipeline import Part, Pipeline
from core.turn_clock import TurnClock
from tests.fakes import FakeStage, ListInbox, VirtualClock

FIRST = Sentence(1, 0, 0, "Because of the air,", False)


def sound(seconds: float, index: int = 0, ends_sentence: bool = False, turn: int = 1) -> Speech:
    return Speech(turn, 0, index, np.zeros(round(seconds * 16_000), np.float32), 16_000, ends_sentence=ends_sentence)


@pytest.mark.parametrize("ending", [sound(0.1, ends_sentence=True), sound(0.6), TurnFailed(1, 0, "tts", "no voice")])
def test_the_rest_waits_until_the_sound_is_whole_or_enough(ending: object) -> None:
    first_sound = FirstSound(VirtualClock())
    assert not first_sound.wait(1, 0.0)
    first_sound.note(FIRST)
    assert first_sound.wait(1, 0.0)
    assert not first_sound.wait(2, 0.0), "another turn has nothing to wait for"
    first_sound.note(ending)
    assert not first_sound.wait(1, 0.0)


def test_words_wait_whenever_what_is_left_to_play_is_less_than_enough() -> None:
    clock = VirtualClock()
    first_sound = FirstSound(clock)
    first_sound.note(FIRST)
    first_sound.note(sound(0.1))
    assert first_sound.wait(1, 0.0), "a tenth of a second was too little: the next window takes as long"
    first_sound.note(sound(0.2))
    first_sound.note(sound(0.4))
    assert not first_sound.wait(1, 0.0), "0.7 s are there"
    clock.advance(0.25)
    assert first_sound.wait(1, 0.0), "0.45 s are left, and the sentence is not whole"
    first_sound.note(sound(0.2, turn=2))
    assert first_sound.wait(1, 0.0), "another turn's sound is none of this one's"
    first_sound.note(sound(0.1))
    assert not first_sound.wait(1, 0.0)


def test_a_later_sentence_waits_only_where_the_one_before_is_nearly_played() -> None:
    clock = VirtualClock()
    first_sound = FirstSound(clock)
    first_sound.note(FIRST)
    first_sound.note(sound(1.0, ends_sentence=True))
    first_sound.note(Sentence(1, 0, 1, "More.", False))
    assert not first_sound.wait(1, 0.0)
    clock.advance(0.6)
    assert first_sound.wait(1, 0.0)
    first_sound.note(sound(0.01, index=1, ends_sentence=True))
    assert not first_sound.wait(1, 0.0)


def test_a_silence_after_what_was_played_is_not_owed() -> None:
    clock = VirtualClock()
    first_sound = FirstSound(clock)
    first_sound.note(FIRST)
    first_sound.note(sound(0.1))
    clock.advance(0.9)
    first_sound.note(sound(0.6))
    assert not first_sound.wait(1, 0.0)


def test_a_whole_reply_holds_nothing_up() -> None:
    first_sound = FirstSound()
    first_sound.note(Sentence(1, 0, 0, "Yes.", True))
    assert not first_sound.wait(1, 0.0)


def test_a_sound_that_never_comes_is_not_waited_for_for_ever() -> None:
    clock = VirtualClock()
    first_sound = FirstSound(clock)
    first_sound.note(FIRST)
    clock.advance(LONGEST_S)
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
    first_sound.note(sound(0.6))
    assert done.wait(1.4)
    thread.join(10)


def test_in_a_pipeline_the_second_sentence_is_written_behind_the_first_sound() -> None:
    order: list[str] = []

    def writes(message: Transcript) -> Iterator[Sentence]:
        for index in range(3):
            order.append(f"writes {index}")
            yield Sentence(message.turn, 0, index, "words", index == 2)

    def speaks(sentence: Sentence) -> Iterator[Speech]:
        for half in range(2):
            order.append(f"speaks {sentence.index}, half {half}")
            sound = np.zeros(4, np.float32)
            yield Speech(sentence.turn, 0, sentence.index, sound, 16_000, ends_sentence=half == 1)

    clock, first_sound = TurnClock(), FirstSound()
    inbox = ListInbox([Transcript(clock.open(), 0, "hello", 5, "en", True)])
    parts = [Part("llm", FakeStage(writes), inbox, yields=first_sound.wait), Part("tts", FakeStage(speaks))]
    pipeline = Pipeline(parts, clock)
    pipeline.passed = first_sound.note
    while any(thread.step() for thread in pipeline.threads):  # the writer first, whenever it may
        continue
    assert order[:4] == ["writes 0", "speaks 0, half 0", "speaks 0, half 1", "writes 1"]
    assert order[-1] == "speaks 2, half 1"
