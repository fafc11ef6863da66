"""How English says signs between figures and words: arithmetic, comparisons, arrows, slashes, dashes."""

from __future__ import annotations

import re

from tts.normalise.forms import SPACE
from tts.normalise.rules import Rule, plain

_LENGTHS = r"(?=\d+(?:\.\d+)? ?(?:m|cm|mm|km|ft|in|feet|meters)\b)"

_POINTS = {"N": "north", "E": "east", "S": "south", "W": "west"}


_IN_FULL = {
    **{"min": "minute", "hr": "hour", "sec": "second", "yr": "year", "mo": "month", "wk": "week"},
    **{"lb": "pound", "oz": "ounce", "ft": "foot", "mi": "mile", "km": "kilometer", "kg": "kilogram"},
}
"""between a number and a noun: a 12-min drive"""
_IN_A_NAME = re.compile(r"[A-Za-z][\d.]*$")


def _range(match: re.Match[str]) -> str | None:
    """None within a name with figures, as in Qwen2.5-0.5B."""
    return None if _IN_A_NAME.search(match.string, max(0, match.start() - 6), match.start()) else " to "


def _wind(match: re.Match[str]) -> str:
    return f"{_POINTS[match[1]]} {_POINTS[match[2]]}{_POINTS[match[3]]}"


OPERATORS = (
    Rule(re.compile(r"\b(?=NN[EW]\b|SS[EW]\b|E[NS]E\b|W[NS]W\b)([NESW])([NS])([EW])\b"), _wind),
    plain(r"#(?=[A-Z]{1,4}-?\d)", "number"),
    Rule(re.compile(r"(?<=\d)-(min|hr|sec|yr|mo|wk|lb|oz|ft|mi|km|kg)\b"), lambda match: f"-{_IN_FULL[match[1]]}"),
    Rule(
        re.compile(r"(?:(?<=[Ww]ind )|(?<=[Ww]inds ))([NS])([EW])\b"),
        lambda match: "".join(map(_POINTS.__getitem__, match.groups())),
    ),
    plain(r"(?<=\bUTC)[-−](?=\d)|(?<=\bGMT)[-−](?=\d)", " minus "),
    plain(r"(?<=\d['’′]) [x×] (?=\d)", " by "),
    plain(r" ?&& ?", " and "),
    plain(r" ?\|\| ?", " or "),
    plain(r"\$(?=[A-Z_]{2,}\b)", "dollar "),
    plain(r"(?<!\S)\*(?=\d)", "star "),
    plain(r"(?:^|(?<=\n))> (?=\S)", " "),
    plain(r"(?<=\b[Hh]e)/(?=she\b)|(?<=\b[Hh]is)/(?=her\b)|(?<=\b[Hh]im)/(?=her\b)|(?<=\byes)/(?=no\b)", " or "),
    plain(r"(?<=\d)/gal\b", " per gallon"),
    plain(r"(?<=\d/\d\d) mmHg\b", "millimeters of mercury"),
    plain(r"(?<=[²³])[-−](?=\d|[a-z]\b)", " minus "),
    plain(rf"(?<=[A-Za-z²]) [x×] (?=\d)|(?<=\d) ?[x×] ?{_LENGTHS}", " by "),
    plain(r"(?<=[(=±])[-−](?=[a-z]\b)|(?<=[=±×] )[-−](?=[a-z]\b)", " minus "),
    plain(r"(?<=[²³]) - (?=\w)|(?<=\b[a-z]) - (?=\d)", " minus "),
    plain(r"(?<=\d) % (?=\d)", " modulo "),
    plain(r"(?<=\d)!(?= ?[=+*/×)-])", " factorial"),
    plain(r"(?<=\d)\.\.(?=\d)", " to "),
    plain(r"(?<=[MBKkn])[-–](?=[$€£]\d)", " to "),
    plain(r"(?<![\d-])50-50(?![\d-])", "fifty fifty"),
    plain(r"(?<=\d )ea(?:\.(?=\s+[a-z]|,)|(?=\.?(?:\s|$)))", "each"),
    plain(rf"(?:#|№|\b[Nn][°º]|\b[Nn]o\.){SPACE}?(?=\d)", "number"),
    plain(rf"\b[Nn]os\.{SPACE}?(?=\d)", "numbers"),
    plain(r"^#{1,6} (?=\S)|(?<=\n)#{1,6} (?=\S)", " "),
    plain(r"(?<=\d)x(?=\d)|(?<=\d{3}) ?× ?(?=\d{3})", " by "),
    plain(r"(?<=[\w)]) ?\*\* ?(?=[\d(])", " to the power of "),
    plain(r"(?<=\d) x (?=\d)|(?<=\d) ?\* ?(?=\d)", " times "),
    plain(r"(?<=[\d)]) / (?=[\d(])", " divided by "),
    plain(r"(?<=[\d)]) - (?=[\d(])", " minus "),
    plain(r"(?<=[\w)])\^(?=[-−]?[\d(])|(?<=\b[a-z])\^(?=[a-z]\b)", "to the power of"),
    plain(r"(?<=\d)°F(?=/[a-z])", " degrees Fahrenheit"),
    plain(r"(?<=\d)°C(?=/[a-z])", " degrees Celsius"),
    plain(r"(?<=\bis) >= ?", " at least "),
    plain(r" ?>= ?", " is at least "),
    plain(r" ?<= ?", " is at most "),
    plain(r" ?!= ?", " is not equal to "),
    plain(r" ?={2,3} ?", " equals "),
    plain(r" ?[-=]> ?", " to "),
    plain(
        r"(?<=[\dA-Za-z€£)])/(?=(?:month|mo|year|yr|week|day|night|dose|hour|minute|second|person|serving|unit|page)\b)",
        " per ",
    ),
    plain(r"(?<=\d)/hr?\b", " per hour"),
    plain(r"(?<=\d)/km\b", " per kilometer"),
    plain(r"(?<=\d)/mi(?:le)?\b", " per mile"),
    plain(r"(?:(?<=\dst)|(?<=\dnd)|(?<=\drd)|(?<=\dth))[-–](?=\d{1,2}(?:st|nd|rd|th)\b)", " to "),
    plain(r"(?<=\d)/kg\b", " per kilogram"),
    plain(r"(?<=\d)/lb\b", " per pound"),
    plain(r"\band/or\b", "and or"),
    plain(r"\bC#(?!\w)", "C sharp"),
    plain(r"\bF#(?!\w)", "F sharp"),
    plain(r"(?<!\S)~(?=/)", "tilde "),
    Rule(re.compile(r"(?<=[\d%°€£$])-(?=[\d$€£])|(?<=[\d%°CFM.]) ?– ?(?=[\d$€£])"), _range),
)
