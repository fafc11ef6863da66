"""Number words against num2words, an implementation that is not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts.normalise import english_numbers as english
from tts.normalise import french_numbers as french

num2words = pytest.importorskip("num2words").num2words

NUMBERS = st.integers(-(10**15) + 1, 10**15 - 1) | st.integers(0, 3000)


def plain_english(words: str) -> str:
    return words.replace(" and ", " ").replace(",", "")


@given(NUMBERS)
def test_english_cardinals(number: int) -> None:
    assert english.cardinal(number) == plain_english(num2words(number, lang="en"))


@given(st.integers(0, 10**9))
def test_english_ordinals(number: int) -> None:
    assert english.ordinal(number) == plain_english(num2words(number, lang="en", to="ordinal"))


@given(st.integers(1100, 2099))
def test_english_years(year: int) -> None:
    assert english.year(year).replace("oh ", "oh-") == plain_english(num2words(year, lang="en", to="year"))


@given(NUMBERS)
def test_french_cardinals(number: int) -> None:
    assert french.cardinal(number) == num2words(number, lang="fr").replace("-et-", " et ")


@given(st.integers(1, 999_999))
def test_french_ordinals(number: int) -> None:
    # num2words keeps the plural within the ordinal ("quatre-vingtsième"), which French does not.
    expected = num2words(number, lang="fr", to="ordinal").replace("vingtsième", "vingtième")
    assert french.ordinal(number) == expected.replace("centsième", "centième")


@pytest.mark.parametrize(
    ("number", "words"), [(1, "une"), (21, "vingt et une"), (81, "quatre-vingt-une"), (11, "onze"), (1001, "mille une")]
)
def test_french_feminine(number: int, words: str) -> None:
    assert french.cardinal(number, feminine=True) == words


@pytest.mark.parametrize("module", [english, french])
def test_numbers_beyond_names_are_said_digit_by_digit(module) -> None:
    assert len(module.integer("9" * 40).split()) == 40
    assert len(module.cardinal(10**40).split()) == 41
    assert len(module.integer("9" * 5000).split()) == 5000
