"""The Japanese front end: everything to katakana by UniDic's readings, as the published voice was trained, then phones.

Words are MeCab's, in fugashi with unidic-lite, once for the readings and once for BERT's tokens of the katakana. The
voice knows no punctuation: pauses are the engine's, between sentences. A particle は is ハ, as the voice learnt it.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import import_module
from typing import Any

from tts.melo.text.japanese_reading import read
from tts.melo.text.japanese_words import everyday
from tts.melo.text.kana import kana_phones, to_katakana
from tts.melo.text.packages import missing
from tts.melo.text.phonemes import MAX_TOKENS, UNKNOWN, Phonemes, Spelling, assemble, sayable, too_long
from tts.melo.text.wordpiece import UNKNOWN_TOKEN, WordPiece

EXTRA = "melo-ja"
_KANA_FIELD = 17
"""of a UniDic entry: the reading as it is spelt in kana, not as it is pronounced"""
_LONGEST = 8 * MAX_TOKENS
"""characters that are read: more are more than BERT's tokens, and MeCab slows down"""
_COMMON = {"私": "ワタシ", "今日": "キョウ", "明日": "アシタ", "昨日": "キノウ", "一日": "イチニチ"}
"""everyday readings, where the dictionary prefers a formal one"""


class JapaneseFrontEnd:
    """Implements `tts.melo.text.phonemes.FrontEnd` over the vocabulary of tohoku-nlp/bert-base-japanese-v3."""

    def __init__(self, wordpiece: WordPiece) -> None:
        self._wordpiece = wordpiece

    def normalise(self, text: str) -> str:
        """All in katakana; what has no reading is left out. Raises InferenceError for too much."""
        plain = read(everyday(unicodedata.normalize("NFKC", text)))
        if len(plain) > _LONGEST:
            raise too_long(text)
        words = _tagger()("".join(sign if sign.isprintable() else " " for sign in plain))
        kana = to_katakana("".join(map(_reading, words)))
        return "".join(sign for sign in kana if kana_phones(sign))

    def process(self, text: str) -> Phonemes:
        """Phonemes of one sentence. Raises InferenceError for nothing to say or too much, MissingDependencyError."""
        normalized = self.normalise(sayable(text))
        if not normalized and any(map(str.isalpha, text)):
            return assemble(text, [Spelling((UNKNOWN_TOKEN,), (UNKNOWN,), (0,))])  # of other scripts
        return assemble(normalized, [self._spelling(word.surface) for word in _tagger()(normalized)])

    def _spelling(self, word: str) -> Spelling:
        phones = kana_phones(word) or (UNKNOWN,)
        return Spelling(self._wordpiece.pieces(word), phones, (0,) * len(phones))


def japanese(wordpiece: WordPiece) -> JapaneseFrontEnd:
    """The front end over a vocabulary."""
    return JapaneseFrontEnd(wordpiece)


def _reading(word: Any) -> str:
    """A word of MeCab's in kana; the word itself where the dictionary has none."""
    surface: str = word.surface
    if surface in _COMMON:
        return _COMMON[surface]
    fields = word.feature
    reading: str = fields[_KANA_FIELD] if len(fields) > _KANA_FIELD else ""
    return reading if reading and reading != "*" else surface


@cache
def _tagger() -> Any:
    try:
        fugashi, dictionary = import_module("fugashi"), import_module("unidic_lite")
    except ImportError as error:
        raise missing("fugashi with unidic-lite", EXTRA) from error
    return fugashi.GenericTagger(f'-r /dev/null -d "{dictionary.DICDIR}"')
