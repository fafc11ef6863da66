"""The Korean front end: figures and letters in Hangul, then each WordPiece word by the rules of pronunciation.

The rules are our own (`korean_sounds`), so that no package is needed; phones are the letters that are heard.
"""

from __future__ import annotations

import unicodedata

from tts.melo.text.korean_reading import read
from tts.melo.text.korean_sounds import is_hangul, sounds
from tts.melo.text.phonemes import UNKNOWN, Phonemes, Spelling, assemble, sayable
from tts.melo.text.wordpiece import Word, WordPiece

_MARKS = frozenset("!?…,.'-")
"""punctuation that is a phone of its own"""
_PAUSES = str.maketrans(
    {"。": ".", "、": ",", "，": ",", "！": "!", "？": "?", ";": ",", ":": ",", "·": ",", "—": "-", "–": "-"}
)


class KoreanFrontEnd:
    """Implements `tts.melo.text.phonemes.FrontEnd` over the vocabulary of kykim/bert-kor-base."""

    def __init__(self, wordpiece: WordPiece) -> None:
        self._wordpiece = wordpiece

    def normalise(self, text: str) -> str:
        """Figures, Latin letters and signs in Hangul, punctuation in its plain forms."""
        return " ".join(read(text.translate(_PAUSES)).split())

    def process(self, text: str) -> Phonemes:
        """Phonemes of one sentence. Raises InferenceError for nothing to say or too much."""
        normalized = self.normalise(sayable(text))
        return assemble(normalized, map(_spelling, self._wordpiece.words(normalized)))


def korean(wordpiece: WordPiece) -> KoreanFrontEnd:
    """The front end over a vocabulary."""
    return KoreanFrontEnd(wordpiece)


def _spelling(word: Word) -> Spelling:
    if word.text in _MARKS:
        return Spelling(word.tokens, (word.text,), (0,))
    text = unicodedata.normalize("NFC", word.text)  # a vocabulary without accents takes syllables apart
    hangul = "".join(filter(is_hangul, text))
    phones = tuple(sounds(hangul))
    if not phones and any(character.isalnum() for character in text):
        phones = (UNKNOWN,)
    return Spelling(word.tokens, phones, (0,) * len(phones))
