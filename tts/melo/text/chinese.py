"""The Chinese front end, and that of Chinese with English words: jieba's words, pypinyin's readings, tones as spoken.

Each character is a token of BERT's and sounds as an initial and a final; English words are the English front end's,
whose packages are needed only for them.
"""

from __future__ import annotations

import logging
import re
import unicodedata
import warnings
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from core.utils.errors import MissingDependencyError
from tts.melo.text.chinese_reading import read
from tts.melo.text.chinese_tones import TonedWord, spoken_tones
from tts.melo.text.packages import missing
from tts.melo.text.phonemes import UNKNOWN, Phonemes, Spelling, assemble, sayable
from tts.melo.text.wordpiece import Word, WordPiece

EXTRA = "melo-zh"
ENGLISH_TONES = 7
"""added to the tones of English words, which stand among Chinese ones"""
_MARKS = frozenset("!?…,.'-")
_PAUSES = {
    **dict.fromkeys("：；，、·;:", ","),
    **dict.fromkeys("。\n", "."),
    **dict.fromkeys('“”‘’（）()《》【】[]「」"', "'"),
    **dict.fromkeys("—～~–", "-"),
    "！": "!",
    "？": "?",
    "嗯": "恩",
    "呣": "母",
}
_TABLE = str.maketrans(_PAUSES)
_HAN = re.compile("[\u3400-\u9fff]+")
_LETTERS = re.compile("[A-Za-z]")
_SHORT_FINALS = {"uei": "ui", "iou": "iu", "uen": "un"}
_ALONE = {
    **{"i": "y i", "in": "y in", "ing": "y ing", "ia": "y a", "ian": "y En", "iang": "y ang", "iao": "y ao"},
    **{"ie": "y E", "io": "y o", "iong": "y ong", "iou": "y ou", "u": "w u", "ua": "w a", "uai": "w ai"},
    **{"uan": "w an", "uang": "w ang", "uei": "w ei", "uen": "w en", "ueng": "w eng", "uo": "w o"},
    **{"v": "y v", "van": "y van", "ve": "y ve", "vn": "y vn", "ê": "EE ei"},
}
"""finals that begin a syllable"""
_OPENINGS = {"a": "AA", "e": "EE", "o": "OO"}


class ChineseFrontEnd:
    """Implements `tts.melo.text.phonemes.FrontEnd` over the vocabulary of bert-base-multilingual-uncased."""

    def __init__(self, wordpiece: WordPiece) -> None:
        self._wordpiece = wordpiece

    def normalise(self, text: str) -> str:
        """Figures and signs in characters, punctuation down to what is a phone, one space between words."""
        text = read(unicodedata.normalize("NFKC", text)).translate(_TABLE).replace("...", "…")
        text = "".join(sign if sign.isalpha() or sign in _MARKS else " " for sign in text)
        return " ".join(re.sub(r"^[\s,.!?'-]+", "", text).split())

    def process(self, text: str) -> Phonemes:
        """Phonemes of one sentence. Raises InferenceError for nothing to say or too much, MissingDependencyError."""
        normalized = self.normalise(sayable(text))
        syllables = _syllables(normalized)
        return assemble(normalized, (_spelling(word, syllables) for word in self._wordpiece.words(normalized)))


def chinese(wordpiece: WordPiece) -> ChineseFrontEnd:
    """The front end over a vocabulary."""
    return ChineseFrontEnd(wordpiece)


def _spelling(word: Word, syllables: Iterator[tuple[tuple[str, ...], int]]) -> Spelling:
    if word.text in _MARKS:
        return Spelling(word.tokens, (word.text,), (0,))
    if _HAN.fullmatch(word.text):
        phones, tone = next(syllables)
        return Spelling(word.tokens, phones, (tone,) * len(phones))
    if _LETTERS.search(word.text):
        return _english(word)
    return Spelling(word.tokens, (UNKNOWN,), (0,))


def _english(word: Word) -> Spelling:
    from tts.melo.text.english import spell

    try:
        spelling = spell(word)
    except MissingDependencyError:
        return Spelling(word.tokens, (UNKNOWN,), (0,))
    return Spelling(word.tokens, spelling.phones, tuple(tone + ENGLISH_TONES for tone in spelling.tones))


def _syllables(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The phones and the tone of each Chinese character of the text."""
    for run in _HAN.findall(text):
        words, parts = [], []
        for word in _jieba().lcut(run):
            read_as = _read(word.word)
            parts += [(initial, final) for initial, final, _ in read_as]
            words.append(TonedWord(word.word, word.flag, tuple(tone for *_, tone in read_as), _head(word.word)))
        for (initial, final), tone in zip(parts, spoken_tones(words), strict=True):
            yield syllable_phones(initial, final), tone


def syllable_phones(initial: str, final: str) -> tuple[str, ...]:
    """The two phones of a syllable, by pypinyin's initial ("" for none) and strict final without its tone."""
    if not initial:
        opening = _OPENINGS.get(final[:1])
        return (opening, final) if opening else tuple(_ALONE.get(final, UNKNOWN).split())
    if final == "i" and initial in ("zh", "ch", "sh", "r"):
        final = "ir"
    elif final == "i" and initial in ("z", "c", "s"):
        final = "i0"
    return initial, _SHORT_FINALS.get(final, final)


def _read(word: str) -> list[tuple[str, str, int]]:
    """Initial, final and tone of each character of a word."""
    pypinyin = _pypinyin()
    initials = pypinyin.lazy_pinyin(word, style=pypinyin.Style.INITIALS, errors=list)
    finals = pypinyin.lazy_pinyin(
        word, style=pypinyin.Style.FINALS_TONE3, neutral_tone_with_five=True, errors=lambda signs: [""] * len(signs)
    )
    return [
        (initial, final[:-1], int(final[-1])) if final and final[-1].isdecimal() else ("", "", 0)
        for initial, final in zip(initials, finals, strict=True)
    ]


def _head(word: str) -> int:
    """Characters of the first part of a word of three."""
    if len(word) != 3:
        return 2
    shorter = {part for part in _jieba_parts(word) if len(part) == 2}
    return 1 if word[1:] in shorter and word[:2] not in shorter else 2


def _jieba_parts(word: str) -> list[str]:
    return list(_jieba_module().lcut_for_search(word))


@cache
def _jieba_module() -> Any:
    return _imported("jieba")


@cache
def _jieba() -> Any:
    _jieba_module().setLogLevel(logging.WARNING)
    return _imported("jieba.posseg")


@cache
def _pypinyin() -> Any:
    return _imported("pypinyin")


def _imported(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of jieba's, on its escapes and on pkg_resources
            return import_module(name)
    except ImportError as error:
        raise missing(name.partition(".")[0], EXTRA) from error
