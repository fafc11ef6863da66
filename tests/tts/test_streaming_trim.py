"""Trimming sound that comes in pieces: however it is cut, the same sound comes out, with the same marks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import Mark, Samples
from tts.shaping import FADE_MS, LEAD_MS, to_samples
from tts.streaming_trim import QUIET, trimmed_pieces

RATE_HZ = 8000
TAIL_MS = 20


def tone(quiet_before: int, loud: int, quiet_after: int) -> Samples:
    rng = np.random.default_rng(1)
    noise = rng.choice([-0.5, 0.5], loud).astype(np.float32)
    hush = [rng.uniform(-QUIET, QUIET, count).astype(np.float32) for count in (quiet_before, quiet_after)]
    return np.concatenate((hush[0], noise, hush[1]))


def trimmed(samples: Samples, cuts: list[int], marks: tuple[Mark, ...] = ()) -> tuple[Samples, list[tuple[int, int]]]:
    windows = np.split(samples, sorted(cut for cut in cuts if cut < len(samples)))
    pieces = list(trimmed_pieces(windows, marks, RATE_HZ, TAIL_MS))
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    found, start = [], 0
    for piece in pieces:
        assert all(0 <= mark.sample <= len(piece.samples) for mark in piece.marks)
        found += [(start + mark.sample, mark.characters) for mark in piece.marks]
        start += len(piece.samples)
    return np.concatenate([piece.samples for piece in pieces]), found


@settings(max_examples=150, deadline=None)
@given(
    before=st.integers(0, 900),
    loud=st.integers(0, 1500),
    after=st.integers(0, 900),
    cuts=st.lists(st.integers(0, 3300), max_size=12),
    positions=st.lists(st.integers(0, 3300), max_size=5),
)
def test_any_cutting_gives_the_same(before: int, loud: int, after: int, cuts: list[int], positions: list[int]) -> None:
    samples = tone(before, loud, after)
    marks = tuple(Mark(min(at, len(samples)), number) for number, at in enumerate(sorted(positions), 1))
    whole, at_once = trimmed(samples, [], marks)
    pieces, in_pieces = trimmed(samples, cuts, marks)
    np.testing.assert_array_equal(pieces, whole)
    assert in_pieces == at_once
    assert [characters for _, characters in in_pieces] == [mark.characters for mark in marks]


def test_edges_are_short_and_fade() -> None:
    lead, tail, fade = (to_samples(ms, RATE_HZ) for ms in (LEAD_MS, TAIL_MS, FADE_MS))
    whole, marks = trimmed(tone(700, 1000, 700), [], (Mark(700, 1), Mark(1700, 2), Mark(2400, 3)))
    assert len(whole) == lead + 1000 + tail
    assert marks == [(lead, 1), (lead + 1000, 2), (lead + 1000 + tail, 3)]
    abrupt, _ = trimmed(tone(0, 1000, 0), [300])
    assert len(abrupt) == 1000
    assert abrupt[0] == abrupt[-1] == 0.0
    assert np.abs(np.diff(np.abs(abrupt[:fade]))).max() < 0.05
    assert np.abs(abrupt[fade:-fade]).min() == 0.5


def test_silence_becomes_empty_and_a_pause_within_stays() -> None:
    silent, marks = trimmed(np.zeros(5000, np.float32), [2000], (Mark(4000, 7),))
    assert (len(silent), marks) == (0, [(0, 7)])
    parted = np.concatenate((tone(0, 500, 3000), tone(0, 500, 0)))
    assert len(trimmed(parted, [600, 1500, 3200])[0]) == len(parted)


def test_quiet_waits_for_what_follows() -> None:
    pieces = trimmed_pieces(iter((tone(0, 800, 400), tone(0, 800, 0))), (), RATE_HZ, TAIL_MS)
    assert len(next(pieces).samples) == pytest.approx(800, abs=1)
