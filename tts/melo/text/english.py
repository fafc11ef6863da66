"""The English front end: WordPiece words, the CMU dictionary, and a small network for the words it lacks.

Exact with the reference for text whose words are in the dictionary. What it does not pronounce (signs, other scripts)
is to be put in words before, by `tts.normalise`.
"""

from __future__ import annotations

import re
import unicodedata

from tts.melo.text.english_dictionary import pronounce
from tts.melo.text.english_reading import read
from tts.melo.text.letter_to_sound import guess
from tts.melo.text.phonemes import UNKNOWN, Phonemes, Spelling, assemble, sayable
from tts.melo.text.wordpiece import Word, WordPiece

_SOUNDS_OF_MARKS = {
    **{mark: (mark,) for mark in "'.,?!-…¿¡"},
    **dict.fromkeys(";:—–", (",",)),
    **dict.fromkeys('"()[]{}<>«»„`', ()),
}
"""pauses as they are, quotes and brackets silent; any other mark is a thing unknown"""
_STRAIGHT = str.maketrans("‘’“”", "''\"\"")
_CAMEL_HUMP = re.compile(r"([a-z])([A-Z])")
_CAPITALS = re.compile(r"(?<![^\W_])[A-Z]{2,5}(?![^\W_])")
_VOWELS = frozenset("AEIOUY")


class EnglishFrontEnd:
    """Implements `tts.melo.text.phonemes.FrontEnd` over bert-base-uncased's vocabulary."""

    def __init__(self, wordpiece: WordPiece) -> None:
        self._wordpiece = wordpiece

    def normalise(self, text: str) -> str:
        """In lower case; times, numbers and abbreviations in words; iPhone in two words, GPT in letters."""
        text = _CAMEL_HUMP.sub(r"\1 \2", text.translate(_STRAIGHT))
        return read(_CAPITALS.sub(_letters, text))

    def process(self, text: str) -> Phonemes:
        """Phonemes of one sentence. Raises InferenceError for nothing to say or too much, MissingDependencyError."""
        normalized = self.normalise(sayable(text))
        return assemble(normalized, map(spell, self._wordpiece.words(normalized)))


def _letters(match: re.Match[str]) -> str:
    """Capitals letter by letter when they are no word that the dictionary has and cannot be said as one."""
    word = match[0]
    sayable = len(word) > 3 and not _VOWELS.isdisjoint(word)
    return word if sayable or pronounce(word.lower()) else " ".join(word)


def spell(word: Word) -> Spelling:
    """One word of the WordPiece: as the dictionary has it, else by its letters."""
    marks = _SOUNDS_OF_MARKS.get(word.text)
    if marks is not None:
        return Spelling(word.tokens, marks, (0,) * len(marks))
    phones = pronounce(word.text) or _guess(word.text)
    if not phones:
        return Spelling(word.tokens, (UNKNOWN,), (0,))
    return Spelling(word.tokens, tuple(map(_phone, phones)), tuple(map(_tone, phones)))


def _guess(word: str) -> tuple[str, ...]:
    """A word's sound by its letters a to z; what else is in it has none."""
    plain = unicodedata.normalize("NFD", word)
    letters = "".join(letter for letter in plain if "a" <= letter <= "z")
    return (pronounce(letters) or guess(letters)) if letters else ()


def _phone(phone: str) -> str:
    """In lower case and without stress; V keeps its capital, for the small letter is another language's."""
    return phone if phone == "V" else phone.rstrip("012").lower()


def _tone(phone: str) -> int:
    return int(phone[-1]) + 1 if phone[-1].isdecimal() else 0
