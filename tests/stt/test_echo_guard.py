from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.messages import EchoDropped, Interjection, InterjectionHeard, Transcript, Utterance
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


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize(
    ("text", "suspected", "echo"),
    [("quarter past three", True, True), ("quarter past three", False, False), ("stop", True, False)],
)
def test_an_utterance_that_is_an_echo_has_no_words(final: bool, text: str, suspected: bool, echo: bool) -> None:
    utterance = Utterance(3, 1, np.zeros(160, np.float32), final, 0.0, echo_suspected=suspected)
    answer = Transcript(3, 1, text, 0, "en", False, 0.9, True, "grammar")
    found = list(EchoGuard(lambda: SPOKEN).conclusion(utterance, answer))
    told = [EchoDropped(3, text)] if echo and final else []
    words = "" if echo else text
    concluded = replace(answer, text=words, stable=len(words), final=final, complete=not echo, paused=True)
    assert found == [*told, concluded]


def test_an_interjection_that_is_an_echo_has_no_words() -> None:
    for guard, text in ((EchoGuard(lambda: SPOKEN), ""), (EchoGuard(), "quarter past three")):
        heard = guard.interjection(Interjection(5, np.zeros(160, np.float32), True), "quarter past three", "en")
        assert heard == InterjectionHeard(5, text, "en")
