"""How English says what is written short: titles, places, parts of books, initials with dots."""

from __future__ import annotations

import re

from tts.normalise import english_words as words
from tts.normalise.common import a_name, initials_rules, part_rule
from tts.normalise.english_numbers import cardinal
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
    "para": "paragraph",
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
    "Rt": "route",
    "Rte": "route",
    "Ste": "suite",
}
"""Short only with a dot and a figure or a capital behind it."""
_OPENERS = (
    "A An And As At But By For From He Her His How I If In It My No Not On Or Our She So That The Then There They"
)
_MORE_OPENERS = "These This Those To We What When Where Which Who Why Yes You Your"
_A_NAME = a_name(f"{_OPENERS} {_MORE_OPENERS}", "[A-Z][A-Za-z'’-]+")
_SPOKEN_TITLES = {"mr": "Mister", "mrs": "Missus", "dr": "Doctor", "Mr": "Mister", "Mrs": "Missus", "Dr": "Doctor"}

_WHEN = r" (?:c\. )?(?:\d{4}\b|\d{1,2} [A-Z]|[A-Z][a-z]{2,8}\.? \d)"
"""a year, or a date"""

_STREETS = {"Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "St": "Street", "Dr": "Drive"}
_LANES = {"Ln": "Lane", "Ct": "Court", "Pl": "Place", "Sq": "Square", "Ter": "Terrace"}
_SIDES = {"N": "North", "E": "East", "S": "South", "W": "West"}
_QUARTERS = {"NW": "Northwest", "NE": "Northeast", "SW": "Southwest", "SE": "Southeast"}


RULES = (
    part_rule(_BEFORE_FIGURES, "IVXL", cardinal),
    Rule(
        re.compile(rf"\b({alternatives(_STREETS)})\.? ({alternatives(_QUARTERS)})\b"),
        lambda match: f"{_STREETS[match[1]]} {_QUARTERS[match[2]]}",
    ),
    Rule(
        re.compile(rf"(?<=[a-z] )({alternatives(_LANES)})(?:\.(?=\s+[a-z]|,)|(?=\.?\s*$|,))"),
        lambda match: _LANES[match[1]],
    ),
    plain(r"(?<=\dth|\dst|\dnd|\drd) c\.(?=\s*$|\s+[A-Z])", " century."),
    plain(r"(?<=\dth|\dst|\dnd|\drd) c\.(?=\s+[a-z]|,)", " century"),
    plain(rf"(?<=\dth|\dst|\dnd|\drd) fl(?:\.{NOT_AT_END}|(?=\.))", " floor"),
    plain(rf"(?:(?<=\()|(?<=, )|(?<=\bwas ))b\.(?={_WHEN})", "born"),
    plain(rf"(?:(?<=, )|(?<=; ))d\.(?={_WHEN})", "died"),
    Rule(
        re.compile(rf"\b(by|met|named|(?<=[a-z] )and) ([A-Z])\.(?= {_A_NAME})"),
        lambda match: f"{match[1]} {match[2]}",
    ),
    Rule(re.compile(rf"(?:(?<=& )|(?<=\b[DM]r\. )|(?<=\bMrs\. ))([A-Z])\.(?= {_A_NAME})"), lambda match: match[1]),
    Rule(re.compile(r"(?<=\d )([NSEW])\.(?= (?:\d|[A-Z][a-z]))"), lambda match: _SIDES[match[1]]),
    Rule(
        re.compile(rf"\b([A-Z]\.(?: ?[A-Z]\.){{1,4}})(?=\s+{_A_NAME})"),
        lambda match: " ".join(match[1].replace(".", " ").split()),
    ),
    Rule(re.compile(rf"\b([A-Z][a-z]+ [A-Z])\.(?= {_A_NAME})"), lambda match: match[1]),
    Rule(
        re.compile(
            r"\b(?!(?:The|A|My|Your|Our|Yes|No|Hello|Hi|Dear|Thanks) )([A-Z][a-z]+) Dr"
            r"(?:\.(?=\s+[a-z]|,)|(?=\.?\s*$|,))"
        ),
        lambda match: f"{match[1]} Drive",
    ),
    plain(r"(?:(?<=[a-z] )|(?<=\dst )|(?<=\dnd )|(?<=\drd )|(?<=\dth ))Ave\b(?!\.| Mar| Ver)", "Avenue"),
    plain(r"\b[Ee]st\.(?= (?:1[5-9]|20)\d\d\b)", "established"),
    plain(r"\bFt\.(?= [A-Z])", "Fort"),
    plain(r"\ba\.k\.a\.(?=\s)", "also known as"),
    plain(r"\bpp\.(?= ?\d)", "pages"),
    plain(r"\bp\.(?= ?\d)", "page"),
    Rule(
        re.compile(rf"\b({alternatives(_BEFORE_FIGURES)})\.(?= ?(?:\(?\d|[A-Z]))"),
        lambda match: _BEFORE_FIGURES[match[1]],
    ),
    plain(r"(?<=[a-z] )St(?:\.(?=\s+[a-z]|,)|(?=\.\s*$)|(?=\s*$|,))", "Street"),
    Rule(re.compile(rf"\b({alternatives(words.TITLES)})\.(?=\s)"), lambda match: words.TITLES[match[1]]),
    Rule(
        re.compile(r"\b(?:(mr|mrs|dr)\.?(?=\s+[a-z])|(Mr|Mrs|Dr)(?=\s+[A-Z]))"),
        lambda match: _SPOKEN_TITLES[match[1] or match[2]],
    ),
    Rule(
        re.compile(rf"\b({alternatives(words.ABBREVIATIONS)})(?:\.{NOT_AT_END}|(?=\.))"),
        lambda match: words.ABBREVIATIONS[match[1]],
    ),
    *initials_rules(),
    plain(r"(?<!\w)w/o(?!\w)", "without"),
    plain(r"(?<!\w)b/c(?!\w)", "because"),
    plain(r"(?<!\w)c/o(?!\w)", "care of"),
    plain(r"(?<=\w )vs(?= )", "versus"),
    plain(r"(?<!\w)[Nn]/[Aa](?!\w)", "not applicable"),
    plain(r"\b[Pp]ls\b", "please"),
    plain(r"\b[Tt]hx\b", "thanks"),
    plain(r"\byrs\b", "years"),
    plain(r"\b[Ii]nt['’]l\b", "international"),
    plain(r"(?<!\w)w/(?=\s)", "with"),
)
