"""Who is spoken to: the windows of the wake word and the key, through turns, replies and what was no speech."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import VirtualClock

from core.messages import EchoDropped, Heard, PlaybackStarted, Samples, SpeechStarted, Transcript, TurnFailed
from core.utils.config import WakeConfig
from stt.attention import TURN_S, Attention

SOUND = np.zeros(320, np.float32)


class ScriptedWakeWord:
    """Hears the word when told to."""

    phrase = "hello"

    def __init__(self) -> None:
        self.says = False
        self.loads = self.resets = 0

    def load(self) -> None:
        self.loads += 1

    def heard(self, samples: Samples) -> bool:
        return self.says

    def reset(self) -> None:
        self.resets += 1


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def by_word(clock: VirtualClock) -> tuple[Attention, ScriptedWakeWord]:
    word = ScriptedWakeWord()
    return Attention(WakeConfig(mode="word", window_s=5, follow_up_s=3), clock, word), word


def started(clock: VirtualClock) -> SpeechStarted:
    return SpeechStarted(1, 0, clock.monotonic())


def understood(text: str) -> Transcript:
    return Transcript(1, 0, text, len(text), "en", final=True)


def test_by_default_everything_is_meant(clock: VirtualClock):
    attention = Attention(WakeConfig(), clock)
    assert attention.attends(clock.monotonic())
    assert attention.phrase == ""


def test_the_word_opens_a_window(clock: VirtualClock):
    attention, word = by_word(clock)
    attention.load()
    assert (word.loads, attention.phrase) == (1, "hello")
    now = clock.monotonic()
    assert not attention.attends(now)
    assert not attention.hear(SOUND, now)
    word.says = True
    assert attention.hear(SOUND, now)
    assert word.resets == 1
    assert attention.attends(now + 4.9)
    assert not attention.attends(now + 5.1)


def test_it_attends_from_the_question_to_a_follow_up(clock: VirtualClock):
    attention, _ = by_word(clock)
    attention.call(clock.monotonic())
    attention.speech_started(started(clock))
    clock.advance(20)
    assert attention.attends(clock.monotonic())
    attention.transcribed(understood("what time is it"))
    attention.playback_started(PlaybackStarted(1, 0, clock.monotonic()))
    clock.advance(60)
    assert attention.attends(clock.monotonic())
    attention.heard(Heard(1, 0, 0, 5))
    attention.heard(Heard(1, 0, 0, 9, finished=True))
    assert attention.attends(clock.monotonic() + 2.9)
    assert not attention.attends(clock.monotonic() + 3.1)


def test_what_speaks_up_by_itself_can_be_answered(clock: VirtualClock):
    attention, _ = by_word(clock)
    attention.playback_started(PlaybackStarted(7, 0, clock.monotonic()))
    assert attention.attends(clock.monotonic())


@pytest.mark.parametrize("nothing", ["no words", "echo"])
def test_noise_does_not_prolong_the_window(nothing: str, clock: VirtualClock):
    attention, _ = by_word(clock)
    attention.call(clock.monotonic())
    clock.advance(4)
    attention.speech_started(started(clock))
    if nothing == "echo":
        attention.echo_dropped(EchoDropped(1, "hm"))
    else:
        attention.transcribed(understood(""))
    assert attention.attends(clock.monotonic() + 0.9)
    assert not attention.attends(clock.monotonic() + 1.1)


def test_a_lost_turn_may_be_said_again(clock: VirtualClock):
    attention, _ = by_word(clock)
    attention.call(clock.monotonic())
    attention.speech_started(started(clock))
    clock.advance(30)
    attention.failed(TurnFailed(1, 0, "stt", "broken"))
    assert attention.attends(clock.monotonic() + 2.9)
    assert not attention.attends(clock.monotonic() + 3.1)


def test_a_turn_without_an_end_does_not_hold_it_for_ever(clock: VirtualClock):
    attention, _ = by_word(clock)
    attention.speech_started(started(clock))
    assert attention.attends(clock.monotonic() + TURN_S - 1)
    assert not attention.attends(clock.monotonic() + TURN_S + 1)


def test_a_key_asks_for_one_utterance_and_no_follow_up(clock: VirtualClock):
    attention = Attention(WakeConfig(mode="key", window_s=5), clock)
    assert not attention.attends(clock.monotonic())
    attention.call(clock.monotonic())
    assert attention.attends(clock.monotonic() + 4.9)
    clock.advance(6)
    attention.playback_started(PlaybackStarted(1, 0, clock.monotonic()))
    attention.heard(Heard(1, 0, 0, 5, finished=True))
    assert not attention.attends(clock.monotonic())
