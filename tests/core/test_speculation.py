"""What is prepared in a pause: who hears of it and when, and what it costs."""

from __future__ import annotations

import gc
import time

from core.app.speculation import ALLOWED_S, MOST, Account, Speculation
from core.messages import ReplyUnderWay, Sentence, SpeechStarted, Transcript, TurnFailed
from core.optimization.spans import Span
from core.pipeline import Part, Pipeline
from core.stage import no_span
from core.turn_clock import TurnClock
from tests.fakes import FakeStage, ListInbox


def transcript(turn: int, revision: int, text: str = "hello") -> Transcript:
    return Transcript(turn, revision, text, len(text), "en", True)


class Desk:
    """A pipeline of one stage that tells what it is given, and what its observers have seen."""

    def __init__(self) -> None:
        self.clock = TurnClock()
        self.inbox = ListInbox()
        self.pipeline = Pipeline([Part("any", FakeStage(lambda message: iter([message])), self.inbox)], self.clock)
        self.seen: list[object] = []
        for message_type in (Sentence, ReplyUnderWay, TurnFailed, Transcript):
            self.pipeline.observe(message_type, self.seen.append)
        self.turn = self.clock.open()
        self.clock.hold(self.turn, 0)

    def send(self, *messages: object) -> list[object]:
        before = len(self.seen)
        for message in messages:
            self.inbox.put(message)
        self.pipeline.drain()
        return self.seen[before:]


class TestTelling:
    def test_a_held_reply_is_told_of_once_the_last_words_are_there_and_in_order(self) -> None:
        desk = Desk()
        prepared = [ReplyUnderWay(1, 0), Sentence(1, 0, 0, "Hello.", False)]
        assert desk.send(*prepared) == []
        final = transcript(1, 0)
        assert desk.send(final) == [final, *prepared]
        assert desk.send(Sentence(1, 0, 1, "You.", True)) == [Sentence(1, 0, 1, "You.", True)]

    def test_one_that_is_superseded_is_never_told_of(self) -> None:
        desk = Desk()
        desk.send(Sentence(1, 0, 0, "Hello.", True))
        desk.clock.revise(1)
        desk.clock.hold(1, 1)
        again = Sentence(1, 1, 0, "Hello again.", True)
        desk.send(again)
        final = transcript(1, 1)
        assert desk.send(final) == [final, again]

    def test_last_words_that_are_none_end_the_turn_and_what_was_prepared(self) -> None:
        desk = Desk()
        desk.send(Sentence(1, 0, 0, "Hello.", True))
        nothing = transcript(1, 0, "")
        assert desk.send(nothing) == [nothing]
        assert desk.clock.is_stale(nothing)

    def test_words_that_are_lost_release_the_apology(self) -> None:
        desk = Desk()
        lost, sorry = TurnFailed(1, 0, "stt", "no ears"), Sentence(1, 0, 0, "Sorry.", True)
        assert desk.send(lost, sorry) == [lost, sorry]

    def test_a_preparation_that_is_lost_is_not_told_of(self) -> None:
        desk = Desk()
        assert desk.send(TurnFailed(1, 0, "tts", "no voice")) == []
        final = transcript(1, 0)
        assert desk.send(final, TurnFailed(1, 0, "tts", "no voice")) == [final, TurnFailed(1, 0, "tts", "no voice")]

    def test_what_was_prepared_of_a_reply_that_is_tried_again_is_not_told_twice(self) -> None:
        desk = Desk()
        desk.send(Sentence(1, 0, 0, "Hello.", True))
        desk.send(TurnFailed(1, 0, "tts", "no voice"))
        final, again = transcript(1, 0), Sentence(1, 0, 0, "Hello.", True)
        assert desk.send(final, again) == [final, again]

    def test_a_reply_of_which_a_part_is_lost_ends_there(self) -> None:
        desk = Desk()
        rest = Sentence(1, 0, 1, "You.", True)
        desk.send(transcript(1, 0), TurnFailed(1, 0, "play", "no speaker"))
        assert desk.clock.is_stale(rest)
        turn = desk.clock.open()
        desk.send(TurnFailed(turn, 0, "stt", "no ears"))
        assert not desk.clock.is_stale(Sentence(turn, 0, 0, "Sorry.", True)), "there the apology is still to come"


class TestAccount:
    def make(self) -> tuple[TurnClock, Speculation, Pipeline]:
        clock = TurnClock()
        speculation = Speculation(clock, no_span)
        pipeline = Pipeline([], clock)
        speculation.watch(pipeline)
        return clock, speculation, pipeline

    def work(self, speculation: Speculation, turn: int, seconds: float, stage: str = "llm") -> None:
        with speculation.span(stage, turn):
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                continue

    def test_work_for_a_pause_that_was_an_end_is_of_use(self) -> None:
        clock, speculation, pipeline = self.make()
        turn = clock.open()
        clock.hold(turn, 0)
        self.work(speculation, turn, 0.02)
        assert speculation.account == Account()
        pipeline.publish(transcript(turn, 0))
        account = speculation.account
        assert account.useful_s >= 0.02
        assert (account.wasted_s, account.released, account.superseded, account.ratio) == (0.0, 1, 0, 1.0)

    def test_work_for_one_that_was_not_is_for_nothing(self) -> None:
        clock, speculation, pipeline = self.make()
        turn = clock.open()
        self.work(speculation, turn, 0.02, "stt")
        clock.hold(turn, 0)
        self.work(speculation, turn, 0.02)
        self.work(speculation, turn, 0.02, "listen")
        clock.revise(turn)
        pipeline.publish(SpeechStarted(turn, 1, 0.0))
        account = speculation.account
        assert 0.02 <= account.wasted_s < 0.04, "what listens is never for nothing"
        assert account.superseded == 1
        assert account.ratio > MOST

    def test_more_is_prepared_only_while_it_is_worth_its_work(self) -> None:
        _, speculation, _ = self.make()
        assert speculation.may_prepare()
        speculation._count(useful_s=2.0, wasted_s=ALLOWED_S + 2.0 * (MOST - 1.0))
        assert speculation.may_prepare()
        speculation._count(wasted_s=0.1)
        assert not speculation.may_prepare()
        speculation._count(useful_s=1.0)
        assert speculation.may_prepare()

    def test_what_was_timed_is_not_kept(self) -> None:
        clock, speculation, _ = self.make()
        for _ in range(50):
            turn = clock.open()
            self.work(speculation, turn, 0.0, "stt")
            self.work(speculation, turn, 0.0)
        mine = [one for one in gc.get_objects() if type(one) is Span and one._owner is speculation._timing]
        assert len(mine) <= 2, "a day of talk holds no more of them than its first turn"
