"""Which turn and which revision is current, and what that makes stale."""

from __future__ import annotations

import threading

from core.messages import Transcript
from core.turn_clock import TurnClock


def transcript(turn: int, revision: int = 0, text: str = "hello") -> Transcript:
    return Transcript(turn, revision, text, len(text), "en", final=True)


class TestTurnClock:
    def test_an_opened_turn_makes_older_messages_stale(self):
        clock = TurnClock()
        first = clock.open()
        assert not clock.is_stale(transcript(first))
        second = clock.open()
        assert clock.is_stale(transcript(first))
        assert not clock.is_stale(transcript(second))

    def test_a_revision_makes_the_old_one_stale(self):
        clock = TurnClock()
        turn = clock.open()
        assert clock.revise(turn) == 1
        assert clock.is_stale(transcript(turn, 0))
        assert not clock.is_stale(transcript(turn, 1))

    def test_a_cancelled_turn_is_over_and_cannot_be_revised(self):
        clock = TurnClock()
        turn = clock.open()
        assert clock.cancel(turn)
        assert clock.is_stale(transcript(turn))
        assert not clock.cancel(turn)
        assert clock.revise(turn) is None

    def test_cancelling_an_older_turn_leaves_the_current_one_alone(self):
        clock = TurnClock()
        old, new = clock.open(), clock.open()
        assert not clock.cancel(old)
        assert not clock.is_stale(transcript(new))

    def test_open_after_opens_only_if_nothing_came_between(self):
        clock = TurnClock()
        turn = clock.open()
        assert clock.open_after(turn) == turn + 1
        assert clock.open_after(turn) is None

    def test_what_has_no_turn_is_never_stale(self):
        assert not TurnClock().is_stale(object())

    def test_only_one_of_many_threads_opens_after_a_turn(self):
        clock = TurnClock()
        turn, opened, barrier = clock.open(), [], threading.Barrier(8)

        def race() -> None:
            barrier.wait(5)
            opened.append(clock.open_after(turn))

        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert sorted(opened, key=lambda turn: turn or 0)[-2:] == [None, turn + 1]
