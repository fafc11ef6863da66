"""The Spanish front end: punctuation as the published voice was trained, figures in words, words by gruut_lang_es."""

from __future__ import annotations

import re

from tts.melo.text.lexicon import Lexicon
from tts.melo.text.lexicon_front_end import LanguageRules, LexiconFrontEnd, tidy
from tts.melo.text.spanish_reading import cardinal, read
from tts.melo.text.wordpiece import WordPiece

EXTRA = "melo-es"
_ALPHABET = "abcdefghijklmnopqrstuvwxyzáéíóúüñ"
_SILENT = "'\"()[]{}<>«»“”‘’《》【】「」（）"
_PAUSES = {
    **dict.fromkeys(";:；：，、·—–", ","),
    **dict.fromkeys("…。", "."),
    **dict.fromkeys("-~～", " "),
    "！": "!",
    "？": "?",
    "&": " y ",
}


def spanish(wordpiece: WordPiece) -> LexiconFrontEnd:
    """Over the vocabulary of dccuchile/bert-base-spanish-wwm-uncased."""
    return LexiconFrontEnd(wordpiece, Lexicon("gruut_lang_es", _ALPHABET, EXTRA), _RULES)


def clean(text: str) -> str:
    """The sentence as the voice's training texts were written, in lower case."""
    text = read(re.sub(r"\s*[\r\n]+\s*", ". ", text.strip())).lower()
    return tidy(text.replace("...", "."), _SILENT, _PAUSES)


def _finish(phones: str) -> str:
    """The one phone that the voices have no symbol for, by its nearest neighbour."""
    return phones.replace("ɟ", "ʝ")


_RULES = LanguageRules(clean, cardinal, _finish)
