"""Written forms of chemistry, music, geography and programs, which English and French share but for a few words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from tts.normalise.forms import spell_code
from tts.normalise.rules import Rule, plain

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"


@dataclass(frozen=True, slots=True)
class ScienceWords:
    """A language's words for these forms."""

    plus: str
    minus: str
    sharp: str
    star: str
    dot: str
    degrees: str
    minutes: str
    seconds: str
    identified: str
    """said for the # before a number of two parts"""


ENGLISH_WORDS = ScienceWords("plus", "minus", "sharp", "star", "dot", "degrees", "minutes", "seconds", "number")
FRENCH_WORDS = ScienceWords("plus", "moins", "dièse", "étoile", "point", "degrés", "minutes", "secondes", "numéro")


def science_rules(words: ScienceWords, number: Callable[[str], str], digits: Callable[[str], str]) -> tuple[Rule, ...]:
    """To be tried before the rules of times and of numbers. Figures are said by `number`, or one by one by `digits`."""
    signs = {"⁺": words.plus, "⁻": words.minus}

    def plain_digits(raised: str) -> str:
        return unicodedata.normalize("NFKC", raised)

    def charge(match: re.Match[str]) -> str:
        count = f"{number(plain_digits(match[1]))} " if match[1] else ""
        return count + signs[match[2]]

    def formula(match: re.Match[str]) -> str:
        return " ".join(number(part) if part.isdigit() else part for part in re.findall(r"\d+|[A-Z][a-z]?", match[0]))

    def place(match: re.Match[str]) -> str:
        said = f"{number(match[1])} {words.degrees} {number(match[2])} {words.minutes}"
        return f"{said} {number(match[3])} {words.seconds}" if match[3] else said

    return (
        Rule(re.compile(r"\b0[xX][\dA-Fa-f]{1,16}\b"), lambda match: _hexadecimal(match[0], digits)),
        Rule(re.compile(rf"(?<![\w)])([{_RAISED}]{{1,3}})(?=[A-Z][a-z]?\b)"), lambda m: number(plain_digits(m[1]))),
        Rule(re.compile(rf"(?<=[A-Za-z0-9₀-₉)\]])([{_RAISED}]?)([⁺⁻])(?![\w{_RAISED}])"), charge),
        Rule(re.compile(r"(?<![\w-])C\d{0,3}H\d{1,3}(?:[A-Z][a-z]?\d{0,3}){0,6}(?![\w-])"), formula),
        plain(r"(?<=\b[A-G])#(?=m|maj|dim|sus|\d|[-–/][A-G])", f" {words.sharp} "),
        plain(r"(?<!\S)\*\.(?=\w)", f"{words.star} {words.dot} "),
        Rule(
            re.compile(r"(?:#|№|\b[Nn][°º]|\b[Nn]o\.) ?(\d{3,9}[-–]\d{1,9})(?![\w-])"),
            lambda match: f"{words.identified} {spell_code(match[1], number, digits)}",
        ),
        Rule(
            re.compile(r"\b([A-Z]{2,5})[-–](\d{2,6}[-–]\d{2,9})(?![\w-])"),
            lambda match: f"{match[1]}, {spell_code(match[2], number, digits)}",
        ),
        Rule(re.compile(r"(?<![\d.,])(\d{1,3})° ?([0-5]?\d)[′'’](?: ?([0-5]?\d)(?:[″\"”]|''))?(?![\w])"), place),
    )


def _hexadecimal(number: str, digits: Callable[[str], str]) -> str:
    """Each sign by itself: "zero x eight F"."""
    return " ".join(digits(sign) if sign.isdigit() else sign.upper() if sign not in "xX" else "x" for sign in number)
