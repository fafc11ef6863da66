"""How English reads Roman numerals, by the word before them. None leaves the letters as they are."""

from __future__ import annotations

import re

from tts.normalise import roman
from tts.normalise.english_numbers import cardinal, ordinal
from tts.normalise.forms import alternatives
from tts.normalise.rules import Rule, plain

_REGNAL_NAMES = (
    *("Alexander", "Benedict", "Catherine", "Charles", "Clement", "Edward", "Elizabeth", "Francis", "Frederick"),
    *("George", "Gregory", "Henry", "Innocent", "James", "John Paul", "Leo", "Leopold", "Louis", "Mary", "Napoleon"),
    *("Nicholas", "Philip", "Pius", "Ptolemy", "Ramses", "Richard", "Urban", "Victor Emmanuel", "Wilhelm", "William"),
)
"""A numeral behind one of these is an ordinal: "Louis the fourteenth"."""
_SOVEREIGNS = "King|Queen|Pope|Emperor|Empress|Tsar|Czar|Sultan|Kaiser"
_NUMBERED = (
    *(
        "Appendix",
        "Figure",
        "Table",
        "World War",
        "Chapter",
        "Part",
        "Act",
        "Scene",
        "Section",
        "Article",
        "Volume",
        "Book",
        "Title",
        "Phase",
    ),
    *("Type", "Class", "Level", "Stage", "Super Bowl", "chapter", "part", "act", "scene", "section", "article"),
    *("volume", "book", "phase", "type", "class", "level", "stage"),
)
"""A numeral behind one of these is a number, were it a single letter."""


def _regnal(match: re.Match[str]) -> str | None:
    """ "Louis the fourteenth" """
    number = roman.number(match[2])
    if number is None or roman.before_a_pronoun(match, 2):
        return None
    return f"{match[1]} the {ordinal(number)}"


def _numbered(match: re.Match[str]) -> str | None:
    """ "Chapter four", "World War two" """
    number = roman.number(match[2])
    return None if number is None or roman.before_a_pronoun(match, 2) else f"{match[1]} {cardinal(number)}"


def _sequel(match: re.Match[str]) -> str | None:
    """ "Rocky four", but not "Size forty" """
    return None if roman.is_a_size(match[2]) else _numbered(match)


def _titled(match: re.Match[str]) -> str | None:
    """ "Queen Elizabeth the first", where a title leaves no doubt"""
    number = roman.number(match[2])
    return None if number is None else f"{match[1]} the {ordinal(number)}"


def _century(match: re.Match[str]) -> str | None:
    """ "twenty-first", before the word century"""
    number = roman.number(match[1])
    return None if number is None else ordinal(number)


RULES = (
    plain(r"\b(?:WWI|WW1)\b", "World War one"),
    plain(r"\b(?:WWII|WW2)\b", "World War two"),
    plain(r"\bWorld War I\b", "World War one"),
    Rule(re.compile(rf"\b((?:{_SOVEREIGNS}) [A-Z][a-z]+) ([IVXL]{{1,8}})\b"), _titled),
    Rule(re.compile(rf"\b({alternatives(_REGNAL_NAMES)}) ([IVXL]{{1,8}})\b"), _regnal),
    Rule(re.compile(rf"\b({alternatives(_NUMBERED)}) ([IVXL]{{1,8}})\b"), _numbered),
    Rule(re.compile(r"\b([A-Z][a-z]+) ([IVXL]{2,8})\b"), _sequel),
    Rule(re.compile(r"\b([IVX]{1,5})(?:st|nd|rd|th)?(?= century\b)"), _century),
)
