"""How English says signs between figures and words: arithmetic, comparisons, arrows, slashes, dashes."""

from __future__ import annotations

from tts.normalise.forms import SPACE
from tts.normalise.rules import plain

OPERATORS = (
    plain(rf"(?:#|№|\b[Nn][°º]|\b[Nn]o\.){SPACE}?(?=\d)", "number"),
    plain(rf"\b[Nn]os\.{SPACE}?(?=\d)", "numbers"),
    plain(r"^#{1,6} (?=\S)|(?<=\n)#{1,6} (?=\S)", " "),
    plain(r"(?<=\d)x(?=\d)", "by"),
    plain(r"(?<=[\w)]) ?\*\* ?(?=[\d(])", " to the power of "),
    plain(r"(?<=\d) x (?=\d)|(?<=\d) ?\* ?(?=\d)", " times "),
    plain(r"(?<=[\d)]) / (?=[\d(])", " divided by "),
    plain(r"(?<=[\d)]) - (?=[\d(])", " minus "),
    plain(r"(?<=[\w)])\^(?=[-−]?[\d(])", "to the power of"),
    plain(r" ?>= ?", " is at least "),
    plain(r" ?<= ?", " is at most "),
    plain(r" ?!= ?", " is not equal to "),
    plain(r" ?={2,3} ?", " equals "),
    plain(r" ?[-=]> ?", " to "),
    plain(r"(?<=[\dA-Za-z€£)])/(?=(?:month|mo|year|yr|week|day|night|hour|minute|second|person|unit|page)\b)", " per "),
    plain(r"(?<=\d)/hr?\b", " per hour"),
    plain(r"(?<=\d)/kg\b", " per kilogram"),
    plain(r"(?<=\d)/lb\b", " per pound"),
    plain(r"\band/or\b", "and or"),
    plain(r"\bC#(?!\w)", "C sharp"),
    plain(r"\bF#(?!\w)", "F sharp"),
    plain(r"(?<!\S)~(?=/)", "tilde "),
    plain(r"(?<=[\d%°€£$])-(?=[\d$€£])|(?<=[\d%°CFM.]) ?– ?(?=[\d$€£])", " to "),
)
