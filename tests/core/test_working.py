"""The tone for an answer that takes long: when it is due, how often, and for which turn."""

from __future__ import annotations

import pytest
from fakes import VirtualClock

from core.app.working import AGAIN_S, REMEMBERED, WAIT_S, WorkingTone
from core.messages import (
    EchoDropped,
    PlaybackStarted,
    ReplyUnderWay,
    Speech,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
    Working,
)
from core.optimization.memory import Movement
from core.pipeline import Pipeline
from core.turn_clock import TurnClock

NOTHING = None


class Talk:
    """A conversation told to the tone message by message."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.asks_model = False
        self.away: set[str] = {"stt", "llm", "tts"}
        self.tone = WorkingTone(self.clock.monotonic, lambda: self.asks_model, lambda stage: stage in self.away)
        self.pipeline = Pipeline((), TurnClock())
        self.tone.watch(self.pipeline)

    def after(self, seconds: float) -> Working | None:
        self.clock.advance(seconds)
        return self.tone.due()

    def question(self, turn: int = 1) -> None:
        self.pipeline.publish(Utterance(turn, 0, NOTHING, True, self.clock.monotonic()))  # type: ignore[arg-type]

    def answer(self, turn: int = 1, after: float = 0.0) -> None:
        self.clock.advance(after)
        self.pipeline.publish(Speech(turn, 0, 0, NOTHING, 24_000))  # type: ignore[arg-type]
        self.pipeline.publish(PlaybackStarted(turn, 0, self.clock.monotonic()))


def test_a_quick_answer_has_none():
    talk = Talk()
    talk.question()
    assert talk.after(WAIT_S - 0.1) is None
    talk.answer()
    assert talk.after(10) is None


def test_a_slow_answer_has_one_and_then_one_now_and_then():
    talk = Talk()
    talk.question(7)
    tone = talk.after(WAIT_S + 0.1)
    assert tone is not None
    assert tone.turn == 7
    assert 0.1 < len(tone.samples) / tone.sample_rate_hz < 0.3
    assert talk.after(AGAIN_S - 0.2) is None
    assert talk.after(0.3) is not None
    talk.answer(7)
    assert talk.after(60) is None


def test_where_answers_of_the_model_were_slow_it_comes_at_once():
    talk = Talk()
    for turn in range(3):
        talk.question(turn)
        talk.pipeline.publish(ReplyUnderWay(turn, 0))
        talk.answer(turn, after=2.0)
    talk.question(3)
    assert talk.after(0.3) is None, "a skill may answer it"
    talk.pipeline.publish(ReplyUnderWay(3, 0))
    assert talk.after(0.1) is not None


def test_quick_answers_are_learnt_too():
    talk = Talk()
    for turn in range(REMEMBERED + 3):
        talk.question(turn)
        talk.pipeline.publish(ReplyUnderWay(turn, 0))
        talk.answer(turn, after=2.0 if turn < 3 else 0.4)
    talk.question(99)
    talk.pipeline.publish(ReplyUnderWay(99, 0))
    assert talk.after(0.5) is None


def moved(back: bool = True, load_s: float = 2.0) -> Movement:
    return Movement("Whisper base", "stt", back, load_s)


def test_behind_the_return_of_a_model_it_comes_at_once():
    talk = Talk()
    talk.tone.model_moved(moved())
    assert talk.after(0.3) is None, "nobody waits yet"
    talk.question()
    assert talk.after(0.2) is not None
    talk.answer(after=1.5)
    talk.question(2)
    assert talk.after(0.2) is None, "it is here by now"


def test_a_skill_does_not_wait_for_a_language_model_that_comes_back():
    talk = Talk()
    talk.tone.model_moved(Movement("qwen3-1.7b", "llm", True, 5.0))
    talk.question()
    assert talk.after(0.2) is None
    talk.asks_model = True
    assert talk.after(0.2) is not None


def test_a_model_that_is_back_sooner_than_the_last_time_is_waited_for_no_longer():
    """The last time its weights were packed besides: 17 s, and now 0.2 s."""
    talk = Talk()
    talk.asks_model = True
    talk.tone.model_moved(Movement("SmolLM2-135M-Instruct", "llm", True, 17.0))
    talk.away.clear()
    talk.question()
    assert talk.after(0.2) is None
    assert talk.after(WAIT_S) is not None, "slow for another reason"


@pytest.mark.parametrize(
    ("movement", "before_s"),
    [(moved(load_s=0.5), 0.0), (moved(back=False), 0.0), (moved(), 1.5)],
    ids=["quick", "it went", "begun while the user spoke"],
)
def test_a_model_that_will_be_here_in_time_has_none(movement: Movement, before_s: float):
    talk = Talk()
    talk.tone.model_moved(movement)
    talk.clock.advance(before_s)
    talk.question()
    assert talk.after(0.2) is None


@pytest.mark.parametrize(
    "over",
    [
        SpeechStarted(2, 0, 0.0),
        Transcript(1, 0, "", 0, "en", final=True),
        EchoDropped(1, "hm"),
        TurnFailed(1, 0, "llm", "broken"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_whoever_does_not_wait_hears_none(over: object):
    talk = Talk()
    talk.question()
    talk.pipeline.publish(over)
    assert talk.after(10) is None


def test_a_pause_that_may_not_be_the_end_starts_no_wait():
    talk = Talk()
    talk.pipeline.publish(Utterance(1, 0, NOTHING, False, talk.clock.monotonic()))  # type: ignore[arg-type]
    assert talk.after(10) is None
    talk.question()
    talk.pipeline.publish(Transcript(1, 0, "what", 0, "en", final=False))
    assert talk.after(WAIT_S + 0.1) is not None
