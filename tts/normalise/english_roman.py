"""How English reads Roman numerals, by the word before them. None leaves the letters as they are."""

from __future__ import annotations

import re

from tts.normalise import roman
from tts.normalise.english_numbers import cardinal, ordinal

REGNAL_NAMES = (
    *("Alexander", "Benedict", "Catherine", "Charles", "Clement", "Edward", "Elizabeth", "Francis", "Frederick"),
    *("George", "Gregory", "Henry", "Innocent", "James", "John Paul", "Leo", "Leopold", "Louis", "Mary", "Napoleon"),
    *("Nicholas", "Philip", "Pius", "Ptolemy", "Ramses", "Richard", "Urban", "Victor Emmanuel", "Wilhelm", "William"),
)
"""A numeral behind one of these is an ordinal: "Louis the fourteenth"."""
NUMBERED = (
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


def regnal(match: re.Match[str]) -> str | None:
    """ "Louis the fourteenth" """
    number = roman.number(match[2])
    if number is None or roman.before_a_pronoun(match, 2):
        return None
    return f"{match[1]} the {ordinal(number)}"


def numbered(match: re.Match[str]) -> str | None:
    """ "Chapter four", "World War two" """
    number = roman.number(match[2])
    return None if number is None or roman.before_a_pronoun(match, 2) else f"{match[1]} {cardinal(number)}"


def sequel(match: re.Match[str]) -> str | None:
    """ "Rocky four", but not "Size forty" """
    return None if roman.is_a_size(match[2]) else numbered(match)


def titled(match: re.Match[str]) -> str | None:
    """ "Queen Elizabeth the first", where a title leaves no doubt"""
    number = roman.number(match[2])
    return None if number is None else f"{match[1]} the {ordinal(number)}"


def century(match: re.Match[str]) -> str | None:
    """ "twenty-first", before the word century"""
    number = roman.number(match[1])
    return None if number is None else ordinal(number)
