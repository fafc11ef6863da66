"""Spells a word aloud, letter by letter: the word as it was typed, or as it was heard."""

from __future__ import annotations

from llm.skills.base import Context, Intent, Reply, Skill, reply
from llm.skills.normalise import fold
from llm.skills.reminders import clean

_FRENCH_MARKS = {
    "à": "A accent grave", "â": "A accent circonflexe", "ä": "A tréma", "ç": "C cédille", "é": "E accent aigu",
    "è": "E accent grave", "ê": "E accent circonflexe", "ë": "E tréma", "î": "I accent circonflexe", "ï": "I tréma",
    "ô": "O accent circonflexe", "ö": "O tréma", "ù": "U accent grave", "û": "U accent circonflexe", "ü": "U tréma",
    "œ": "O, E dans l'O", "æ": "A, E dans l'A",
}  # fmt: skip
_BETWEEN = {"en": {"-": "hyphen", "'": "apostrophe"}, "fr": {"-": "trait d'union", "'": "apostrophe"}}


def spell(intent: Intent, context: Context) -> Reply:
    word = clean(intent.word("word")).replace("’", "'")
    letters = [_letter(one, intent) for one in word if not one.isspace()]
    spelt = ", ".join(letters)
    return reply(intent, en=f"{word}: {spelt}.", fr=f"{word} : {spelt}.")


def _letter(letter: str, intent: Intent) -> str:
    named = _BETWEEN[intent.language].get(letter)
    if named is None and intent.language == "fr":
        named = _FRENCH_MARKS.get(letter.casefold())
    return named or fold(letter).upper()


SKILL = Skill("spelling", {"Spell": spell}, for_models=())
