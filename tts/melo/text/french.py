"""The French front end: abbreviations and punctuation as the published voice was trained, words by gruut_lang_fr.

The voice learnt its words one at a time, so there is no liaison beyond what the lexicon has, and elided articles are
said as letters: that is how it sounds right. Only within a number are words linked.
"""

from __future__ import annotations

import re

from tts.melo.text.lexicon import Lexicon
from tts.melo.text.lexicon_front_end import LanguageRules, LexiconFrontEnd, tidy
from tts.melo.text.wordpiece import WordPiece
from tts.normalise.french_numbers import cardinal

EXTRA = "melo"
_ALPHABET = "abcdefghijklmnopqrstuvwxyzàâçéèêëîïôœùûü"
_ANYWHERE = {
    "av. j.-c": "avant Jésus-Christ",
    "apr. j.-c": "après Jésus-Christ",
    "c.-à-d": "c'est-à-dire",
    "p.c.q": "parce que",
    "n.b": "nota bene",
    "mlles": "mesdemoiselles",
    "mlle": "mademoiselle",
    "mmes": "Mesdames",
    "mme": "Madame",
    "qqch": "quelque chose",
    "rdv": "rendez-vous",
    "boul": "boulevard",
    "excl": "exclusivement",
    "etc": "et cetera",
}
_BEFORE_NAMES = {
    "M": "monsieur",
    "Pr": "professeur",
    "Dr": "docteur",
    "St": "saint",
    "Sgt": "sergent",
    "Capt": "capitaine",
    "Col": "colonel",
    "av": "avenue",
}
_BEFORE_FIGURES = {"art": "article", "no": "numéro", "max": "maximum", "min": "minimum", "p": "page"}
"""words that end sentences too ("l'art.") are abbreviations only here"""
_FULL = {**_ANYWHERE, **_BEFORE_NAMES, **_BEFORE_FIGURES}
_WITH_DOT = re.compile(
    rf"\b(?:(?i:{'|'.join(map(re.escape, _ANYWHERE))})\."
    rf"|(?:{'|'.join(_BEFORE_NAMES)})\.(?=\s+[A-ZÀ-Ý])"
    rf"|(?:{'|'.join(_BEFORE_FIGURES)})\.(?=\s*\d))"
)
_WITHOUT_DOT = re.compile(r"\bM(?:lles?|mes?)\b")
_VOWELS = tuple("iyueøoəɛœɔaɑ")
_SILENT = '"()[]{}<>«»“”《》【】「」（）¿¡'
_PAUSES = {
    **dict.fromkeys(";:；：，、·—–", ","),
    **dict.fromkeys("…。", "."),
    **dict.fromkeys("-~～", " "),
    "！": "!",
    "？": "?",
    "&": " et ",
    "’": "'",
    "‘": "'",
}


def french(wordpiece: WordPiece) -> LexiconFrontEnd:
    """Over the vocabulary of dbmdz/bert-base-french-europeana-cased."""
    return LexiconFrontEnd(wordpiece, Lexicon("gruut_lang_fr", _ALPHABET, EXTRA), _RULES)


def clean(text: str) -> str:
    """The sentence as the voice's training texts were written; numbers stay, the words are said one by one."""
    text = _WITH_DOT.sub(_in_full, re.sub(r"\s*[\r\n]+\s*", ". ", text.strip()))
    text = _WITHOUT_DOT.sub(_in_full, text)
    return tidy(text.replace("...", "."), _SILENT, _PAUSES)


def _in_full(match: re.Match[str]) -> str:
    word = match[0].removesuffix(".")
    return _FULL.get(word) or _FULL[word.lower()]


def _number(digits: str) -> str:
    return cardinal(int(digits)) if len(digits) < 1000 else " ".join(map(cardinal, map(int, digits)))


def _finish(phones: str) -> str:
    """Without runs of three and more t, which only mistakes of the letter model have."""
    return re.sub("t{3,}", "", phones)


def _link(word: str, phones: str, following: str) -> str:
    """The silent last consonant of a number's word, which is heard before an unstressed vowel."""
    if following[:1] not in _VOWELS or word == "et" or word.startswith("mill"):
        return ""
    if word[-1] in "sxz":
        return "" if phones[-1:] in ("s", "z") else "z"
    if word[-1] in "tdpn" and phones[-1:] != word[-1]:
        return "t" if word[-1] == "d" else word[-1]
    return ""


_RULES = LanguageRules(clean, _number, _finish, _link)
