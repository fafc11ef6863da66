"""Passes come every so often, and never for more than half of the time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stt.pass_cadence import PassCadence
from tests.fakes import VirtualClock

RATE = 16_000
CHUNK = 512


def run(every_ms: int, durations_s: list[float]) -> tuple[list[int], float, float]:
    """Samples at which passes began, their time, and all time, while sound comes in as it is spoken."""
    clock, busy = VirtualClock(), 0.0
    cadence, began = PassCadence(every_ms, clock), []
    start = clock.monotonic()
    ahead = iter(durations_s)
    for samples in range(CHUNK, RATE * 30, CHUNK):
        behind = samples / RATE - (clock.monotonic() - start)
        clock.advance(max(behind, 0.0))
        if cadence.due(samples):
            duration = next(ahead, None)
            if duration is None:
                break
            with cadence.looking(samples):
                clock.advance(duration)
            began.append(samples)
            busy += duration
    return began, busy, clock.monotonic() - start


def test_a_quick_machine_looks_as_often_as_it_is_asked_to():
    began, _, _ = run(500, [0.05] * 20)
    apart = {(later - earlier) / RATE for earlier, later in pairwise(began)}
    assert apart == {0.512}


@given(st.lists(st.floats(0.0, 3.0), max_size=40))
def test_a_busy_machine_leaves_passes_out(durations_s: list[float]):
    _, busy, total = run(500, durations_s)
    # the last one may be under way
    assert busy - max(durations_s, default=0.0) <= 0.5 * total + 1e-6


def test_a_slow_pass_is_followed_by_as_long_a_rest():
    clock = VirtualClock()
    cadence = PassCadence(500, clock)
    assert not cadence.due(RATE // 2 - 1)
    assert cadence.due(RATE // 2)
    with cadence.looking(RATE // 2):
        clock.advance(2.0)
    clock.advance(1.9)
    assert not cadence.due(10 * RATE)
    clock.advance(0.2)
    assert cadence.due(10 * RATE)


def test_a_pass_that_failed_counts():
    clock = VirtualClock()
    cadence = PassCadence(500, clock)
    try:
        with cadence.looking(RATE):
            clock.advance(1.0)
            raise RuntimeError("failed")
    except RuntimeError:
        clock.advance(0.5)
    assert not cadence.due(2 * RATE)


def test_zero_means_never():
    assert not PassCadence(0, VirtualClock()).due(10**9)


def test_a_new_utterance_begins_its_count_and_not_the_rest():
    clock = VirtualClock()
    cadence = PassCadence(500, clock)
    with cadence.looking(5 * RATE):
        clock.advance(1.0)
    cadence.begin()
    assert not cadence.due(RATE)
    clock.advance(1.0)
    assert cadence.due(RATE)
