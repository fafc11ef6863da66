"""How English says what is written short: titles, places, parts of books, initials with dots."""

from __future__ import annotations

import re

from tts.normalise import english_words as words
from tts.normalise.forms import NOT_AT_END, alternatives
from tts.normalise.rules import Rule, plain

_BEFORE_FIGURES = {
    "Fig": "figure",
    "fig": "figure",
    "Figs": "figures",
    "figs": "figures",
    "Vol": "volume",
    "vol": "volume",
    "Ch": "chapter",
    "ch": "chapter",
    "Sec": "section",
    "sec": "section",
    "Eq": "equation",
    "eq": "equation",
    "Apt": "apartment",
    "apt": "apartment",
    "Rm": "room",
    "Bldg": "building",
    "ext": "extension",
    "Ext": "extension",
    "ver": "version",
    "tel": "telephone",
    "Tel": "telephone",
}
"""Short only with a dot and a figure or a capital behind it."""

RULES = (
    plain(r"\ba\.k\.a\.(?=\s)", "also known as"),
    plain(r"\bpp\.(?= ?\d)", "pages"),
    plain(r"\bp\.(?= ?\d)", "page"),
    Rule(
        re.compile(rf"\b({alternatives(_BEFORE_FIGURES)})\.(?= ?[\dA-Z])"),
        lambda match: _BEFORE_FIGURES[match[1]],
    ),
    plain(r"(?<=[a-z] )St(?:\.(?=\s+[a-z])|(?=\.\s*$)|(?=\s*$|,))", "Street"),
    Rule(re.compile(rf"\b({alternatives(words.TITLES)})\.(?=\s)"), lambda match: words.TITLES[match[1]]),
    Rule(
        re.compile(rf"\b({alternatives(words.ABBREVIATIONS)})(?:\.{NOT_AT_END}|(?=\.))"),
        lambda match: words.ABBREVIATIONS[match[1]],
    ),
    Rule(
        re.compile(rf"\b((?:[A-Z]\.){{1,7}}[A-Z])(?:\.{NOT_AT_END}|(?=\.))"),
        lambda match: match[1].replace(".", " "),
    ),
    plain(r"(?<!\w)w/o(?!\w)", "without"),
    plain(r"(?<!\w)w/(?=\s)", "with"),
)
