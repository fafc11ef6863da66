from __future__ import annotations

import pytest

from stt.echo_guard import EchoGuard

SPOKEN = "It is a quarter past three. Your timer for 5 minutes has ended."


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        ("quarter past three", True),
        ("your timer for five minutes has ended", True),
        ("a quarter past tree your timer", True),
        ("three past quarter", False),
        ("set a timer for five minutes", False),
        ("stop", False),
        ("", False),
    ],
)
def test_words_just_spoken_in_order_are_an_echo(text: str, echo: bool) -> None:
    assert EchoGuard(lambda: SPOKEN).is_echo(text) is echo


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        ("Il est trois heures et demie.", True),
        ("l’été est passé", True),
        ("quelle heure est-il", False),
        ("L'hiver est passé, mais où est l'été ?", False),
    ],
)
def test_accents_and_apostrophes_are_letters(text: str, echo: bool) -> None:
    assert EchoGuard(lambda: "Il est trois heures et demie. L'été est passé.").is_echo(text) is echo


def test_nothing_is_an_echo_when_nothing_was_spoken() -> None:
    assert not EchoGuard(lambda: "").is_echo("quarter past three")
