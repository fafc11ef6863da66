"""Percentages as sums: "10 percent more than 50", "what percent is 30 of 120", "30 sur 120 en pourcentage"."""

from __future__ import annotations

import re

from core.messages import Language
from llm.skills.normalise import Token

_N = r"(-?[\d.e+]+)"
_MORE: dict[Language, tuple[tuple[re.Pattern[str], float], ...]] = {
    "en": (
        (re.compile(rf"{_N} percent more than {_N}"), 1.0),
        (re.compile(rf"{_N} percent less than {_N}"), -1.0),
        (re.compile(rf"{_N} percent on top of {_N}"), 1.0),
    ),
    "fr": (
        (re.compile(rf"{_N} pour cent de plus (?:que|sur) {_N}"), 1.0),
        (re.compile(rf"{_N} pour cent de moins (?:que|sur) {_N}"), -1.0),
    ),
}
"""a percentage and a number, and whether that is added or taken away"""
_PART, _WHOLE = r"(?P<part>-?[\d.e+]+)", r"(?P<whole>-?[\d.e+]+)"
_SHARE: dict[Language, tuple[re.Pattern[str], ...]] = {
    "en": (
        re.compile(rf"(?:what )?percent(?:age)? is {_PART} (?:of|out of) {_WHOLE}"),
        re.compile(rf"(?:what )?percent(?:age)? of {_WHOLE} is {_PART}"),
        re.compile(rf"{_PART} (?:as a|is what) percent(?:age)? of {_WHOLE}"),
        re.compile(rf"{_PART} (?:of|out of) {_WHOLE} (?:as a|in) percent(?:age)?"),
    ),
    "fr": (
        re.compile(rf"(?:quel )?pourcentage (?:font|fait|represente|representent) {_PART} (?:sur|de) {_WHOLE}"),
        re.compile(rf"{_PART} (?:sur|de) {_WHOLE} en (?:pourcentage|pour cent)"),
    ),
}
"""a number and the whole of which it is so many percent"""
_TIMES: dict[Language, tuple[str, ...]] = {"en": ("times",), "fr": ("fois",)}
_DIVIDED: dict[Language, tuple[str, ...]] = {"en": ("divided", "by"), "fr": ("divise", "par")}


def percentage(tokens: list[Token], language: Language) -> list[Token]:
    """The tokens of the sum, or nothing where they ask for no such thing."""
    text = " ".join(f"{token.value:g}" if token.value is not None else token.text for token in tokens)
    for pattern, sign in _MORE[language]:
        if found := pattern.fullmatch(text):
            return [_number(1 + sign * float(found[1]) / 100), *_words(_TIMES[language]), _number(float(found[2]))]
    for pattern in _SHARE[language]:
        if found := pattern.fullmatch(text):
            share = [_number(float(found["part"])), *_words(_TIMES[language]), _number(100.0)]
            return [*share, *_words(_DIVIDED[language]), _number(float(found["whole"]))]
    return []


def _number(value: float) -> Token:
    return Token(f"{value:g}", 0, 0, value)


def _words(words: tuple[str, ...]) -> list[Token]:
    return [Token(word, 0, 0) for word in words]
