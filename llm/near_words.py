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
MOST_TEXTS = 8
"""that are tried"""
_WORD = re.compile(r"[^\W\d_]+")


def perhaps_meant(text: str, vocabulary: Vocabulary, language: Language) -> list[str]:
    """The text with each word that no template holds as one that is a letter away; all such texts, none if many."""
    texts, end, wrong = [""], 0, 0
    for match in _WORD.finditer(text):
        if vocabulary.holds(normalise(match.group(), language)):
            continue
        word = fold(match.group())
        near = vocabulary.near(word) if len(word) >= SHORTEST else ()
        texts = [f"{before}{text[end : match.start()]}{meant}" for before in texts for meant in near]
        end, wrong = match.end(), wrong + 1
        if wrong > MOST_WRONG or not 1 <= len(texts) <= MOST_TEXTS:
            return []
    return [before + text[end:] for before in texts] if wrong else []
