"""An engine is exchanged between two turns, never within one: no turn is lost, none answered twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from core.messages import Interjection, InterjectionHeard, SpeechChunk, SpeechStarted, Transcript, TurnFailed, Utterance
from core.pipeline import Part, Pipeline
from core.turn_clock import TurnClock
from core.utils.errors import InferenceError
from stt.switching import SwitchingTranscriber
from tests.fakes import FakeStage, ListInbox

SILENCE = np.zeros(512, np.float32)


class Engine(FakeStage):
    """Says its name and what it heard of the turn; `fail_at` are turns it loses."""

    def __init__(self, name: str, fail_at: frozenset[int] = frozenset()) -> None:
        super().__init__(self._transcribe)
        self.engine_name = name
        self.words = 0
        self._fail_at = fail_at

    def load_words(self, wait: bool = False) -> None:
        self.words += 1

    def turns(self) -> list[int]:
        return sorted({message.turn for message in self.seen})

    def _transcribe(self, message: Any) -> Iterator[Transcript]:
        if not isinstance(message, Utterance):
            return
        if message.turn in self._fail_at:
            raise InferenceError("choked")
        heard = sum(isinstance(one, SpeechChunk) and one.turn == message.turn for one in self.seen)
        text = f"{heard} chunks"
        yield Transcript(message.turn, message.revision, text, 0, "en", message.final, 1.0, True, self.engine_name)


class Rig:
    """The stage in a pipeline of its own, stepped by hand."""

    def __init__(self, fail_at: frozenset[int] = frozenset()) -> None:
        self.old, self.new = Engine("old", fail_at), Engine("new")
        self.stage = SwitchingTranscriber(self.old)
        self.turns = TurnClock()
        self.inbox = ListInbox()
        self.heard: list[Transcript] = []
        self.failed: list[TurnFailed] = []
        self.pipeline = Pipeline([Part("stt", self.stage, self.inbox)], self.turns)
        self.pipeline.observe(Transcript, self.heard.append)
        self.pipeline.observe(TurnFailed, self.failed.append)
        self.pipeline.load()

    def begin(self, turn: int | None = None, revision: int = 0, chunks: int = 2) -> int:
        turn = self.turns.open() if turn is None else turn
        self.inbox.put(SpeechStarted(turn, revision, 0.0))
        for _ in range(chunks):
            self.inbox.put(SpeechChunk(turn, revision, SILENCE))
        self.pipeline.drain()
        return turn

    def end(self, turn: int, revision: int = 0, final: bool = True) -> None:
        self.inbox.put(Utterance(turn, revision, SILENCE, final, 0.0))
        self.pipeline.drain()

    def told(self) -> list[tuple[int, str, str, bool]]:
        return [(one.turn, one.source, one.text, one.final) for one in self.heard]


def test_between_two_turns_at_once():
    rig = Rig()
    rig.end(rig.begin())
    assert rig.stage.engine_name == "old"
    assert rig.stage.offer(rig.new)
    assert rig.stage.engine_name == "new"
    assert rig.old.closed == 0, "closing may take a while and is not done under way"
    assert rig.stage.close_retired()
    assert (rig.old.closed, rig.stage.close_retired()) == (1, False)
    rig.end(rig.begin())
    assert rig.told() == [(1, "old", "2 chunks", True), (2, "new", "2 chunks", True)]
    rig.stage.close()
    assert (rig.old.closed, rig.new.closed, rig.new.loaded) == (1, 1, 0)


def test_a_turn_under_way_stays_with_its_engine_through_every_revision():
    rig = Rig()
    turn = rig.begin()
    rig.stage.offer(rig.new)
    rig.end(turn, final=False)
    revision = rig.turns.revise(turn)
    assert revision == 1
    rig.begin(turn, revision, chunks=1)
    rig.end(turn, revision, final=False)
    assert (rig.stage.engine_name, rig.stage.close_retired()) == ("old", False)
    rig.end(turn, revision)
    assert (rig.stage.engine_name, rig.new.seen) == ("new", [])
    rig.end(rig.begin())
    assert rig.told() == [
        (1, "old", "2 chunks", False),
        (1, "old", "3 chunks", False),
        (1, "old", "3 chunks", True),
        (2, "new", "2 chunks", True),
    ]


def test_a_barge_in_is_heard_by_the_new_engine_from_its_first_message():
    rig = Rig()
    first = rig.begin()
    rig.stage.offer(rig.new)
    second = rig.begin()
    assert rig.stage.engine_name == "new"
    rig.end(second)
    assert rig.told() == [(second, "new", "2 chunks", True)]
    assert (rig.old.turns(), rig.new.turns()) == ([first], [second])


def test_a_final_utterance_cut_off_while_it_is_answered_ends_its_turn():
    rig = Rig()
    turn = rig.begin()
    rig.inbox.put(Utterance(turn, 0, SILENCE, True, 0.0))
    assert rig.pipeline.step(), "the utterance is taken in"
    assert rig.pipeline.step(), "and answered, but the answer not yet handed on"
    rig.stage.offer(rig.new)
    assert rig.stage.engine_name == "old"
    rig.turns.open()
    rig.pipeline.drain()
    assert (rig.old.ended_early, rig.told(), rig.stage.engine_name) == (1, [], "new")


def test_a_lost_turn_ends_it_too():
    rig = Rig(fail_at=frozenset({1}))
    turn = rig.begin()
    rig.stage.offer(rig.new)
    rig.end(turn)
    assert [failed.turn for failed in rig.failed] == [1]
    assert rig.stage.engine_name == "new"


def test_a_turn_that_never_ended_gives_way_to_the_next():
    rig = Rig()
    rig.turns.cancel(rig.begin())
    rig.stage.offer(rig.new)
    assert rig.stage.engine_name == "old"
    rig.end(rig.begin())
    assert rig.told() == [(2, "new", "2 chunks", True)]


def test_a_better_offer_before_the_first_was_taken():
    rig = Rig()
    turn, better = rig.begin(), Engine("better")
    rig.stage.offer(rig.new)
    rig.stage.offer(better)
    assert (rig.stage.close_retired(), rig.new.closed) == (False, 1), "one is closed unused, and none was taken"
    rig.end(turn)
    assert rig.stage.engine_name == "better"
    assert rig.stage.close_retired()
    assert (rig.old.closed, rig.new.closed, better.closed) == (1, 1, 0)


@pytest.mark.parametrize("in_turn", [True, False])
def test_everything_is_closed_once_at_the_end(in_turn: bool):
    rig = Rig()
    if in_turn:
        rig.begin()
    rig.stage.offer(rig.new)
    rig.pipeline.close()
    assert (rig.old.closed, rig.new.closed) == (1, 1)
    late = Engine("late")
    assert not rig.stage.offer(late)
    assert late.closed == 0, "refused: still its owner's to close"


def test_what_the_present_engine_says_of_itself_is_passed_on():
    rig = Rig()
    rig.old.fallback_reason = "no card"  # type: ignore[attr-defined]
    rig.stage.load_words()
    assert (rig.old.loaded, rig.old.words, rig.stage.fallback_reason) == (1, 1, "no card")
    rig.stage.offer(rig.new)
    rig.stage.load_words()
    assert (rig.new.words, rig.stage.fallback_reason) == (1, "")


@pytest.mark.parametrize("seed", range(20))
def test_whenever_it_is_offered_each_turn_is_heard_whole_by_one_engine(seed: int):
    order, rig = random.Random(seed), Rig()
    steps = [(turn, piece) for turn in range(1, 7) for piece in range(4)]
    offered_at = order.randrange(len(steps))
    for number, (turn, piece) in enumerate(steps):
        if number == offered_at:
            rig.stage.offer(rig.new)
        match piece:
            case 0:
                assert rig.begin(chunks=0) == turn
            case 3:
                rig.end(turn)
            case _:
                rig.inbox.put(SpeechChunk(turn, 0, SILENCE))
                rig.pipeline.drain()
    assert [(turn, text) for turn, _, text, _ in rig.told()] == [(turn, "2 chunks") for turn in range(1, 7)]
    assert set(rig.old.turns()).isdisjoint(rig.new.turns())
    sources = [source for _, source, _, _ in rig.told()]
    assert sources == sorted(sources, reverse=True), "old ones, then new ones"


def test_offered_from_another_thread_while_turns_run_on():
    rig = Rig()
    begun = threading.Event()

    def offer() -> None:
        begun.wait(10)
        rig.stage.offer(rig.new)

    thread = threading.Thread(target=offer)
    thread.start()
    for number in range(200):
        if number == 50:
            begun.set()
        if number == 150:
            thread.join(10)
        rig.end(rig.begin())
    assert [(turn, text) for turn, _, text, _ in rig.told()] == [(turn, "2 chunks") for turn in range(1, 201)]
    assert set(rig.old.turns()).isdisjoint(rig.new.turns())
    assert rig.new.turns()[-1] == 200


def test_an_interjection_is_heard_by_one_engine_to_its_end() -> None:
    inside: list[bool] = []

    def answer(message: Any) -> Iterator[InterjectionHeard]:
        inside.append(stage.offer(Engine("new")))
        assert stage.engine_name == "old", "it is not exchanged under what it hears"
        yield InterjectionHeard(message.number, "mhm", "en")

    old = FakeStage(answer)
    old.engine_name = "old"  # type: ignore[attr-defined]
    stage = SwitchingTranscriber(old)
    assert list(stage.process(Interjection(1, SILENCE))) == [InterjectionHeard(1, "mhm", "en")]
    assert inside == [True]
    assert stage.engine_name == "new"
