"""The run loop of a stage: staleness, cancellation, lost turns, crashes."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.messages import (
    Interjection,
    Sentence,
    Speech,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.optimization import InferenceProfiler
from core.pipeline import Part, Pipeline
from core.stage import Span, StageThread, no_span
from core.turn_clock import TurnClock
from core.utils.errors import InferenceError, ModelLoadError, StageCrashedError
from tests.fakes import FakeStage, ListInbox


def transcript(turn: int, revision: int = 0, text: str = "hello") -> Transcript:
    return Transcript(turn, revision, text, len(text), "en", final=True)


def sentence(turn: int, index: int, last: bool = False, revision: int = 0) -> Sentence:
    return Sentence(turn, revision, index, f"sentence {index}", last)


def stage_thread(stage: FakeStage, inbox: ListInbox, clock: TurnClock, room: int = 100) -> tuple[StageThread, list]:
    sent: list = []

    def deliver(message: object, wait_s: float) -> bool:
        if len(sent) >= room:
            return False
        sent.append(message)
        return True

    return StageThread("test", stage, inbox, clock, deliver), sent


class TestStageThread:
    def test_a_stale_message_is_dropped_unseen(self):
        clock = TurnClock()
        old = clock.open()
        clock.open()
        stage = FakeStage(lambda message: iter(()))
        thread, _ = stage_thread(stage, ListInbox([transcript(old)]), clock)
        assert thread.step()
        assert stage.seen == []

    def test_work_under_way_is_closed_when_its_turn_ends(self):
        clock = TurnClock()
        turn = clock.open()
        stage = FakeStage(lambda message: (sentence(turn, index) for index in range(100)))
        thread, sent = stage_thread(stage, ListInbox([transcript(turn)]), clock)
        for _ in range(5):
            thread.step()
        before = len(sent)
        clock.open()
        thread.step()
        assert stage.ended_early == 1
        assert len(sent) == before
        assert not thread.step()

    def test_an_output_waits_for_room_and_is_dropped_when_it_becomes_stale(self):
        clock = TurnClock()
        turn = clock.open()
        stage = FakeStage(lambda message: iter([sentence(turn, 0), sentence(turn, 1)]))
        thread, sent = stage_thread(stage, ListInbox([transcript(turn)]), clock, room=1)
        while len(sent) < 1:
            thread.step()
        for _ in range(5):
            thread.step()
        assert [message.index for message in sent] == [0]
        clock.open()
        thread.step()
        assert not thread.step()
        assert [message.index for message in sent] == [0]

    def test_an_inference_error_loses_the_turn_and_nothing_else(self):
        clock = TurnClock()
        turn = clock.open()

        def answer(message: Transcript):
            if message.text == "bad":
                raise InferenceError("the engine choked on 'bad'; say it otherwise")
            yield sentence(turn, 0)

        stage = FakeStage(answer)
        thread, sent = stage_thread(stage, ListInbox([transcript(turn, text="bad"), transcript(turn)]), clock)
        while thread.step():
            continue
        assert [type(message) for message in sent] == [TurnFailed, Sentence]
        assert "choked" in sent[0].error

    def test_a_lack_of_memory_loses_the_turn_and_nothing_else(self):
        clock = TurnClock()
        turn = clock.open()

        def answer(message: Transcript):
            if message.text == "large":
                raise MemoryError
            yield sentence(turn, 0)

        stage = FakeStage(answer)
        thread, sent = stage_thread(stage, ListInbox([transcript(turn, text="large"), transcript(turn)]), clock)
        while thread.step():
            continue
        assert [type(message) for message in sent] == [TurnFailed, Sentence]
        assert "memory" in sent[0].error

    @pytest.mark.parametrize(
        "early",
        [
            SpeechStarted(1, 0, 0.0),
            SpeechChunk(1, 0, np.zeros(4, np.float32)),
            Interjection(1, np.zeros(4, np.float32), False),
            Utterance(1, 0, np.zeros(4, np.float32), False, 0.0),
            Transcript(1, 0, "what", 0, "en", False),
        ],
        ids=lambda message: type(message).__name__,
    )
    def test_what_fails_while_the_user_speaks_loses_nothing_yet(self, early: object):
        clock = TurnClock()
        clock.open()

        def choke(message: object):
            raise MemoryError
            yield

        thread, sent = stage_thread(FakeStage(choke), ListInbox([early, transcript(1)]), clock)
        while thread.step():
            continue
        assert [failed.prepared for failed in sent] == [True, False], "what it fails on at the end is lost"

    def test_a_lost_turn_is_told_by_who_shows_the_conversation_and_not_by_the_log_too(
        self, caplog: pytest.LogCaptureFixture
    ):
        """Errors of the log come to the terminal, in English."""

        def choke(message: object):
            raise InferenceError("no sound")
            yield

        clock = TurnClock()
        clock.open()
        thread, sent = stage_thread(FakeStage(choke), ListInbox([transcript(1)]), clock)
        while thread.step():
            continue
        assert [failed.error for failed in sent] == ["no sound"]
        assert [record.levelname for record in caplog.records if "lost in" in record.message] == ["WARNING"]

    def test_finish_closes_work_under_way(self):
        clock = TurnClock()
        turn = clock.open()
        stage = FakeStage(lambda message: (sentence(turn, index) for index in range(9)))
        thread, _ = stage_thread(stage, ListInbox([transcript(turn)]), clock)
        thread.step()
        thread.step()
        thread.finish()
        assert stage.ended_early == 1


def make_pipeline(
    source: ListInbox, played: list, clock: TurnClock, span: Span = no_span
) -> tuple[Pipeline, dict[str, FakeStage]]:
    stages = {
        "listen": FakeStage(lambda message: iter([message])),
        "stt": FakeStage(lambda message: iter([transcript(message.turn, message.revision)])),
        "llm": FakeStage(
            lambda m: iter([sentence(m.turn, 0, revision=m.revision), sentence(m.turn, 1, True, m.revision)])
        ),
        "tts": FakeStage(lambda m: iter([Speech(m.turn, m.revision, m.index, None, 16000, last=m.last)])),
        "play": FakeStage(lambda message: iter(played.append(message) or ())),
    }
    parts = [
        Part("listen", stages["listen"], source),
        *(Part(name, stages[name]) for name in ("stt", "llm", "tts", "play")),
    ]
    return Pipeline(parts, clock, span), stages


class TestPipeline:
    def test_a_turn_flows_through_all_stages_and_observers_see_it(self):
        clock, played, seen = TurnClock(), [], []
        source = ListInbox([SpeechStarted(clock.open(), 0, 0.0)])
        pipeline, _ = make_pipeline(source, played, clock)
        for message_type in (SpeechStarted, Transcript, Sentence, Speech):
            pipeline.observe(message_type, lambda message: seen.append(type(message).__name__))
        pipeline.load()
        pipeline.drain()
        pipeline.close()
        assert [message.last for message in played] == [False, True]
        assert seen == ["SpeechStarted", "Transcript", "Sentence", "Speech", "Sentence", "Speech"]

    @given(seed=st.integers(0, 2**32), interrupt_at=st.integers(0, 40))
    def test_in_any_order_nothing_stale_is_played_after_a_barge_in(self, seed: int, interrupt_at: int):
        clock, played = TurnClock(), []
        first = clock.open()
        source = ListInbox([SpeechStarted(first, 0, 0.0)])
        pipeline, _ = make_pipeline(source, played, clock)
        order = random.Random(seed)
        for _ in range(interrupt_at):
            pipeline.step(order)
        second = clock.open()
        heard_before = len(played)
        source.put(SpeechStarted(second, 0, 0.0))
        while pipeline.step(order):
            continue
        after = played[heard_before:]
        assert [(message.turn, message.index) for message in after] == [(second, 0), (second, 1)]

    def test_each_piece_of_a_stage_s_work_is_a_span_of_its_turn(self):
        clock, profiler = TurnClock(), InferenceProfiler()
        turn = clock.open()
        pipeline, _ = make_pipeline(ListInbox([SpeechStarted(turn, 0, 0.0)]), [], clock, profiler.span)
        pipeline.load()
        pipeline.drain()
        pipeline.close()
        times = profiler.turn_record(turn)
        assert times is not None
        assert {span.name for span in times.spans} == {"listen", "stt", "llm", "tts", "play"}
        assert not any(span.failed for span in times.spans)

    def test_threads_do_the_same_and_all_end(self):
        clock, played = TurnClock(), []
        source = ListInbox([SpeechStarted(clock.open(), 0, 0.0)])
        pipeline, stages = make_pipeline(source, played, clock)
        done = threading.Event()
        pipeline.observe(Speech, lambda message: done.set() if message.last else None)
        pipeline.load()
        pipeline.start()
        assert done.wait(5)
        pipeline.close()
        assert all(stage.loaded == 1 and stage.closed == 1 for stage in stages.values())
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("merline-")]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_crashed_stage_stops_all_with_the_original_error(self):
        clock, played = TurnClock(), []
        pipeline, stages = make_pipeline(ListInbox([SpeechStarted(clock.open(), 0, 0.0)]), played, clock)
        stages["llm"]._answer = lambda message: iter([1 // 0])
        pipeline.load()
        pipeline.start()
        with pytest.raises(StageCrashedError, match="llm") as caught:
            pipeline.wait(5)
        pipeline.close()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert all(stage.closed == 1 for stage in stages.values())

    def test_stages_already_loaded_are_closed_when_one_cannot_load(self):
        pipeline, stages = make_pipeline(ListInbox(), [], TurnClock())

        def fail() -> None:
            raise ModelLoadError("no model")

        stages["llm"].load = fail
        with pytest.raises(ModelLoadError):
            pipeline.load()
        assert (stages["listen"].closed, stages["stt"].closed, stages["tts"].closed) == (1, 1, 0)


class TestHeld:
    """What is prepared for words after which the user may go on."""

    def test_only_the_current_revision_is_held_and_until_it_is_released(self) -> None:
        clock = TurnClock()
        turn = clock.open()
        message = SpeechStarted(turn, 0, 0.0)
        assert not clock.is_held(message)
        clock.hold(turn, 0)
        assert clock.is_held(message)
        assert not clock.is_held(SpeechStarted(turn, 1, 0.0))
        assert not clock.is_held(object())
        clock.release(turn, 1)
        assert clock.is_held(message)
        clock.release(turn, 0)
        assert not clock.is_held(message)

    def test_who_goes_on_or_begins_anew_ends_it(self) -> None:
        clock = TurnClock()
        turn = clock.open()
        clock.hold(turn, 0)
        assert clock.revise(turn) == 1
        assert not clock.holds(turn, 1)
        clock.hold(turn, 0)
        assert not clock.holds(turn, 1), "an older revision holds nothing"
        clock.hold(turn, 1)
        after = clock.open()
        assert not clock.holds(after, 0)

    def test_a_stage_that_waits_takes_nothing_of_it_and_the_message_is_not_lost(self) -> None:
        clock = TurnClock()
        turn = clock.open()
        clock.hold(turn, 0)
        stage = FakeStage(lambda message: iter(()))
        thread = StageThread("play", stage, ListInbox([SpeechStarted(turn, 0, 0.0)]), clock, lambda *_: True)
        thread.waits = True
        assert not thread.step()
        assert not thread.step()
        assert stage.seen == []
        clock.release(turn, 0)
        assert thread.step()
        thread.step()
        assert len(stage.seen) == 1

    def test_a_waiting_thread_wakes_when_it_is_released(self) -> None:
        clock = TurnClock()
        turn = clock.open()
        clock.hold(turn, 0)
        seen = threading.Event()

        def sees(message: Any) -> Iterator[Any]:
            seen.set()
            yield from ()

        thread = StageThread("play", FakeStage(sees), ListInbox([SpeechStarted(turn, 0, 0.0)]), clock, lambda *_: True)
        thread.waits = True
        thread.start()
        clock.release(turn, 0)
        assert seen.wait(10)
        thread.stop()
        assert thread.join(10)

    def test_a_message_that_is_superseded_while_it_waits_is_dropped(self) -> None:
        clock = TurnClock()
        turn = clock.open()
        clock.hold(turn, 0)
        stage = FakeStage(lambda message: iter(()))
        inbox = ListInbox([SpeechStarted(turn, 0, 0.0)])
        thread = StageThread("play", stage, inbox, clock, lambda *_: True)
        thread.waits = True
        assert not thread.step()
        clock.revise(turn)
        assert thread.step()
        assert stage.seen == []
