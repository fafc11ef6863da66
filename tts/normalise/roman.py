"""Roman numerals, where the words around them say that they are numbers and not letters."""

from __future__ import annotations

import re

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_DIGITS = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
_LOWER_CASE_FOLLOWS = re.compile(r"\s+[^\W\d_A-ZÀ-Ý]")


def number(numeral: str) -> int | None:
    """The number from 1 to 399, None for letters that are no proper numeral (MIX is none, nor is IIII)."""
    values = [_VALUES.get(letter, 0) for letter in numeral]
    if not values or 0 in values:
        return None
    following = [*values[1:], 0]
    total = sum(-value if value < after else value for value, after in zip(values, following, strict=True))
    return total if _numeral(total) == numeral else None


def before_a_pronoun(match: re.Match[str], group: int) -> bool:
    """Whether the numeral is the English word I: a lone I with a word in lower case behind it."""
    return match[group] == "I" and _LOWER_CASE_FOLLOWS.match(match.string, match.end(group)) is not None


def is_a_size(numeral: str) -> bool:
    """Whether the letters, after any name, are more likely a size or an abbreviation: XL, LI, CV, CD."""
    return len(numeral) < 3 and not set(numeral) <= set("IVX")


def _numeral(total: int) -> str:
    letters = ""
    for value, digits in _DIGITS:
        count, total = divmod(total, value)
        letters += digits * count
    return letters
