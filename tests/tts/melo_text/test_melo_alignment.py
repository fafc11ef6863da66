"""What has been said is known to the character, or to the figure where the front end put it in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from melo_texts import english_front_end, french_front_end, golden, needs_assets, needs_english, needs_french

from core.utils.errors import InferenceError
from tts.melo.text.alignment import characters_said
from tts.melo.text.phonemes import Phonemes, Spelling, assemble

pytestmark = [needs_english, needs_french, needs_assets]


def said(text: str, phonemes: Phonemes) -> list[str]:
    return [text[:characters] for characters in characters_said(text, phonemes)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hi, Café!", ["Hi", "Hi", "Hi, Café", "Hi, Café!"]),
        ("It's 12 now", ["It", "It", "It's", "It's 12", "It's 12 now"]),
        ("My iPhone", ["My", "My i", "My iPhone"]),
        ("$5 😀", ["", "$5", "$5 😀"]),
    ],
)
def test_english(text: str, parts: list[str]) -> None:
    assert said(text, english_front_end().process(text)) == parts


def test_french_words_end_where_they_are_written() -> None:
    text = "L'été, peut-être."
    phonemes = french_front_end().process(text)
    ends = [
        place for token, place in zip(phonemes.tokens, characters_said(text, phonemes), strict=True) if token == "##é"
    ]
    assert [text[:end] for end in ends] == ["L'été"]
    assert characters_said(text, phonemes)[-1] == len(text)


def test_plain_words_are_followed_to_the_letter() -> None:
    front_end = english_front_end()
    for sentence in golden("english_frontend.json"):
        if any(character in "0123456789" for character in sentence["text"]):
            continue
        phonemes = front_end.process(sentence["text"])
        spoken = ""
        for token, part in zip(phonemes.tokens, said(sentence["text"], phonemes), strict=True):
            spoken += letters(token)
            assert letters(part) == spoken


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


@settings(max_examples=150, deadline=None)
@given(st.text("abcé 12.,'’-$%😀\n", max_size=60))
def test_it_only_grows_and_ends_at_the_end(text: str) -> None:
    try:
        phonemes = english_front_end().process(text)
    except InferenceError:
        return
    places = characters_said(text, phonemes)
    assert len(places) == len(phonemes.tokens)
    assert list(places) == sorted(places)
    assert places[-1] == len(text)


def test_a_long_changed_text_is_shared_out_evenly_and_not_matched_letter_by_letter() -> None:
    """Matching takes time that grows with the square of the length, or faster."""
    phonemes = assemble("x", [Spelling(("abab",), ("a",), (0,))] * 500)
    assert list(characters_said("a" * 20_000, phonemes)) == [40 * (token + 1) for token in range(500)]
