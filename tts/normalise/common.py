"""Rules that English and French share but for a few words: addresses, versions, dates in figures, powers, initials.

A rule is made from the language's own words and its ways to say a number. What each matches is in `forms`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from tts.normalise import roman
from tts.normalise.forms import (
    ACCENTED_LETTER,
    CODE,
    COLONS,
    DOMAIN,
    EMAIL,
    HOST_PORT,
    LAST_OF_THIS_CENTURY,
    NOT_AT_END,
    RATIO,
    SUPERSCRIPT,
    URL,
    VERSION,
    VERSIONED,
    alternatives,
    compose,
    exponent,
    spell_address,
    spell_code,
    spell_colons,
)
from tts.normalise.nouns import Noun
from tts.normalise.rules import Rule, plain

Say = Callable[[str], str]
"""figures in words"""

DENOMINATORS = frozenset({*range(2, 11), 12, 16, 20, 100})
"""of fractions that have a name; others are "3 over 7" """
LEAP_YEAR = 2000
"""for a day and a month without a year"""


def address_rules(signs: Mapping[str, str], colon: str, number: Say, digits: Say) -> tuple[Rule, ...]:
    """Addresses of pages, mail, machines and network cards; letters whose accents are characters of their own."""

    def address(match: re.Match[str]) -> str:
        return spell_address(match[0], signs, number)

    return (
        Rule(re.compile(URL), address),
        Rule(re.compile(EMAIL), address),
        Rule(re.compile(DOMAIN), address),
        Rule(re.compile(HOST_PORT), lambda match: f"{version(match[1], number)} {colon} {number(match[2])}"),
        Rule(re.compile(COLONS), lambda match: spell_colons(match[0], colon, digits)),
        Rule(re.compile(ACCENTED_LETTER), compose, within_word=True),
    )


def version(figures: str, number: Say) -> str:
    """ "3 point 10": the parts are numbers of their own."""
    return " point ".join(number(part) for part in figures.split("."))


def version_rules(number: Say) -> tuple[Rule, ...]:
    """1.2.3, Python 3.10, v3.10"""
    return (
        Rule(re.compile(VERSION), lambda match: version(match[0], number)),
        Rule(
            re.compile(rf"\b({alternatives(VERSIONED)}) (\d+\.\d+)(?!\.?\d)"),
            lambda match: f"{match[1]} {version(match[2], number)}",
        ),
        Rule(re.compile(r"(?<=\bv)\d+\.\d+(?!\.?\d)"), lambda match: version(match[0], number)),
    )


def program_rules(dot: str, colon: str) -> tuple[Rule, ...]:
    """beta.2, file.txt, C:\\"""
    return (
        plain(r"(?<=beta|lpha)\.(?=\d)|(?<=\brc)\.(?=\d)", " point "),
        plain(r"(?<=[A-Za-z\d])\.(?=[a-z])|(?<!\S)\.(?=[a-z]{2}|NET\b)", dot),
        plain(r"(?<=\b[A-Z]):(?=[\\/])", f" {colon} "),
    )


def ratio_rule(to: str, number: Say) -> Rule:
    """16:9"""
    return Rule(re.compile(RATIO), lambda match: f"{number(match[1])} {to} {number(match[2])}")


def code_rule(number: Say, digits: Say) -> Rule:
    """The number of an order or a book."""
    return Rule(re.compile(CODE), lambda match: spell_code(match[0], number, digits))


def place_rule(places: str, number: Say) -> Rule:
    """Room 12B"""
    return Rule(
        re.compile(rf"\b({places}) (\d{{1,4}})([A-Z])\b"), lambda match: f"{match[1]} {number(match[2])} {match[3]}"
    )


def units_alone_rule(units: Mapping[str, Noun], alone: Iterable[str]) -> Rule:
    """Units without a number before them."""
    return Rule(re.compile(rf"(?<![\w/])({alternatives(alone)})(?![\w²³/])"), lambda match: units[match[1]].many)


def inches(match: re.Match[str], noun: Noun, counted: Callable[[str, Noun], str]) -> str | None:
    """The number of group 1, where the sign behind it does not close what was quoted."""
    quoted = match[0].endswith('"') and match.string.count('"', 0, match.end() - 1) % 2
    return None if quoted else counted(match[1], noun)


def power_rule(power: str, quantity: Say) -> Rule:
    """x⁵"""

    def said(match: re.Match[str]) -> str | None:
        plain_power = exponent(match)
        return None if plain_power is None else f"{power} {quantity(plain_power)}"

    return Rule(re.compile(rf"(?<=\w){SUPERSCRIPT}|(?<=\)){SUPERSCRIPT}"), said)


def initials_rules() -> tuple[Rule, ...]:
    """U.S.A., e.g.: the letters without their dots."""

    def letters(match: re.Match[str]) -> str:
        return match[1].replace(".", " ")

    return (
        Rule(re.compile(rf"\b((?:[A-Z]\.){{1,7}}[A-Z])(?:\.{NOT_AT_END}|(?=\.))"), letters),
        Rule(re.compile(rf"(?<![\w.])([A-Za-z]\.(?:[a-z]\.){{1,5}}[a-z])(?:\.{NOT_AT_END}|(?=\.))"), letters),
    )


def part_rule(short: Mapping[str, str], letters: str, cardinal: Callable[[int], str]) -> Rule:
    """Vol. IV, of such Roman `letters`."""

    def part(match: re.Match[str]) -> str | None:
        number = roman.number(match[2])
        return None if number is None else f"{short[match[1]]} {cardinal(number)}"

    return Rule(re.compile(rf"\b({alternatives(short)})\. ([{letters}]{{1,8}})\b"), part)


def a_name(openers: str, pattern: str) -> str:
    """What follows a person's initials: a capitalised word (`pattern`), of the `openers` of a sentence none."""
    return rf"(?!(?:{'|'.join(openers.split())})\b){pattern}"


def iso_date(
    match: re.Match[str],
    date: Callable[[int, int, int], str | None],
    clock: Callable[[int, int, int], str | None],
    at: str,
) -> str | None:
    """An `ISO_DATE`, by the language's date and time of day."""
    spoken = date(int(match[1]), int(match[2]), int(match[3]))
    if spoken is None or match[4] is None:
        return spoken
    time = clock(int(match[4]), int(match[5]), int(match[6] or 0))
    return None if time is None else f"{spoken}, {at} {time}{' UTC' * bool(match[7])}"


def full_year(figures: str) -> int:
    """Of four figures, or the last two."""
    year = int(figures)
    if len(figures) == 2:
        year += 2000 if year <= LAST_OF_THIS_CENTURY else 1900
    return year


def span(match: re.Match[str], forms: Mapping[str, str], to: str) -> str:
    """Days or months apart, whose short forms are spelt out."""
    return f" {to} ".join(forms.get(name, name) for name in match.groups())
