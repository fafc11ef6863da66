"""How English reads Roman numerals, by the word before them. None leaves the letters as they are."""

from __future__ import annotations

import re

from tts.normalise import roman
from tts.normalise.english_numbers import cardinal, ordinal


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


def century(match: re.Match[str]) -> str | None:
    """ "twenty-first", before the word century"""
    number = roman.number(match[1])
    return None if number is None else ordinal(number)
