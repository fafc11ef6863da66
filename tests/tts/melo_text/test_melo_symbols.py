"""Phones become the voice's numbers, with blanks between them, and the words keep their places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.utils.errors import InferenceError
from tts.melo.text.phonemes import Phonemes, Spelling, assemble, spread
from tts.melo.text.symbols import LANGUAGES, language_code, to_ids

SYMBOLS = ["_", "a", "b", "V", ".", "UNK"]
SENTENCE = assemble("ab.", [Spelling(("a", "##b"), ("a", "b", "V"), (2, 0, 1)), Spelling((".",), (".",), (0,))])


def test_a_sentence_is_assembled_word_by_word() -> None:
    assert Phonemes(("_", "a", "b", "V", ".", "_"), (0, 2, 0, 1, 0, 0), (1, 2, 1, 1, 1), "ab.", ("a", "##b", ".")) == (
        SENTENCE
    )


def test_without_blanks() -> None:
    given_ids = to_ids(SENTENCE, SYMBOLS, "en", add_blank=False)
    assert given_ids.ids == (0, 1, 2, 3, 4, 0)
    assert given_ids.tones == (7, 9, 7, 8, 7, 7)
    assert given_ids.languages == (2,) * 6
    assert given_ids.word2ph == SENTENCE.word2ph


def test_blanks_stand_around_every_position_and_the_first_word_gets_one_more() -> None:
    ids, tones, languages, word2ph = to_ids(SENTENCE, SYMBOLS, "EN", add_blank=True)
    assert ids == (0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 0, 0)
    assert tones == (0, 7, 0, 9, 0, 7, 0, 8, 0, 7, 0, 7, 0)
    assert languages == (0, 2) * 6 + (0,)
    assert word2ph == (3, 4, 2, 2, 2)
    assert sum(word2ph) == len(ids)


@pytest.mark.parametrize(
    ("name", "tone", "language"),
    [
        ("ZH", 0, 0),
        ("JP", 6, 1),
        ("EN", 7, 2),
        ("ZH_MIX_EN", 0, 3),
        ("KR", 11, 4),
        ("ES", 12, 5),
        ("SP", 12, 5),
        ("FR", 13, 6),
        ("fr", 13, 6),
        ("ko", 11, 4),
    ],
)
def test_every_language_has_its_numbers(name: str, tone: int, language: int) -> None:
    given_ids = to_ids(SENTENCE, SYMBOLS, name, add_blank=False)
    assert (given_ids.tones[0], given_ids.languages[0]) == (tone, language)
    assert language_code(name) in LANGUAGES


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(ValueError, match="klingon"):
        language_code("klingon")


def test_a_phone_without_a_symbol_is_unknown_or_an_error() -> None:
    odd = assemble("q", [Spelling(("q",), ("q",), (0,))])
    assert to_ids(odd, SYMBOLS, "fr", add_blank=False).ids == (0, 5, 0)
    with pytest.raises(InferenceError, match="'q'"):
        to_ids(odd, SYMBOLS[:-1], "fr", add_blank=False)


@given(st.integers(0, 200), st.integers(1, 40))
def test_phones_are_spread_evenly_first_pieces_first(phones: int, tokens: int) -> None:
    shares = spread(phones, tokens)
    assert sum(shares) == phones
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


def test_nothing_to_say_and_too_much_are_inference_errors() -> None:
    with pytest.raises(InferenceError, match="nothing"):
        assemble("", [])
    with pytest.raises(InferenceError, match="shorter"):
        assemble("a" * 600, [Spelling(("a",), ("a",), (0,))] * 600)
