"""A voice over the reply: tentative until it is long enough or its words are known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from core.messages import InterjectionHeard
from core.utils.config import VadConfig
from stt.interruptions import ANSWER_S, LATE_S, SURE_S, SURELY_S, Interjected, Interruptions
from stt.voice_activity_detection import Onset, Overlong, Rejected, Started, VoiceActivityDetection
from tests.stt.test_listener import LoudnessEngine

FRAME_S = 0.032


class Voice:
    """Hears levels of 32 ms each; `answers` is what the recogniser says as soon as it is asked."""

    def __init__(
        self, replying: bool = True, answer: str | None = None, asked: bool = False, sure_s: float = SURE_S
    ) -> None:
        self.replying, self.answer = replying, answer
        detection = VoiceActivityDetection(VadConfig(), LoudnessEngine())
        self.interruptions = Interruptions(detection, lambda: self.replying, lambda: asked, sure_s)
        self.now = 50.0

    def hear(self, levels: Iterable[float]) -> list[Any]:
        told: list[Any] = []
        for level in levels:
            events = list(self.interruptions.process(np.full(512, level, np.float32), self.now))
            self.now += FRAME_S
            for event in events:
                if isinstance(event, Interjected) and self.answer is not None:
                    self.interruptions.understood(InterjectionHeard(event.number, self.answer, "en"))
            told += events
        return [event for event in told if not type(event).__name__.startswith("Continued")]


def frames(seconds: float, level: float = 0.3) -> list[float]:
    return [level] * round(seconds / FRAME_S)


def kinds(events: Iterable[object]) -> list[type]:
    return [type(event) for event in events]


def test_without_a_reply_every_voice_is_speech_at_once() -> None:
    events = Voice(replying=False).hear(frames(0.3, 0.0) + frames(0.3) + frames(0.5, 0.0))
    assert kinds(events) == [Onset, Started]


@pytest.mark.parametrize("answer", ["what time", "stop"])
def test_half_a_second_over_a_reply_is_speech_with_all_its_sound(answer: str) -> None:
    voice = Voice(answer=answer)
    assert kinds(voice.hear(frames(0.3, 0.0) + frames(SURE_S - 2 * FRAME_S))) == [Onset]
    asked, started = voice.hear(frames(0.1))
    assert kinds([asked, started]) == [Interjected, Started]
    assert started.at == pytest.approx(50.0 + 9 * FRAME_S)
    assert np.count_nonzero(started.samples > 0.2) / 16_000 == pytest.approx(SURE_S, abs=2 * FRAME_S)


def test_how_much_speech_over_a_reply_ends_it_is_a_setting() -> None:
    assert VadConfig().interrupt_ms / 1000 == SURE_S
    voice = Voice(answer="stop", sure_s=0.25)
    assert kinds(voice.hear(frames(0.3, 0.0) + frames(0.25 + FRAME_S))) == [Onset, Interjected, Started]


@pytest.mark.parametrize("answer", ["mhm", "", "ha ha ha ha ha"])
def test_a_long_voice_without_words_is_none_and_a_very_long_one_is(answer: str) -> None:
    voice = Voice(answer=answer)
    events = voice.hear(frames(0.3, 0.0) + frames(SURELY_S - 0.1) + frames(0.4, 0.0))
    assert kinds(events) == [Onset, *[Interjected] * 8, Rejected], "asked ever less often"
    assert kinds(voice.hear(frames(SURELY_S + 0.1)))[-1] is Started


@pytest.mark.parametrize("heard", ["", "mhm"])
def test_words_that_come_after_half_a_second_without_are_speech_soon(heard: str) -> None:
    voice = Voice(answer=heard)
    assert kinds(voice.hear(frames(0.3, 0.0) + frames(SURE_S + 0.1))) == [Onset, Interjected]
    voice.answer = "no, the other"
    *_, started = voice.hear(frames(0.5 * SURE_S))
    assert isinstance(started, Started)
    assert np.count_nonzero(started.samples > 0.2) / 16_000 > 1.4 * SURE_S


def test_a_pause_behind_what_was_asked_about_is_asked_about_too() -> None:
    voice = Voice()
    asked = voice.hear(frames(0.3, 0.0) + frames(SURE_S + FRAME_S))[-1]
    voice.hear(frames(0.07) + frames(0.13, 0.0))
    voice.interruptions.understood(InterjectionHeard(asked.number, "", "en"))
    voice.answer = "Yvonne"
    assert kinds(voice.hear(frames(0.2, 0.0))) == [Interjected, Started]


def test_half_a_second_of_which_nobody_says_anything_in_time_is_speech() -> None:
    voice = Voice()
    assert kinds(voice.hear(frames(SURE_S + 0.5 * LATE_S))) == [Onset, Interjected]
    assert kinds(voice.hear(frames(LATE_S))) == [Started]


@pytest.mark.parametrize("answer", ["mhm", "", "oui"])
def test_no_words_and_a_backchannel_are_rejected(answer: str) -> None:
    voice = Voice(answer=answer)
    assert kinds(voice.hear(frames(0.3, 0.0) + frames(0.3) + frames(0.4, 0.0))) == [Onset, Interjected, Rejected]
    assert voice.interruptions.idle
    assert kinds(voice.hear(frames(0.3) + frames(0.4, 0.0))) == [Onset, Interjected, Rejected]


def test_words_are_speech_before_half_a_second() -> None:
    voice = Voice(answer="stop")
    onset, asked, started = voice.hear(frames(0.3, 0.0) + frames(0.3) + frames(0.3, 0.0))
    assert kinds([onset, asked, started]) == [Onset, Interjected, Started]
    assert started.voiced_until == pytest.approx(50.0 + 18 * FRAME_S)
    assert started.heard_at - started.at < SURE_S
    assert len(started.samples) > len(asked.samples)


def test_a_yes_over_a_question_is_an_answer() -> None:
    assert kinds(Voice(answer="yes", asked=True).hear(frames(0.3) + frames(0.4, 0.0)))[-1] is Started


def test_who_goes_on_before_the_answer_is_asked_about_anew() -> None:
    voice = Voice()
    (_, first) = voice.hear(frames(0.25) + frames(0.16, 0.0))
    voice.hear(frames(0.07))
    voice.interruptions.understood(InterjectionHeard(first.number, "stop", "en"))
    (second,) = voice.hear(frames(0.2, 0.0))
    assert isinstance(second, Interjected)
    assert second.number == first.number + 1


def test_an_answer_that_does_not_come_makes_it_speech() -> None:
    voice = Voice()
    voice.hear(frames(0.3) + frames(0.15, 0.0))
    assert kinds(voice.hear(frames(ANSWER_S - 0.1, 0.0))) == []
    assert kinds(voice.hear(frames(0.2, 0.0))) == [Started]


@pytest.mark.parametrize("spoken_s", [0.1, 0.3])
def test_a_gap_in_the_input_under_an_onset_rejects_it(spoken_s: float) -> None:
    voice = Voice()
    voice.hear(frames(0.3, 0.0) + frames(spoken_s))
    voice.interruptions.reset()
    assert kinds(voice.hear(frames(0.3, 0.0))) == [Rejected]
    assert kinds(voice.hear(frames(0.3, 0.0))) == []


def test_the_longest_utterance_over_a_reply_ends_like_any_other() -> None:
    voice = Voice()
    events = voice.hear(frames(31.0))
    assert kinds(events) == [Onset, Interjected, Started, Overlong]


def test_who_goes_on_with_the_words_before_the_reply_speaks_at_once() -> None:
    voice = Voice()
    voice.interruptions.goes_on = lambda at: True
    assert kinds(voice.hear(frames(0.3, 0.0) + frames(0.4))) == [Onset, Started]
