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
_CAPITALS = re.compile(r"(?<![^\W_])([A-Z]{2,5})s?(?![^\W_])")
_CAPITALS_BEHIND = re.compile(r"(?<=[a-zà-ÿ]{2})(?<!\bChat)(?=[A-Z]{2,5}s?(?![^\W_]))")
"""as in ChatGPT"""
_LETTER_BY_LETTER = frozenset(("AI", "BD", "IA"))
"""said so although the lexicon has such words or they could be said, unless a neighbour is in capitals too"""
_SAID_AS_ONE = frozenset(("GIF", "LED", "ONU", "PIN", "RIB", "SIM"))
_SHOUTED = re.compile(r"[A-ZÀ-Ý]{2}[^\W_]* $|^ [A-ZÀ-Ý]{2}")
_VOWEL_LETTERS = frozenset("AEIOUY")
_WITH_HYPHEN = re.compile(r"\b(?:[Ww]i-[Ff]i|[Ee]-mails?)\b")
_RESPELT = {
    "chatgpt": "tchatte jépété",
    "emails": "imèl",
    "github": "guitœube",
    "linkedin": "linnquedine",
    "json": "jisonne",
    "zidane": "zidhane",
    "schwarzenegger": "chouartsenégueur",
    "björk": "bieurk",
    "burgers": "beurgueur",
    "kubernetes": "coubernétesse",
    "ubuntu": "oubountou",
    "huawei": "ouaoué",
    "xiaomi": "chaomi",
    "spotify": "spotifaille",
    "airbnb": "erbiènebi",
    "sqlite": "essculaïte",
    "pytorch": "païtorche",
    "postgres": "postgresse",
    "siobhan": "chivone",
}
"""names and newer words that the lexicon lacks and whose letters mislead, as French would write their sound"""
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
    lexicon = Lexicon("gruut_lang_fr", _ALPHABET, EXTRA, _RESPELT)
    return LexiconFrontEnd(
        wordpiece, lexicon, LanguageRules(lambda text: clean(spell_out(text, lexicon)), _number, _finish, _link)
    )


def spell_out(text: str, lexicon: Lexicon) -> str:
    """USB, PDF and IA letter by letter, where the lexicon has no such word and it cannot be said as one."""
    text = _WITH_HYPHEN.sub(lambda match: match[0].replace("-", ""), text)

    def said(match: re.Match[str]) -> str:
        word = match[1]
        if word in _LETTER_BY_LETTER:
            around = (
                match.string[max(0, match.start() - 24) : match.start()],
                match.string[match.end() : match.end() + 3],
            )
            as_word = any(map(_SHOUTED.search, around))
        else:
            sayable = word in _SAID_AS_ONE or (len(word) > 3 and not _VOWEL_LETTERS.isdisjoint(word))
            as_word = sayable or lexicon.find(word) is not None
        return match[0] if as_word else " ".join("i grec" if letter == "Y" else letter for letter in word)

    return _CAPITALS.sub(said, _CAPITALS_BEHIND.sub(" ", text))


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
