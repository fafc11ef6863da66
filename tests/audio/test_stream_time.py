"""The time of each block: by counting, unless sound was really lost."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from audio.stream_time import CONFIRMED_S, JITTER_S, JUMP_S, StreamTime, plausible

RATE_HZ = 16_000
BLOCK = 320
BLOCK_S = BLOCK / RATE_HZ


def times(claims: list[float]) -> list[float]:
    stream = StreamTime(RATE_HZ)
    return [stream.block(claim, BLOCK) for claim in claims]


def test_jitter_is_smoothed():
    dice = random.Random(1)
    found = times([5.0 + BLOCK_S * at + dice.uniform(-0.02, 0.02) for at in range(500)])
    assert all(abs(time - (5.0 + BLOCK_S * at)) < 0.02 for at, time in enumerate(found[20:], 20))
    assert all(abs(later - time - BLOCK_S) < 0.002 for time, later in pairwise(found))


@pytest.mark.parametrize("lost_s", [0.2, 1.0, -0.3])
def test_lost_sound_is_noticed_within_a_few_blocks_and_the_time_right_from_then_on(lost_s: float):
    found = times([BLOCK_S * at + (lost_s if at >= 50 else 0.0) for at in range(100)])
    right = [BLOCK_S * at + lost_s for at in range(100)]
    late = 50 + round(CONFIRMED_S / BLOCK_S) + 1
    assert found[late:] == pytest.approx(right[late:], abs=0.005)
    assert found[:50] == pytest.approx([BLOCK_S * at for at in range(50)], abs=1e-6)


@pytest.mark.parametrize("asleep_s", [0.15, 0.5, 1.0, 2.0])
def test_a_thread_that_woke_late_has_lost_nothing(asleep_s: float):
    """What waited comes in one go, each block claiming that it is of the moment it comes in; then all is as before."""
    held = round(asleep_s / BLOCK_S)
    claims = [BLOCK_S * at for at in range(50)]
    woke = BLOCK_S * (50 + held)
    claims += [woke + 0.0005 * at for at in range(held)]
    claims += [BLOCK_S * at for at in range(50 + held, 200 + held)]
    found = times(claims)
    assert found == pytest.approx([BLOCK_S * at for at in range(len(claims))], abs=JUMP_S / 2)


def test_one_wild_claim_changes_nothing():
    claims = [BLOCK_S * at for at in range(100)]
    claims[40] += 1.02
    claims[60] -= 0.97
    claims[61] -= 0.5
    assert times(claims) == pytest.approx([BLOCK_S * at for at in range(100)])


def test_an_offset_that_cannot_be_is_not_believed():
    assert plausible(None, 0.02) == 0.02
    assert plausible(0.0, 0.02) == 0.02
    assert plausible(5.0, 0.02) == 0.02
    assert plausible(0.3, 0.02) == 0.3


@pytest.mark.parametrize("between_s", [0.0005, 0.01])
def test_sound_that_waited_for_a_stopped_program_was_not_captured_after_it_came(between_s: float):
    """Its first block claims to be of the moment at which it comes, and the others come faster than they sound."""
    stream, now, ahead = StreamTime(RATE_HZ), 30.0, []
    for held in range(100):
        now += between_s if held < 40 else BLOCK_S
        ahead.append(stream.block(now - BLOCK_S, BLOCK, at_most=now - BLOCK_S) + BLOCK_S - now)
    assert max(ahead) <= JITTER_S + 1e-9
    assert abs(ahead[-1]) < JITTER_S


def test_sound_is_not_played_before_it_is_asked_for():
    stream = StreamTime(RATE_HZ)
    for at in range(50):
        stream.block(BLOCK_S * at + 0.06, BLOCK, at_least=BLOCK_S * at)
    woke = 30.0
    assert stream.block(woke + 0.06, BLOCK, at_least=woke) >= woke - JITTER_S
