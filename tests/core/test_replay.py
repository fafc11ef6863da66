"""The clock of a recording that is worked through, and what `replay` says of a turn that came out otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.app.brain import Brain
from core.app.cli import parse
from core.app.hearing_again import StillClock
from core.app.recorded_turn import RecordedTurn, Step, write_turn
from core.app.replay import ReplayClock, run
from core.turns import Timings, TurnRecord
from core.utils.config import Config, LlmConfig
from llm.conversation import Exchange


class WorkClock:
    """Time passes by `work`."""

    def __init__(self) -> None:
        self.worked_s = 100.0

    def monotonic(self) -> float:
        return self.worked_s

    def now(self) -> datetime:
        return datetime(2026, 11, 27)

    def work(self, seconds: float) -> None:
        self.worked_s += seconds


def test_work_in_a_pause_is_late_until_the_recording_has_caught_up():
    work = WorkClock()
    clock = ReplayClock(work)
    clock.frame_ended(101.0)
    work.work(5.0)
    clock.frame_ended(101.02)
    assert clock.monotonic() == pytest.approx(106.0), "five seconds of thinking were forgotten at the next frame"
    clock.frame_ended(108.0)
    work.work(0.01)
    assert clock.monotonic() == pytest.approx(108.01)


def test_loading_the_engines_is_no_part_of_the_wait():
    work = WorkClock()
    clock = ReplayClock(work)
    work.work(30.0)
    clock.frame_ended(100.02)
    assert clock.monotonic() == pytest.approx(100.02)


@pytest.fixture
def unplanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is to be computed, and a process has one plan."""
    monkeypatch.setattr(
        "core.app.replay.make_plan", lambda config: SimpleNamespace(stt=None, llm=SimpleNamespace(engine="skills"))
    )
    monkeypatch.setattr("core.app.replay.apply_plan", lambda config, plan: None)


@pytest.mark.usefixtures("unplanned")
@pytest.mark.parametrize(
    ("then", "written", "words", "settings", "hinted"),
    [
        ("ReplyUnderWay", "By a model.", "what is it", [], True),
        ("ReplyUnderWay", "", "what is it", [], False),
        ("Heard", "By a model.", "what is it", [], False),
        ("ReplyUnderWay", "By a model.", "what it is", [], False),
        ("ReplyUnderWay", "By a model.", "what is it", ["llm.temperature=0"], False),
    ],
    ids=["a model answered", "now only skills", "then only skills", "other words were heard", "nothing is drawn"],
)
def test_only_where_a_model_worded_the_same_question_anew_is_that_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    then: str,
    written: str,
    words: str,
    settings: list[str],
    hinted: bool,
) -> None:
    """The skills answer a follow-up otherwise than then, too, where what it goes on from is not known."""

    def answered(config: Config, turn: RecordedTurn, brain: Brain, clock: StillClock, plan: object = None) -> Any:
        brain.conversation.add(Exchange(1, words, ("Other words.",), "en", written=written))
        return SimpleNamespace(record=TurnRecord(1, words, "en", "words", 1.0, "Other words.", Timings()))

    monkeypatch.setattr("core.app.replay.answer_again", answered)
    config = Config(llm=LlmConfig(engine="skills", temperature=0.7))
    moment = datetime(2026, 11, 28, tzinfo=UTC)
    turn = RecordedTurn(
        3, moment, "en", "what is it", "Words.", config.model_dump(mode="json"), ({"type": then},), began_at=moment
    )
    write_turn(tmp_path / "turn.zip", replace(turn, messages=(*turn.messages, {"type": "Sentence", "last": True})))
    arguments = ["replay", str(tmp_path / "turn.zip"), *(part for setting in settings for part in ("--set", setting))]
    assert run(parse(arguments), Config()) == 1
    assert ("words its replies anew" in capsys.readouterr().err) is hinted


@pytest.mark.usefixtures("unplanned")
@pytest.mark.parametrize(
    ("last", "replied", "code"), [(False, "One. Two.", 0), (True, "One. Two.", 1), (False, "Two.", 1)]
)
def test_a_reply_that_was_broken_off_is_the_same_as_far_as_it_had_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bool, replied: str, code: int
) -> None:
    def answered(*_: object) -> Any:
        return SimpleNamespace(record=TurnRecord(1, "count", "en", "words", 1.0, replied, Timings()))

    monkeypatch.setattr("core.app.replay.answer_again", answered)
    messages = ({"type": "Sentence", "s": 1.0, "text": "One.", "last": last},)
    settings = Config(llm=LlmConfig(engine="skills")).model_dump(mode="json")
    turn = RecordedTurn(3, datetime(2026, 11, 28, tzinfo=UTC), "en", "count", "One.", settings, messages)
    write_turn(tmp_path / "turn.zip", turn)
    assert run(parse(["replay", str(tmp_path / "turn.zip"), "--json"]), Config()) == code


@pytest.mark.usefixtures("unplanned")
def test_a_file_that_does_not_tell_what_was_heard_says_that_its_words_may_be_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So do settings that act before the recogniser."""
    heard: list[int] = []

    def answered(config: Config, turn: RecordedTurn, *_: object) -> None:
        heard.append(len(turn.steps))

    monkeypatch.setattr("core.app.replay.answer_again", answered)
    settings = Config(llm=LlmConfig(engine="skills")).model_dump(mode="json")
    turn = RecordedTurn(3, datetime(2026, 11, 28, tzinfo=UTC), "en", "", "", settings, ())
    write_turn(tmp_path / "old.zip", turn)
    write_turn(tmp_path / "new.zip", replace(turn, steps=(Step("SpeechStarted", 0, 0.0),)))
    told = []
    for name, *changes in (("old",), ("new",), ("new", "--set", "vad.threshold=0.6"), ("new", "--set", "stt.model=x")):
        run(parse(["replay", str(tmp_path / f"{name}.zip"), *changes]), Config())
        told.append("its words may be others" in capsys.readouterr().err)
    assert told == [True, False, True, False]
    assert heard == [0, 1, 0, 1]
