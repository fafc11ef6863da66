"""Number words, digits and symbols of both languages, and the way back to the user's own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from core.messages import Language
from llm.skills.normalise import fold, normalise


def numbers(text: str, language: Language) -> list[float]:
    return [token.value for token in normalise(text, language).tokens if token.value is not None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("twenty five", [25]),
        ("twenty-five", [25]),
        ("seven thirty", [7, 30]),
        ("seven oh five", [7, 5]),
        ("nineteen eighty four", [19, 84]),
        ("ten ten", [10, 10]),
        ("a hundred and one", [101]),
        ("two thousand and twenty six", [2026]),
        ("one million two hundred thousand", [1_200_000]),
        ("seven point two five", [7.25]),
        ("point five", [0.5]),
        ("two and a half", [2.5]),
        ("5 and a half", [5.5]),
        ("1,234.5", [1234.5]),
        ("1,234,567", [1234567]),
        ("3.14", [3.14]),
        ("7:30", [7, 30]),
        ("the last one", []),
        ("one hundred", [100]),
        ("five and six", [5, 6]),
        ("it is -5 outside", [-5]),
        ("10 - 5", [10, 5]),
        ("one, two, three", [1, 2, 3]),
        ("Set a timer for 40. 5 minutes.", [45]),
        ("20. 15", [20, 15]),
        ("40, 5", [40, 5]),
        ("7. 5", [7, 5]),
    ],
)
def test_english_numbers(text: str, expected: list[float]) -> None:
    assert numbers(text, "en") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vingt et un", [21]),
        ("vingt-et-une minutes", [21]),
        ("soixante et onze", [71]),
        ("soixante-dix", [70]),
        ("soixante-dix-sept", [77]),
        ("quatre-vingts", [80]),
        ("quatre-vingt-un", [81]),
        ("quatre-vingt-dix-sept", [97]),
        ("septante deux", [72]),
        ("nonante neuf", [99]),
        ("cent un", [101]),
        ("deux cent cinquante", [250]),
        ("mille neuf cent quatre-vingt-quatre", [1984]),
        ("deux mille vingt-six", [2026]),
        ("deux virgule cinq", [2.5]),
        ("deux virgule vingt-cinq", [2.25]),
        ("trois virgule zéro cinq", [3.05]),
        ("12,5", [12.5]),
        ("1 234,5", [1234.5]),
        ("sept heures trente", [7, 30]),
        ("un minuteur d'une minute", [1]),
        ("vingt pour cent de cinquante", [20, 50]),
        ("deux et demi", [2.5]),
        ("un ami", []),
    ],
)
def test_french_numbers(text: str, expected: list[float]) -> None:
    assert numbers(text, "fr") == expected


@given(st.integers(0, 999_999), st.sampled_from(["en", "fr"]))
def test_any_whole_number_in_words_is_read_back(number: int, language: Language) -> None:
    words = num2words(number, lang=language)
    assert numbers(f"{words} minutes", language) == [number]


@given(st.integers(0, 999), st.integers(1, 9), st.sampled_from(["en", "fr"]))
def test_any_decimal_in_words_is_read_back(whole: int, tenth: int, language: Language) -> None:
    words = num2words(f"{whole}.{tenth}", lang=language)
    assert numbers(words, language) == [float(f"{whole}.{tenth}")]


@given(st.text(max_size=60), st.sampled_from(["en", "fr"]))
def test_no_text_is_too_strange(text: str, language: Language) -> None:
    said = normalise(text, language)
    assert all(0 <= token.start <= token.end <= len(text) for token in said.tokens)
    assert said.source(0, len(said.matching) + 1) in text


def test_free_words_come_back_as_they_were_written() -> None:
    said = normalise("Add  two Eggs, O'Brien's MILK (3%)", "en")
    start = said.matching.index("eggs")
    assert said.source(start, start + len("eggs o'brien's milk")) == "Eggs, O'Brien's MILK"
    french = normalise("Rappelle-moi d'appeler l'École", "fr")
    start = french.matching.index("appeler")
    assert french.source(start, len(french.matching)) == "appeler l'École"


def test_accents_and_ligatures_are_folded() -> None:
    assert fold("Réveil Œufs NOËL l’été") == "reveil oeufs noel l'ete"
