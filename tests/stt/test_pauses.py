"""The user's pauses: learnt from what they do, kept as text, never far from what people do."""

from __future__ import annotations

import json

import pytest

from stt.pauses import KEPT, Pauses, outlasting, read_pauses


def test_who_pauses_long_is_waited_for_longer() -> None:
    slow, quick = Pauses([900.0] * 30), Pauses([250.0] * 30)
    general = Pauses()
    assert quick.median_ms < 300 < general.median_ms < 700 < slow.median_ms
    for share in (0.05, 0.2, 0.5):
        assert quick.longer_than(share) < general.longer_than(share) < slow.longer_than(share)


def test_a_few_pauses_move_little() -> None:
    few, many = Pauses([900.0] * 2), Pauses([900.0] * 50)
    assert few.median_ms < 560
    assert many.median_ms > 750


def test_the_share_that_outlasts_a_pause_is_found_again() -> None:
    assert Pauses().longer_than(outlasting(640.0)) == pytest.approx(640.0)
    assert Pauses().longer_than(1.0) == 0.0
    assert outlasting(0.0) == pytest.approx(1.0)


@pytest.mark.parametrize("pause_ms", [10.0, 199.0, 3001.0, 60_000.0])
def test_what_is_no_pause_is_not_learnt(pause_ms: float) -> None:
    pauses = Pauses()
    pauses.learn(pause_ms)
    assert pauses.learnt == 0


def test_what_was_learnt_is_kept_once_and_read_again() -> None:
    kept: list[str] = []
    pauses = Pauses([300.0, 400.0], kept.append)
    pauses.close()
    assert kept == []
    pauses.learn(512.4)
    pauses.close()
    pauses.close()
    assert [json.loads(text) for text in kept] == [[300, 400, 512]]
    assert Pauses(read_pauses(kept[0])).median_ms == pytest.approx(pauses.median_ms, rel=1e-3)


def test_only_the_latest_count() -> None:
    pauses = Pauses([900.0] * 500)
    assert pauses.learnt == KEPT
    for _ in range(KEPT):
        pauses.learn(250.0)
    assert pauses.median_ms < 330


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[null]", '"x"', "7"])
def test_a_damaged_text_teaches_nothing(text: str) -> None:
    assert read_pauses(text) == ()


def test_no_pauses_at_all_move_the_median_out_of_what_people_do() -> None:
    assert Pauses([200.0] * 1000).median_ms >= 299.9
    assert Pauses([3000.0] * 1000).median_ms <= 900.1
