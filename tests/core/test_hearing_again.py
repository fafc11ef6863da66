"""What a recogniser takes in of a turn is given to another one again: the same chunks, pauses, revisions and times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from core.app.hearing_again import STANDS_AT_S, HeardAgain, Overheard, Taken, steps_of
from core.app.recorded_turn import RecordedTurn
from core.app.replay import clock_of
from core.messages import Listening, Samples, SpeechChunk, SpeechStarted, Utterance
from core.pipeline import Part, Pipeline
from core.turn_clock import TurnClock
from tests.fakes import FakeStage

SOUND = np.random.default_rng(2).normal(0.0, 0.1, 6000).astype(np.float32)
BEGAN = 500.0


def taken(*lost: int) -> list[Taken]:
    """A turn whose speaker paused once and went on; without these chunks."""
    chunks = [SpeechChunk(8, 0 if end <= 3000 else 1, SOUND[end - 1000 : end]) for end in range(1000, 7000, 1000)]
    messages: list[Any] = [SpeechStarted(8, 0, 499.5, 7), *chunks[:3], Utterance(8, 0, SOUND[:3000], False, 501.5)]
    messages += [SpeechStarted(8, 1, 499.5), *chunks[3:], Utterance(8, 1, SOUND, True, 503.0, True)]
    gone = [chunks[number] for number in lost]
    return [(one, 0.1 * place) for place, one in enumerate(messages) if not any(one is chunk for chunk in gone)]


def heard_again(turn: RecordedTurn) -> tuple[list[Any], list[float], TurnClock]:
    """What a recogniser is given, the clock's time at each, and the turns."""
    turns, clock, times = TurnClock(), clock_of(turn), []

    def answer(message: Any) -> Iterator[Any]:
        times.append(clock.monotonic() - STANDS_AT_S)
        return iter(())

    again, stt = HeardAgain(turn, clock), FakeStage(answer)
    pipeline = Pipeline([Part("listen", again.stage(turns), again), Part("stt", stt)], turns)
    pipeline.drain()
    return stt.seen, times, turns


def recorded(steps_from: list[Taken], samples: Samples = SOUND) -> RecordedTurn:
    began = datetime(2026, 11, 28, 7, 30, tzinfo=UTC)
    steps = steps_of(steps_from, samples, BEGAN, {(0, False): 0.45})
    return RecordedTurn(
        8, began, "en", "", "", {}, (), samples, began, steps, Listening("base", "en", looks=(1000,)), "skills"
    )


@pytest.mark.parametrize("lost", [(), (0,), (2,), (3, 4), (5,), (0, 1, 2)])
def test_the_same_chunks_come_at_the_same_times(lost: tuple[int, ...]) -> None:
    then = taken(*lost)
    seen, times, turns = heard_again(recorded(then))
    assert [type(one) for one in seen] == [type(one) for one, _ in then]
    for now, (before, _) in zip(seen, then, strict=True):
        assert (now.turn, now.revision) == (1, before.revision)
        if not isinstance(now, SpeechStarted):
            assert np.array_equal(now.samples, before.samples)
    paused = next(place for place, (one, _) in enumerate(then) if isinstance(one, Utterance))
    assert times == pytest.approx([0.45 if place == paused else s for place, (_, s) in enumerate(then)])
    assert turns.revision == 1


def test_what_the_utterance_told_is_told_again() -> None:
    seen, _, _ = heard_again(recorded(taken()))
    first, final = seen[0], seen[-1]
    assert (first.supersedes, first.again) == (-1, Listening("base", "en", looks=(1000,)))
    assert first.at == pytest.approx(STANDS_AT_S - 0.5)
    assert (final.final, final.echo_suspected) == (True, True)
    assert final.speech_ended_at == pytest.approx(STANDS_AT_S + 3.0)


def test_a_turn_whose_beginning_was_stale_begins_all_the_same() -> None:
    """The recogniser had not come to it before the user had paused and gone on."""
    seen, _, _ = heard_again(recorded(taken()[5:]))
    assert [(type(one), one.revision) for one in seen[:2]] == [(SpeechStarted, 0), (SpeechStarted, 1)]
    assert np.array_equal(seen[2].samples, SOUND[3000:4000])


def test_sound_that_is_no_part_of_the_turn_leaves_no_steps() -> None:
    assert steps_of(taken(), SOUND[::-1].copy(), BEGAN, {}) == ()
    assert steps_of([(SpeechChunk(8, 0, SOUND[:10] + 1), 0.0)], SOUND, BEGAN, {}) == ()


def test_what_was_stale_before_its_turn_came_is_not_overheard() -> None:
    """The thread begins with a stage's work only if the message still counts."""
    told: list[Any] = []
    inner = FakeStage(lambda message: iter((message, message)))
    stage = Overheard(inner, told.append)
    stage.load()
    work = stage.process("stale")
    work.close()  # type: ignore[attr-defined]
    assert list(stage.process("fresh")) == ["fresh", "fresh"]
    broken_off = stage.process("begun")
    next(broken_off)
    broken_off.close()  # type: ignore[attr-defined]
    stage.close()
    assert told == ["fresh", "begun"]
    assert (inner.ended_early, inner.loaded, inner.closed) == (1, 1, 1)
