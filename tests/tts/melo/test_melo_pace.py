"""How windows grow by a machine's speed: early where it is quick, without gaps where it can keep up."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

from hypothesis import given
from hypothesis import strategies as st

from tts.melo.pace import GROWTHS, LARGE, SMALL, WHOLE, WHOLE_S, DecoderPace, choose_growth
from tts.melo.windows import WindowGrowth

FRAME_S = 512 / 44_100


def test_a_pace_is_read_from_two_windows() -> None:
    pace = DecoderPace.measured(0.02 + SMALL * 0.001, 0.02 + LARGE * 0.001)
    assert (pace.fixed_s, pace.frame_s) == (pytest.approx(0.02), pytest.approx(0.001))
    assert DecoderPace.measured(0.05, 0.01) == DecoderPace(0.05, 0.0)


def test_a_quick_machine_begins_early_and_a_slow_one_late() -> None:
    chosen = [choose_growth(DecoderPace(0.004, share * FRAME_S), FRAME_S).first for share in (0.1, 0.4, 0.6, 0.75, 2.0)]
    assert chosen == sorted(chosen)
    assert (chosen[0], chosen[-1]) == (GROWTHS[0].first, GROWTHS[-1].first)


@given(fixed=st.floats(0.0, 0.1), share=st.floats(0.01, 2.0))
def test_nothing_earlier_would_do(fixed: float, share: float) -> None:
    pace = DecoderPace(fixed, share * FRAME_S)
    chosen = choose_growth(pace, FRAME_S)
    earlier = GROWTHS[: GROWTHS.index(chosen)]
    assert all(pace.gap_s(growth, FRAME_S) > 0 for growth in earlier)
    assert pace.gap_s(chosen, FRAME_S) == 0 or chosen is GROWTHS[-1]


def test_a_window_that_comes_late_or_shares_the_processor_leaves_no_gap() -> None:
    """As measured on 2 cores: 43 ms for 8 frames; in a conversation the second window took 0.1 s and not 57 ms."""
    pace = DecoderPace(0.029, 0.0018)
    chosen = choose_growth(pace, FRAME_S)
    (_, first), (begin, end) = list(chosen.bounds(300))[:2]
    assert pace.fixed_s + pace.frame_s * (end - begin) + 0.05 < first * FRAME_S


def test_a_lone_word_is_made_whole_where_that_does_not_take_long() -> None:
    assert DecoderPace(0.0, 0.0).whole() == DecoderPace(0.029, 0.0018).whole() == WHOLE
    assert DecoderPace(0.05, 0.003).whole() == pytest.approx((WHOLE_S - 0.05) / 0.003, abs=1)
    assert DecoderPace(2 * WHOLE_S, 0.001).whole() == 0


def test_what_is_made_whole_is_one_window_and_the_rest_is_as_ever() -> None:
    growth = WindowGrowth(8, 2.0, 64, whole=40)
    assert [list(growth.bounds(frames)) for frames in (0, 1, 40)] == [[], [(0, 1)], [(0, 40)]]
    assert list(growth.bounds(41)) == list(WindowGrowth(8, 2.0, 64).bounds(41))
