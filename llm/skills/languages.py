"""Guesses whether a text is English or French from its commonest words; short texts keep the language given."""

from __future__ import annotations

from core.messages import Language
from llm.skills.normalise import fold
from llm.skills.numbers import words_of

COMMON_WORDS: dict[Language, frozenset[str]] = {
    "en": frozenset(
        words_of(
            "the a an is are was what how who when where why do does did can could you i me my it that this to of in "
            "on for and or not with will would please tell give"
        )
    ),
    "fr": frozenset(
        words_of(
            "le la les un une des du de est sont quel quelle quels comment qui quand ou pourquoi que quoi je tu "
            "il elle nous vous moi mon ma mes ce cette et pas avec peux peut pouvez dis donne fais mets c d l j qu a au"
        )
    ),
}


def guess_language(text: str, default: Language) -> Language:
    """The language with more known words in the text; `default` when that does not tell."""
    words = fold(text).replace("'", " ").replace("-", " ").split()
    counts = {language: sum(word.strip(".,!?") in known for word in words) for language, known in COMMON_WORDS.items()}
    if counts["en"] == counts["fr"]:
        return default
    return "en" if counts["en"] > counts["fr"] else "fr"
