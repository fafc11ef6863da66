"""Any order of turn, revision, cancel, announcement, speech and hearing: nothing stale is heard, nothing is lost.

Clock, pipeline, its threads' steps and player are the real ones; what hears, answers and speaks is scripted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audio.player import Player
from core.messages import (
    Heard,
    Mark,
    PlaybackStarted,
    Sentence,
    Speech,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.pipeline import QUEUE_SIZES, Part, Pipeline
from core.turn_clock import TurnClock
from core.utils.errors import InferenceError
from tests.dialogue.rig import RATE_HZ, TICK_S, Speaker
from tests.fakes import FakeStage
from tests.llm.skill_rig import ZoneClock

REPLIES = (("Yes.",), ("One moment.", "It is noon."), ("A", "B", "C and a longer end"))


def hears(message: Any) -> Iterator[Transcript]:
    if isinstance(message, Utterance):
        yield Transcript(message.turn, message.revision, "words", 5, "en", message.final)


def answers(message: Any) -> Iterator[Sentence]:
    if isinstance(message, TurnFailed):
        if not message.silent:
            yield Sentence(message.turn, message.revision, 0, "Sorry.", True)
        return
    if message.final:
        reply = REPLIES[message.turn % len(REPLIES)]
        for index, text in enumerate(reply):
            yield Sentence(message.turn, message.revision, index, text, index == len(reply) - 1)


def speaks(sentence: Sentence) -> Iterator[Speech]:
    count = len(sentence.text) * RATE_HZ // 20
    for half in (0, 1):
        marks = (Mark(count // 2 - 1, len(sentence.text) if half else len(sentence.text) // 2),)
        sound = np.full(count // 2, 0.1, np.float32)
        last = sentence.last and bool(half)
        yield Speech(sentence.turn, sentence.revision, sentence.index, sound, RATE_HZ, marks, bool(half), last)


class TurnMachine(RuleBasedStateMachine):
    """The model is three facts: which turn and revision are current, whether they have ended, and whether asked."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.clock, self.now = TurnClock(), ZoneClock()
        self.speaker = Speaker(self.now)
        self.player = Player(self.speaker, self.now)
        self.ear = FakeStage(self.hear)
        parts = [
            Part("stt", self.ear),
            Part("llm", FakeStage(answers)),
            Part("tts", FakeStage(speaks)),
            Part("play", self.player),
        ]
        self.pipeline = Pipeline(parts, self.clock)
        self.order = random.Random(seed)
        self.turn = self.revision = 0
        self.ended, self.asked, self.failing = True, False, False
        self.finished: set[int] = set()
        self.begun_at = 0
        """what the speaker had played when the turn was opened"""
        self.sentences: dict[tuple[int, int], int] = {}
        self.characters: dict[int, tuple[int, int]] = {}
        self.pipeline.observe(Transcript, self.understood)
        self.pipeline.observe(Sentence, self.sentence)
        self.pipeline.observe(PlaybackStarted, self.played)
        self.pipeline.observe(Heard, self.heard)
        self.pipeline.load()

    def hear(self, message: Any) -> Iterator[Transcript]:
        if self.failing and isinstance(message, Utterance) and message.final:
            self.failing = False
            raise InferenceError("lost")
        yield from hears(message)

    def send(self, message: Any) -> None:
        """As a stage does: wait for room."""
        while not self.pipeline._deliver(message, 0.0):
            assert self.pipeline.step(self.order)

    def understood(self, message: Transcript) -> None:
        assert (message.turn, message.revision, self.ended) == (self.turn, self.revision, False)

    def sentence(self, sentence: Sentence) -> None:
        key = (sentence.turn, sentence.revision)
        self.sentences[key] = self.sentences.get(key, 0) + sentence.last

    def played(self, message: PlaybackStarted) -> None:
        assert (message.turn, message.revision, self.ended) == (self.turn, self.revision, False)

    def heard(self, message: Heard) -> None:
        assert (message.turn, message.revision, self.ended) == (self.turn, self.revision, False)
        assert message.turn not in self.finished
        before = self.characters.get(message.turn, (0, 0))
        assert (message.index, message.characters) >= before
        # what was heard has left the speaker: two halves of a sentence, a mark at the end of each
        played = self.speaker._played - self.begun_at
        assert message.index or played >= message.characters * RATE_HZ // 20 - 2
        self.characters[message.turn] = (message.index, message.characters)
        if message.finished:
            self.finished.add(message.turn)

    @rule()
    def the_user_begins_to_speak(self) -> None:
        assert self.clock.open() == self.turn + 1
        self.turn, self.revision, self.ended, self.asked = self.turn + 1, 0, False, False
        self.pipeline.publish(SpeechStarted(self.turn, 0, self.now.monotonic()))
        self.player.silence()
        assert self.speaker.queued == 0
        self.begun_at = self.speaker._played

    @precondition(lambda self: not self.ended and not self.asked)
    @rule(final=st.booleans(), failing=st.booleans())
    def the_user_pauses(self, final: bool, failing: bool) -> None:
        self.failing = final and failing
        self.asked = final
        samples = np.zeros(16, np.float32)
        message = Utterance(self.turn, self.revision, samples, final, self.now.monotonic())
        self.send(message)

    @precondition(lambda self: not self.asked)
    @rule()
    def the_user_goes_on(self) -> None:
        revised = self.clock.revise(self.turn)
        if self.ended:
            assert revised is None
        else:
            self.revision += 1
            assert revised == self.revision

    @precondition(lambda self: not self.ended and not self.asked)
    @rule(steps=st.integers(0, 4))
    def the_user_pauses_and_goes_on_while_the_words_are_on_their_way(self, steps: int) -> None:
        self.the_user_pauses(False, False)
        self.steps(steps)
        self.the_user_goes_on()

    @rule(failing=st.booleans(), steps=st.integers(0, 40))
    def the_user_asks_something(self, failing: bool, steps: int) -> None:
        self.the_user_begins_to_speak()
        self.the_user_pauses(True, failing)
        self.steps(steps)

    def steps(self, count: int) -> None:
        """So far the stages get."""
        for _ in range(count):
            self.pipeline.step(self.order)

    @rule(stale=st.booleans())
    def the_turn_is_cancelled(self, stale: bool) -> None:
        if stale:
            assert not self.clock.cancel(self.turn - 1)
            return
        assert self.clock.cancel(self.turn) is not self.ended
        self.ended = True

    @rule()
    def something_is_announced(self) -> None:
        assert self.clock.open_after(self.turn + 1) is None
        assert self.clock.open_after(self.turn) == self.turn + 1
        self.turn, self.revision, self.ended, self.asked = self.turn + 1, 0, False, True
        self.begun_at = self.speaker._played
        self.send(Sentence(self.turn, 0, 0, "Ding.", True))

    @rule(ticks=st.integers(1, 60), steps=st.integers(1, 12))
    def time_passes(self, ticks: int, steps: int) -> None:
        for _ in range(ticks):
            self.now.advance(TICK_S)
            self.speaker.tick()
            for _ in range(steps):
                if not self.pipeline.step(self.order):
                    break

    @invariant()
    def every_reply_ends_once_and_queues_are_bounded(self) -> None:
        if not hasattr(self, "pipeline"):
            return
        assert all(count <= 1 for count in self.sentences.values())
        assert all(size <= QUEUE_SIZES[name] for name, size in self.pipeline.queue_sizes().items())
        assert (self.clock.current, self.clock.revision) == (self.turn, self.revision)

    def teardown(self) -> None:
        if not hasattr(self, "pipeline"):
            return
        self.time_passes(200, 12)
        if self.asked and not self.ended:
            assert self.turn in self.finished
        assert not any(self.pipeline.queue_sizes().values())
        self.pipeline.close()
        assert self.ear.closed == 1


TurnMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None, derandomize=True)
TestTurns = TurnMachine.TestCase
