"""Each sentence goes to the voice of its language, and stays where it was without a reason to move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts.melo.text.routing import route

THREE = ("en", "fr", "es")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello!", "en"),
        ("Good night.", "en"),
        ("It's noon.", "en"),
        ("Don't do that", "en"),
        ("The cat is on the table.", "en"),
        ("I love Paris and the Champs-Élysées.", "en"),
        ("He said bonjour to me.", "en"),
        ("Let me comment on that.", "en"),
        ("Your timer is done.", "en"),
        ("Bonjour.", "fr"),
        ("Il est midi.", "fr"),
        ("L'été", "fr"),
        ("J'ai faim.", "fr"),
        ("Qu'est-ce que c'est ?", "fr"),
        ("Comment ça va ?", "fr"),
        ("Votre minuteur est terminé.", "fr"),
        ("Je mets de la musique.", "fr"),
        ("C'est la vie", "fr"),
        ("Le week-end, on fait du shopping.", "fr"),
        ("Hola", "es"),
        ("¿Qué hora es?", "es"),
        ("El gato está en la mesa.", "es"),
        ("Mañana", "es"),
        ("Tu lista tiene pan y manzanas.", "es"),
        ("No sé, quizás.", "es"),
    ],
)
def test_a_sentence_finds_its_voice_from_any_other(text: str, language: str) -> None:
    assert [route(text, THREE, current) for current in THREE] == [language] * 3


@pytest.mark.parametrize("text", ["", "42", "OK", "Paris", ";-)", "3.14 km", "你好", "Timer"])
def test_without_evidence_it_stays(text: str) -> None:
    assert [route(text, THREE, current) for current in THREE] == list(THREE)


def test_a_language_without_a_voice_stays() -> None:
    assert route("Bonjour, comment allez-vous ?", ("en",), "en") == "en"
    assert route("Bonjour, comment allez-vous ?", ("en", "es"), "fr") in ("en", "es")


@pytest.mark.parametrize(
    ("text", "language"), [("こんにちは", "ja"), ("漢字です", "ja"), ("你好", "zh"), ("안녕", "ko")]
)
def test_scripts(text: str, language: str) -> None:
    assert route(text, ("en", "ja", "zh", "ko"), "en") == language


@given(st.text(st.characters(codec=None), max_size=80), st.sets(st.sampled_from(THREE), min_size=1))
def test_any_text_goes_to_a_voice_that_is_there(text: str, voices: set[str]) -> None:
    assert route(text, sorted(voices), sorted(voices)[0]) in voices
