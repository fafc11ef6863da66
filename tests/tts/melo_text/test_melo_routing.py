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


@pytest.mark.parametrize(
    ("current", "text", "language"),
    [
        ("en", "She said « C'est la vie » and left.", "en"),
        ("en", "In French you say: « Où est la bibliothèque ? »", "en"),
        ("en", "« Où est la bibliothèque ? »", "fr"),
        ("en", "Déjà vu", "en"),
        ("en", "Café Rouge, Rue de Rivoli, Paris", "en"),
        ("en", "Playing La Vie en rose by Édith Piaf.", "en"),
        ("fr", "J'ai ouvert Google Chrome et Visual Studio Code.", "fr"),
        ("fr", "Lecture de « Let It Be » des Beatles.", "fr"),
        ("fr", "Lecture de The Dark Side of the Moon.", "fr"),
        ("fr", "Le film Gone with the Wind est sorti en 1939.", "fr"),
        ("fr", "Il a dit « I am what I am and that is all I am ».", "fr"),
        ("fr", "I don't know.", "en"),
        ("en", "San José, Los Angeles, Las Vegas", "en"),
        ("en", "The sentence « il fait beau aujourd'hui » means the weather is nice today.", "en"),
        ("fr", "La phrase « the weather is nice » signifie qu'il fait beau.", "fr"),
        ("en", "Weather: 12°C", "en"),
        ("fr", "Météo : 12 °C", "fr"),
        ("en", "À demain!", "fr"),
        ("en", "Très bien, merci.", "fr"),
        ("en", "Les Misérables is a musical.", "en"),
        ("en", "Crème brûlée, pâté, fiancé, résumé", "en"),
        ("fr", 'I opened "Le Petit Prince" for you.', "en"),
        ("en", 'J\'ouvre "The Little Prince" pour vous.', "fr"),
    ],
)
def test_quotations_titles_and_loan_words_move_nothing(current: str, text: str, language: str) -> None:
    assert route(text, THREE, current) == language


def test_a_language_without_a_voice_stays() -> None:
    assert route("Bonjour, comment allez-vous ?", ("en",), "en") == "en"
    assert route("Bonjour, comment allez-vous ?", ("en", "es"), "fr") in ("en", "es")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        *(("こんにちは", "ja"), ("漢字です", "ja"), ("你好", "zh"), ("안녕", "ko")),
        *(("iPhone 15 を買いました。", "ja"), ("OpenAI 的 GPT 很好用。", "zh"), ("Google Maps 로 찾았어요.", "ko")),
        *(("In Japanese you say ありがとう to thank somebody.", "en"), ("The sign 禁 means forbidden.", "en")),
        ("She said 안녕 and left the room.", "en"),
    ],
)
def test_scripts(text: str, language: str) -> None:
    assert route(text, ("en", "ja", "zh", "ko"), "en") == language


@given(st.text(st.characters(codec=None), max_size=80), st.sets(st.sampled_from(THREE), min_size=1))
def test_any_text_goes_to_a_voice_that_is_there(text: str, voices: set[str]) -> None:
    assert route(text, sorted(voices), sorted(voices)[0]) in voices
