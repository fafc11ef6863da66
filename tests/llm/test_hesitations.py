"""What somebody says who looks for words, and what of it is meant."""

from __future__ import annotations

import pytest

from llm.skills.hesitations import without_hesitations


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("set a timer for um ten minutes", "set a timer for ten minutes"),
        ("Set a timer for, uh, ten minutes.", "Set a timer for ten minutes."),
        ("Um, set a timer", "set a timer"),
        ("uh... what time is it", "what time is it"),
        ("add milk, and, um, eggs", "add milk, and eggs"),
        ("add milk, um, eggs", "add milk, eggs"),
        ("add milk uh, eggs", "add milk, eggs"),
        ("set a ten er minute timer", "set a ten minute timer"),
        ("mets un minuteur de euh dix minutes", "mets un minuteur de dix minutes"),
        ("Euh, ajoute heu des œufs", "ajoute des œufs"),
        ("five ummm six", "five six"),
        ("um", ""),
    ],
)
def test_the_sounds_go(said: str, meant: str):
    assert without_hesitations(said) == meant


@pytest.mark.parametrize(
    "said", ["uh-huh", "uh huh", "uh oh", "take her to the ER now", "album", "hum a song", "le heurt", "two  spaces"]
)
def test_words_stay(said: str):
    assert without_hesitations(said) == said
