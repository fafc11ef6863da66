"""Who has the floor, and what was just said aloud."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.app.floor import LONGEST_TURN_S, Floor
from core.app.spoken import REMEMBERED_S, SpokenText
from core.messages import DeviceEvent, Heard, PlaybackStarted, Sentence, SpeechStarted, Transcript, Utterance
from core.pipeline import Pipeline
from core.turn_clock import TurnClock
from tests.fakes import VirtualClock


def spoken_and_pipeline(clock: VirtualClock) -> tuple[SpokenText, Pipeline]:
    spoken, pipeline = SpokenText(clock.monotonic), Pipeline([], TurnClock())
    spoken.watch(pipeline)
    return spoken, pipeline


class TestSpokenText:
    def test_only_what_began_to_leave_the_speaker_counts(self):
        spoken, pipeline = spoken_and_pipeline(VirtualClock())
        pipeline.publish(Sentence(1, 0, 0, "It is noon.", False))
        pipeline.publish(Sentence(1, 0, 1, "Lunch is ready.", True))
        assert spoken() == ""
        pipeline.publish(Heard(1, 0, 0, 0))
        assert spoken() == ""
        pipeline.publish(Heard(1, 0, 0, 2))
        assert spoken() == "It is noon."
        pipeline.publish(Heard(1, 0, 1, 5))
        assert spoken() == "It is noon. Lunch is ready."

    def test_it_is_forgotten_after_a_while(self):
        clock = VirtualClock()
        spoken, pipeline = spoken_and_pipeline(clock)
        pipeline.publish(Sentence(1, 0, 0, "It is noon.", True))
        pipeline.publish(Heard(1, 0, 0, 11, finished=True))
        clock.advance(REMEMBERED_S + 1)
        assert spoken() == ""
        pipeline.publish(Sentence(2, 0, 0, "Next.", True))
        assert len(spoken._sentences) == 1


class TestFloor:
    def make(self) -> tuple[Floor, Pipeline, TurnClock, VirtualClock]:
        clock, turns = VirtualClock(), TurnClock()
        floor, pipeline = Floor(turns, clock.monotonic), Pipeline([], turns)
        floor.watch(pipeline)
        return floor, pipeline, turns, clock

    def test_there_is_a_gap_when_nobody_has_spoken(self):
        floor, _, turns, _ = self.make()
        assert floor.gap() == turns.current

    def test_there_is_none_from_speech_until_the_reply_is_heard(self):
        floor, pipeline, turns, _ = self.make()
        turn = turns.open()
        pipeline.publish(SpeechStarted(turn, 0, 0.0))
        assert floor.gap() is None
        pipeline.publish(Transcript(turn, 0, "hello", 5, "en", final=True))
        pipeline.publish(Heard(turn, 0, 0, 3))
        assert floor.gap() is None
        pipeline.publish(Heard(turn, 0, 0, 5, finished=True))
        assert floor.gap() == turn

    def test_speech_that_was_none_gives_the_floor_back(self):
        floor, pipeline, turns, _ = self.make()
        turn = turns.open()
        pipeline.publish(SpeechStarted(turn, 0, 0.0))
        pipeline.publish(Transcript(turn, 0, "", 0, "en", final=True))
        assert floor.gap() == turn

    @pytest.mark.parametrize(
        "event", [("input", "silent"), ("input", "lost"), ("output", "changed"), ("output", "lost")]
    )
    def test_a_device_that_goes_takes_no_answer_away_that_is_being_thought_of(self, event: tuple[Any, Any]):
        floor, pipeline, turns, _ = self.make()
        turn = turns.open()
        pipeline.publish(SpeechStarted(turn, 0, 0.0))
        pipeline.publish(Utterance(turn, 0, np.zeros(160, np.float32), True, 0.0))
        pipeline.publish(DeviceEvent(*event, "default"))
        assert floor.gap() is None, "the announcement would take the answer's place"

    def test_who_spoke_into_a_microphone_that_went_holds_the_floor_no_longer(self):
        floor, pipeline, turns, _ = self.make()
        turn = turns.open()
        pipeline.publish(SpeechStarted(turn, 0, 0.0))
        pipeline.publish(DeviceEvent("input", "lost", "default"))
        assert floor.gap() == turn

    def test_a_reply_that_sounded_on_a_speaker_that_went_holds_it_no_longer(self):
        floor, pipeline, turns, _ = self.make()
        turn = turns.open()
        pipeline.publish(Sentence(turn, 0, 0, "It is noon.", True))
        pipeline.publish(PlaybackStarted(turn, 0, 0.0))
        pipeline.publish(DeviceEvent("output", "lost", "default"))
        assert floor.gap() == turn

    def test_an_announcement_never_waits_for_ever(self):
        floor, pipeline, turns, clock = self.make()
        pipeline.publish(SpeechStarted(turns.open(), 0, 0.0))
        clock.advance(LONGEST_TURN_S + 1)
        assert floor.gap() is not None
