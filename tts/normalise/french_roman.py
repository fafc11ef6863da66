"""How French reads Roman numerals, by the words around them. None leaves the letters as they are."""

from __future__ import annotations

import re

from tts.normalise import french_words as words
from tts.normalise import roman
from tts.normalise.forms import alternatives
from tts.normalise.french_numbers import cardinal, ordinal
from tts.normalise.rules import Rule, plain


def _century(match: re.Match[str]) -> str | None:
    number = roman.number(match[1])
    return None if number is None else ordinal(number)


def _numbered(match: re.Match[str]) -> str | None:
    number = roman.number(match[2])
    return None if number is None else f"{match[1]} {cardinal(number)}"


def _reign(match: re.Match[str]) -> str | None:
    return None if roman.is_a_size(match[2]) else _numbered(match)


RULES = (
    Rule(re.compile(r"\b([IVXLC]{1,9})(?:er|ème|e)(?=\s+(?:siècle|s\.))"), _century),
    plain(r"(?<=\d[eè]|[IVX]e) s\.(?=\s*$|\s+[A-ZÀ-Ý])", " siècle."),
    plain(r"(?<=[IVX]e) s\.", " siècle"),
    plain(r"(?<=[IVX]e)[-–](?=[IVX]{1,5}e\b)", " à "),
    Rule(re.compile(r"\b([IVX]{2,6}|V|X)(?:ème|e|ᵉ)\b"), _century),
    Rule(re.compile(rf"\b({alternatives(words.NUMBERED)}) ([IVXL]{{1,8}})\b"), _numbered),
    Rule(re.compile(r"\b([A-ZÀ-Ý][\w-]+) ([IVXL]{2,8})\b"), _reign),
    plain(r"\bIer\b", "premier"),
    plain(r"\bI(?:re|ère)\b", "première"),
)
