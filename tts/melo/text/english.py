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
_CAPITALS = re.compile(r"(?<![^\W_])([A-Z]{2,5})(s?)(?![^\W_])")
_LETTER_BY_LETTER = frozenset(["AI", "CT", "ER", "FAQ", "GDP", "GPS", "ID", "IP", "IT", "LA", "NGO", "UN", "US"])
"""said so although the dictionary has such words, unless a neighbour is in capitals too"""
_SHOUTED = re.compile(r"[A-Z]{2}[^\W_]* $|^ [A-Z]{2}")
_AS_ONE = re.compile(r"\b(?:[Ww]i-[Ff]i|MySQL|SQLite|PostgreSQL|LaTeX|GitHub|WeChat)\b")
"""names whose humps and hyphens are not where their sounds part"""
_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "ß": "ss", "æ": "ae", "œ": "oe", "đ": "d", "ð": "th", "þ": "th", "ı": "i"}
)
_VOWELS = frozenset("AEIOUY")


class EnglishFrontEnd:
    """Implements `tts.melo.text.phonemes.FrontEnd` over bert-base-uncased's vocabulary."""

    def __init__(self, wordpiece: WordPiece) -> None:
        self._wordpiece = wordpiece

    def normalise(self, text: str) -> str:
        """In lower case; times, numbers and abbreviations in words; iPhone in two words, GPT in letters."""
        text = _AS_ONE.sub(lambda match: match[0].lower().replace("-", ""), text.translate(_STRAIGHT))
        text = _CAMEL_HUMP.sub(r"\1 \2", text)
        return read(_CAPITALS.sub(_letters, text))

    def process(self, text: str) -> Phonemes:
        """Phonemes of one sentence. Raises InferenceError for nothing to say or too much, MissingDependencyError."""
        normalized = self.normalise(sayable(text))
        return assemble(normalized, map(spell, self._wordpiece.words(normalized)))


def _letters(match: re.Match[str]) -> str:
    """Capitals letter by letter when they are no word that the dictionary has and cannot be said as one."""
    word, plural = match.groups()
    if word in _LETTER_BY_LETTER:
        around = match.string[max(0, match.start() - 24) : match.start()], match.string[match.end() : match.end() + 3]
        as_word = any(map(_SHOUTED.search, around))
    else:
        as_word = (len(word) > 3 and not _VOWELS.isdisjoint(word)) or pronounce(word.lower()) is not None
    if plural and pronounce(match[0].lower()):
        return match[0]
    # the article's sound is not the letter's, and 's is how the voices learnt to end such a word
    letters = word if as_word else " ".join("ay" if letter == "A" else letter for letter in word)
    return letters + "'s" * bool(plural)


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
    plain = unicodedata.normalize("NFD", word.translate(_PLAIN_LETTERS))
    letters = "".join(letter for letter in plain if "a" <= letter <= "z")
    return (pronounce(letters) or guess(letters)) if letters else ()


def _phone(phone: str) -> str:
    """In lower case and without stress; V keeps its capital, for the small letter is another language's."""
    return phone if phone == "V" else phone.rstrip("012").lower()


def _tone(phone: str) -> int:
    return int(phone[-1]) + 1 if phone[-1].isdecimal() else 0
