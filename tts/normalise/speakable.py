"""The way in: written text of a language to its spoken form. Never raises, whatever the text."""

from __future__ import annotations

from core.messages import Language
from tts.normalise.english import ENGLISH
from tts.normalise.french import FRENCH
from tts.normalise.rules import LanguageRules
from tts.normalise.spoken import SpokenText

_RULES: dict[Language, LanguageRules] = {"en": ENGLISH, "fr": FRENCH}


def normalise(text: str, language: Language) -> SpokenText:
    """`text` as it is said: figures, times, dates, units, money, signs and abbreviations in words.

    The result is aligned to `text` (`SpokenText.written_length`). No letter, digit or symbol is lost; punctuation
    that has no pause and control characters may be.
    """
    return _RULES[language].apply(text)
