"""What mistyped words were perhaps meant to be: "set a tiemr fro 5 minutes". It is only asked, never done unasked."""

from __future__ import annotations

import re

from core.messages import Language
from llm.skills.normalise import fold, normalise
from llm.skills.vocabulary import Vocabulary

SHORTEST = 3
"""letters of a word that is looked at; shorter ones are too much like others"""
MOST_WRONG = 2
"""words of one text; with more of them it is about something else"""
_WORD = re.compile(r"[^\W\d_]+")


def perhaps_meant(text: str, vocabulary: Vocabulary, language: Language) -> str:
    """The text with each word that no template holds as the one a letter away; empty where that is unclear."""
    wrong = 0
    pieces: list[str] = []
    end = 0
    for match in _WORD.finditer(text):
        word = fold(match.group())
        if vocabulary.holds(normalise(match.group(), language)):
            continue
        near = vocabulary.near(word) if len(word) >= SHORTEST else ()
        wrong += 1
        if len(near) != 1 or wrong > MOST_WRONG:
            return ""
        pieces += [text[end : match.start()], near[0]]
        end = match.end()
    return "".join([*pieces, text[end:]]) if wrong else ""
