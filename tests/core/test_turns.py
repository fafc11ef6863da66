"""The record of a turn adds up, whatever order its messages end in."""

from __future__ import annotations

import pytest

from core.messages import (
    Heard,
    PlaybackStarted,
    ReplyUnderWay,
    Sentence,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.turns import TurnRecord, TurnRecorder
from core.utils.waterfall import Waterfall
from tests.fakes import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def records() -> list[TurnRecord]:
    return []


@pytest.fixture
def recorder(clock: VirtualClock, records: list[TurnRecord]) -> TurnRecorder:
    return TurnRecorder(clock.monotonic, records.append)


def speak(recorder: TurnRecorder, clock: VirtualClock, turn: int, text: str = "hello") -> None:
    recorder.note(SpeechStarted(turn, 0, clock.monotonic()))
    clock.advance(1.0)
    ended = clock.monotonic()
    clock.advance(0.35)
    recorder.note(Utterance(turn, 0, None, True, ended))  # type: ignore[arg-type]
    clock.advance(0.01)
    recorder.note(Transcript(turn, 0, text, len(text), "en", final=True))


def test_the_stages_add_up_to_the_total(recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord]):
    speak(recorder, clock, 1)
    clock.advance(0.002)
    recorder.note(Sentence(1, 0, 0, "Hi.", True))
    recorder.note(PlaybackStarted(1, 0, clock.monotonic() + 0.08))
    recorder.note(Heard(1, 0, 0, 3))
    assert records == []
    recorder.note(Heard(1, 0, 0, 3, finished=True))
    timings = records[0].timings_ms
    assert (timings.speech, timings.endpoint, timings.stt) == pytest.approx((1000, 350, 10))
    assert timings.total == pytest.approx(442)
    parts = (timings.endpoint, timings.stt, timings.first_token, timings.first_audio)
    assert sum(part or 0.0 for part in parts) == pytest.approx(timings.total)


def test_a_prepared_reply_whose_words_are_told_of_after_its_first_sound_has_no_part_below_nothing(
    recorder: TurnRecorder, clock: VirtualClock
):
    """Both go on at once when the last words are there, on threads of their own."""
    speak(recorder, clock, 1)
    clock.advance(0.02)
    recorder.note(PlaybackStarted(1, 0, clock.monotonic() - 0.003))
    recorder.note(Sentence(1, 0, 0, "Hi.", True))
    recorder.note(Heard(1, 0, 0, 3, finished=True))
    timings, waterfall = recorder.records[0].timings_ms, recorder.records[0].waterfall_ms
    assert (timings.first_token, timings.first_audio) == pytest.approx((17, 0))
    assert (waterfall.first_clause, waterfall.first_audio) == pytest.approx((17, 0))
    assert timings.total == waterfall.waited == pytest.approx(377)


def test_an_interrupted_turn_is_told_of_when_the_next_one_begins(
    recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord]
):
    speak(recorder, clock, 1)
    recorder.note(Sentence(1, 0, 0, "A long story.", True))
    recorder.note(PlaybackStarted(1, 0, clock.monotonic() + 0.1))
    clock.advance(0.6)
    recorder.note(Heard(1, 0, 0, 6))
    assert records == []
    recorder.note(SpeechStarted(2, 0, clock.monotonic()))
    recorder.note(Sentence(1, 0, 1, "Too late.", True))
    recorder.note(SpeechStarted(3, 0, clock.monotonic()))
    assert [(record.turn, record.reply) for record in records] == [(1, "A long story.")]
    assert records == list(recorder.records)
    assert records[0].waterfall_ms.heard == pytest.approx(500)


def test_a_turn_that_the_end_of_the_conversation_cut_off_is_told_of_once(
    recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord]
):
    speak(recorder, clock, 1)
    recorder.close()
    recorder.close()
    assert [(record.turn, record.transcript) for record in records] == [(1, "hello")]


def test_words_that_were_gone_on_with_are_no_turn_of_their_own(
    recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord]
):
    speak(recorder, clock, 1, "what time is it")
    recorder.note(Sentence(1, 0, 0, "It is noon.", True))
    recorder.note(SpeechStarted(2, 0, clock.monotonic(), supersedes=1))
    assert list(recorder.records) == records == []


@pytest.mark.parametrize("text", [None, ""])
def test_speech_that_was_none_leaves_no_record(
    recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord], text: str | None
):
    recorder.note(SpeechStarted(1, 0, clock.monotonic()))
    if text is not None:
        recorder.note(Transcript(1, 0, text, len(text), "en", final=True))
    recorder.note(SpeechStarted(2, 0, clock.monotonic()))
    assert records == []


def test_a_turn_lost_before_the_speaker_is_recorded(
    recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord]
):
    speak(recorder, clock, 1)
    recorder.note(TurnFailed(1, 0, "tts", "no voice"))
    assert records[0].timings_ms.total is None
    assert "endpoint 350" in records[0].line()


def test_a_language_model_s_turn_falls_into_its_parts(
    recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord]
):
    speak(recorder, clock, 1)
    recorder.note(ReplyUnderWay(1, 0))
    clock.advance(0.3)
    recorder.note(ReplyUnderWay(1, 0, prefill_s=0.25))
    clock.advance(0.2)
    recorder.note(ReplyUnderWay(1, 0, prefill_s=0.25))
    recorder.note(Sentence(1, 0, 0, "Hi.", True))
    recorder.note(PlaybackStarted(1, 0, clock.monotonic() + 0.1))
    clock.advance(1.1)
    recorder.note(Heard(1, 0, 0, 3, finished=True))
    waterfall = records[0].waterfall_ms
    assert waterfall == Waterfall(1000.0, 350.0, 10.0, 250.0, 50.0, 200.0, 100.0, 1000.0)
    assert waterfall.waited == records[0].timings_ms.total


def test_a_turn_without_a_model_has_no_such_parts_and_still_adds_up(
    recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord]
):
    speak(recorder, clock, 1)
    recorder.note(Sentence(1, 0, 0, "Hi.", True))
    recorder.note(PlaybackStarted(1, 0, clock.monotonic() + 0.1))
    clock.advance(0.5)
    recorder.note(Heard(1, 0, 0, 1))
    recorder.note(SpeechStarted(2, 0, clock.monotonic()))
    waterfall = recorder.records[0].waterfall_ms
    assert (waterfall.prefill, waterfall.first_token) == (None, None)
    assert waterfall.heard == 400.0
    assert waterfall.waited == recorder.records[0].timings_ms.total


def test_the_stage_that_lost_a_turn_is_named(recorder: TurnRecorder, clock: VirtualClock, records: list[TurnRecord]):
    speak(recorder, clock, 1)
    recorder.note(TurnFailed(1, 0, "tts", "no voice"))
    assert records[0].failed == "tts"
