"""Words on which two consecutive passes agree stay; nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.utils.whisper.results import Piece
from stt.local_agreement import LocalAgreement, comparable, is_word

WORDS = [" what", " What", " time", " is", " it", "?", ",", " in", " Paris", "'s"]


def pieces(text: str) -> list[Piece]:
    """Words and marks between bars."""
    return [Piece(word, (number,)) for number, word in enumerate(text.split("|")) if word]


def stable(agreement: LocalAgreement) -> str:
    return "".join(piece.text for piece in agreement.stable)


@pytest.mark.parametrize(
    ("passes", "expected"),
    [
        ([""], ""),
        ([" what"], ""),
        ([" what", " what| time"], " what"),
        ([" what| tie", " what| time"], " what"),
        ([" what| time", " when| time", " when| time"], " when| time"),
        ([" what| time", " when| time", " what| time"], ""),
        ([" What| time", " what| time"], " what| time"),
        ([" what| time| is| it|?", " what| time| is| it|?"], " what| time| is| it"),
        ([" what| time| is| it|?", " what| time| is| it| in| Paris|?"], " what| time| is| it"),
        ([" yes|,| it| is", " yes|,| it| is"], " yes|,| it| is"),
        ([" yes|,| it", " yes|,| is"], " yes"),
        (["...", "..."], ""),
        ([" about| 14", " about| 14| 55"], " about"),
        ([" about| 14|.", " about| 1455| men"], " about"),
        ([" 5| 5| is| the", " 5| 5| is| the"], " 5| 5| is| the"),
    ],
)
def test_what_stays(passes: list[str], expected: str):
    agreement = LocalAgreement()
    for one in passes:
        agreement.hear(pieces(one))
    assert stable(agreement) == expected.replace("|", "")


def test_hear_says_how_many_are_new():
    agreement = LocalAgreement()
    assert [agreement.hear(pieces(one)) for one in (" a| b", " a| b| c", " a| b| c| d")] == [0, 2, 1]


def test_a_pass_that_contradicts_the_stable_words_changes_nothing():
    agreement = LocalAgreement()
    for one in (" a| b", " a| b| c", " x| b| c", " x| b| c"):
        agreement.hear(pieces(one))
    assert stable(agreement) == " a b"
    agreement.hear(pieces(" a| b| c"))
    assert stable(agreement) == " a b"
    agreement.hear(pieces(" a| b| c"))
    assert stable(agreement) == " a b c"


def test_what_a_pause_puts_right_is_no_longer_stable_and_the_rest_stays():
    agreement = LocalAgreement()
    for _ in range(2):
        agreement.hear(pieces(" a| battle| of| course"))
    agreement.revise(pieces(" A| battle| of| course| and"))
    assert stable(agreement) == " a battle of course"
    agreement.revise(pieces(" a| matter| of| course"))
    assert stable(agreement) == " a"
    assert agreement.hear(pieces(" a| matter| of| course")) == 0
    assert agreement.hear(pieces(" a| matter| of| course")) == 3


def test_after_a_cut_the_rest_goes_on():
    agreement = LocalAgreement()
    for one in (" a| b| c", " a| b| c"):
        agreement.hear(pieces(one))
    agreement.cut(2)
    assert stable(agreement) == " c"
    agreement.hear(pieces(" c| d"))
    assert stable(agreement) == " c"
    agreement.hear(pieces(" c| d| e"))
    assert stable(agreement) == " c d"


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6), max_size=8))
def test_stable_words_grow_only_and_were_heard_twice_running(passes: list[list[str]]):
    agreement = LocalAgreement()
    before: tuple[Piece, ...] = ()
    previous: list[str] = []
    for words in passes:
        agreement.hear([Piece(word, (1,)) for word in words])
        now = agreement.stable
        assert now[: len(before)] == before
        if len(now) > len(before):
            keys = [comparable(piece.text) for piece in now]
            assert [comparable(word) for word in words[: len(now)]] == keys
            assert [comparable(word) for word in previous[: len(now)]] == keys
            assert is_word(now[-1].text)
        before, previous = now, words


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), st.data())
def test_cutting_leaves_the_other_words(words: list[str], data: st.DataObject):
    agreement = LocalAgreement()
    for _ in range(2):
        agreement.hear([Piece(word, (1,)) for word in words])
    before = agreement.stable
    count = data.draw(st.integers(0, len(before)))
    agreement.cut(count)
    assert agreement.stable == before[count:]
