"""How French says a written quantity, alone and before a noun: the form of its numbers, signs, plurals and genders."""

from __future__ import annotations

import re

from tts.normalise import french_symbols as symbols
from tts.normalise import french_words as words
from tts.normalise.forms import SIGN, VULGAR
from tts.normalise.french_numbers import decimal, integer
from tts.normalise.nouns import Noun

_GROUPED = r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)"
_DOTTED = r"\d{1,3}(?:\.\d{3})+(?=,\d)|(?<![\d.])\d{1,3}(?:\.\d{3}){2}(?![.\d])"
NUMBER = rf"(?:(?:{_GROUPED}|{_DOTTED}|\d+)(?:[.,]\d+)?[{VULGAR}]?|(?<![\w.,])[.,]\d+)"
QUANTITY = rf"(?:{SIGN}{NUMBER}|[{VULGAR}])"
SIGN_WORDS = {"-": "moins", "−": "moins", "+": "plus", "±": "plus ou moins"}


def quantity(text: str, feminine: bool = False) -> str:
    """Any text that `QUANTITY` matches, in words."""
    if text[0] in SIGN_WORDS:
        return f"{SIGN_WORDS[text[0]]} {quantity(text[1:], feminine)}"
    if text[-1] in symbols.FRACTIONS:
        fraction = symbols.FRACTIONS[text[-1]]
        return f"{quantity(text[:-1], feminine)} et {fraction}" if text[:-1] else fraction
    whole, fraction = parts(text)
    return decimal(whole, fraction) if fraction else integer(whole, feminine)


def parts(text: str) -> tuple[str, str]:
    """Whole part and decimals, both of plain digits."""
    if text.count(".") > 1 and "," not in text:
        return text.replace(".", ""), ""
    match = re.fullmatch(r"(.*?)(?:[.,](\d+))?", text)
    assert match is not None
    return re.sub(r"\D", "", match[1]), match[2] or ""


def of(said: str, noun: str) -> str:
    """ "deux millions d'habitants", "trois cents habitants" """
    if not re.search(r"(?:million|milliard|billion)s?$", said):
        return f"{said} {noun}"
    return f"{said} d'{noun}" if re.match(r"[aeiouyàâéèêîôœh]", noun) else f"{said} de {noun}"


def counted(number: str, noun: Noun) -> str:
    """The quantity with its noun."""
    # French is plural from two on: "1,5 kilomètre", "zéro heure".
    whole, _ = parts(number.lstrip("-−+±").rstrip(VULGAR))
    if number.endswith("½") and whole:
        return f"{counted(number[:-1], noun)} et demi{'e' * noun.feminine}"
    many = len(whole.lstrip("0")) > 1 or whole.lstrip("0") not in ("", "1")
    return of(quantity(number, noun.feminine), noun.many if many else noun.one)


def rate(match: re.Match[str]) -> str:
    """ "cinq litres par minute", "par mètre cube", "par seconde au carré" """
    per, power = words.UNITS[match[3]], match[4]
    said = f"{counted(match[1], words.UNITS[match[2]])} par {per.one}"
    if power and per.feminine:
        return f"{said} {'au carré' if power == '2' else 'au cube'}"
    return f"{said} {'carré' if power == '2' else 'cube'}" if power else said


def share_of_a_unit(match: re.Match[str]) -> str:
    """ "une demi-cuillère à café", "un quart de litre" """
    noun = words.UNITS[match[2]]
    if match[1] in ("1/2", "½"):
        return f"{'une' if noun.feminine else 'un'} demi-{noun.one}"
    part = "un quart" if match[1] in ("1/4", "¼") else "trois quarts"
    return f"{part} {'d' + chr(39) if noun.one[0] in 'aeiouéo' else 'de '}{noun.one}"
