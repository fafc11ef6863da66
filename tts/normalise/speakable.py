"""The way in: written text of a language to its spoken form. Never raises, whatever the text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from core.messages import Language
from tts.normalise.spoken import SpokenText

if TYPE_CHECKING:
    from tts.normalise.rules import LanguageRules


def normalise(text: str, language: Language) -> SpokenText:
    """`text` as it is said: figures, times, dates, units, money, signs and abbreviations in words.

    The result is aligned to `text` (`SpokenText.written_length`). No letter, digit or symbol is lost; punctuation
    that has no pause and control characters may be.
    """
    return rules(language).apply(text)


@cache
def rules(language: Language) -> LanguageRules:
    """A language's rules. Its first call compiles their patterns, which takes as long as a short clause's sound."""
    if language == "fr":
        from tts.normalise.french import FRENCH

        return FRENCH
    from tts.normalise.english import ENGLISH

    return ENGLISH
