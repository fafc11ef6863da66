"""Edits between word lists, and what counts as the same word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.stt_parts.words import WordCount, comparable, count, distance

WORDS = st.lists(st.sampled_from("abc"), max_size=7)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits"),
    [
        ("", "", 0),
        ("set a timer", "set a timer", 0),
        ("set a timer", "", 3),
        ("", "thank you", 2),
        ("set a timer", "set the timer", 1),
        ("set a timer for ten minutes", "a timer for two ten minutes", 2),
        ("a b c", "b c a", 2),
    ],
)
def test_counts_words_replaced_left_out_and_put_in(reference: str, hypothesis: str, edits: int) -> None:
    assert distance(reference.split(), hypothesis.split()) == edits


def recursively(left: list[str], right: list[str]) -> int:
    """The definition, word by word."""
    if not left or not right:
        return len(left) + len(right)
    return min(
        recursively(left[1:], right) + 1,
        recursively(left, right[1:]) + 1,
        recursively(left[1:], right[1:]) + (left[0] != right[0]),
    )


@given(st.lists(st.sampled_from("abc"), max_size=5), st.lists(st.sampled_from("abc"), max_size=5))
def test_is_what_its_definition_says(left: list[str], right: list[str]) -> None:
    assert distance(left, right) == recursively(left, right)


@given(WORDS, WORDS, WORDS)
def test_is_a_metric(one: list[str], two: list[str], three: list[str]) -> None:
    assert distance(one, two) == distance(two, one)
    assert (distance(one, two) == 0) == (one == two)
    assert distance(one, three) <= distance(one, two) + distance(two, three)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("What's the weather like?", "whats the weather like"),
        ("6 × 10 = 60, a 12% chance.", "six times ten equals sixty a twelve percent chance"),
        ("picture-books", "picture books"),
        ("SUNDAY is “best”", "sunday is best"),
    ],
)
def test_spelling_and_signs_are_no_errors(written: str, spoken: str) -> None:
    assert [word.replace("'", "") for word in comparable(written)] == spoken.split()


def test_apostrophes_of_both_kinds_are_one() -> None:
    assert comparable("what’s") == comparable("What's")


def test_counts_add_up_and_invented_words_weigh() -> None:
    both = count("one two three", "1, 2, 3.") + count("stop", "please do stop it")
    assert both == WordCount(4, 3)
    assert both.wer == 0.75
    assert WordCount().wer == 0.0
