"""How English says a written quantity, alone and before a noun: the form of its numbers, signs and plurals."""

from __future__ import annotations

import re

from tts.normalise import english_symbols as symbols
from tts.normalise.english_numbers import decimal, integer
from tts.normalise.forms import SIGN, VULGAR
from tts.normalise.nouns import Noun

_THOUSANDS = r"\d{1,3}(?:[\u00a0\u202f]\d{3})+(?!\d)|\d{1,3}(?: 000)+(?!\d)"
NUMBER = rf"(?:(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|{_THOUSANDS}|\d+)(?:\.\d+)?[{VULGAR}]?|(?<![\w.])\.\d+)"
QUANTITY = rf"(?:{SIGN}{NUMBER}|[{VULGAR}])"
SIGN_WORDS = {"-": "minus", "−": "minus", "+": "plus", "±": "plus or minus"}


def quantity(text: str) -> str:
    """Any text that `QUANTITY` matches, in words."""
    text = re.sub(r"[,\s]", "", text)
    if text[0] in SIGN_WORDS:
        return f"{SIGN_WORDS[text[0]]} {quantity(text[1:])}"
    if text[-1] in symbols.FRACTIONS:
        fraction = symbols.FRACTIONS[text[-1]]
        return f"{quantity(text[:-1])} and {fraction}" if text[:-1] else fraction
    whole, point, fraction = text.partition(".")
    return decimal(whole, fraction) if point else integer(whole)


def counted(number: str, noun: Noun) -> str:
    one = number.lstrip("-−+±") in ("1", "½", "¼", "⅓")
    return f"{quantity(number)} {noun.one if one else noun.many}"
