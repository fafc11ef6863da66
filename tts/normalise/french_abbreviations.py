"""How French says what is written short: titles, streets, parts of books, initials with dots."""

from __future__ import annotations

import re

from tts.normalise import french_words as words
from tts.normalise.common import a_name, initials_rules, part_rule
from tts.normalise.forms import NOT_AT_END, SPACE, alternatives
from tts.normalise.french_numbers import cardinal
from tts.normalise.rules import Rule, plain

_BEFORE_FIGURES = {
    "fig": "figure",
    "Fig": "figure",
    "chap": "chapitre",
    "Chap": "chapitre",
    "vol": "volume",
    "Vol": "volume",
    "éd": "édition",
    "ann": "annexe",
    "t": "tome",
    "art": "article",
    "Art": "article",
    "al": "alinéa",
    "tabl": "tableau",
    "appt": "appartement",
    "Appt": "appartement",
    "bât": "bâtiment",
    "Bât": "bâtiment",
    "ét": "étage",
    "poste": "poste",
    "th": "thermostat",
}
"""Short only with a dot and a figure or a capital behind it."""
_WAYS = {"pl": "place", "imp": "impasse", "ch": "chemin", "all": "allée", "rte": "route", "r": "rue"}
_OPENERS = "À Au Aux Ce Ces Cet Cette C De Des Du D Elle Elles En Et Il Ils J Je L La Le Les Mais Ma Mon Ne Nous"
_MORE_OPENERS = "On Or Où Oui Non Par Pas Pour Puis Qu Que Qui Quand Sa Se Ses Si Son Sur Ton Tu Un Une Vous Y"
_A_NAME = a_name(f"{_OPENERS} {_MORE_OPENERS}", r"[A-ZÀ-Ý][\w'’-]+")


RULES = (
    plain(rf"(?<![\d.,])1{SPACE}pers(?:\.{NOT_AT_END}|(?=\.))", "une personne"),
    part_rule(_BEFORE_FIGURES, "IVX", cardinal),
    Rule(re.compile(rf"\b(par|de|(?<=[a-zéè] )et) ([A-ZÀ-Ý])\.(?= {_A_NAME})"), lambda match: f"{match[1]} {match[2]}"),
    Rule(
        re.compile(rf"(?<![\w.-])(?<!avant )(?<!après )((?:[A-ZÀ-Ý]\.[ -]?){{1,4}}[A-ZÀ-Ý]\.)(?=\s+{_A_NAME})"),
        lambda match: " ".join(re.sub(r"[.-]", " ", match[1]).split()),
    ),
    plain(r"\bM\.(?=\s+(?:et|ou)\s+M|\s+l(?:e\b|['’])|/)", "monsieur"),
    plain(r"\bpp\.(?= ?\d)|\bp\.(?= ?\d+[-–]\d)", "pages"),
    plain(r"\bMM\.(?!\w)", "messieurs"),
    plain(r"\bP\.-D\. ?G\.(?=\s+[A-ZÀ-Ý]|\s*$)", "P D G."),
    plain(r"\bP\.-D\. ?G\.", "P D G"),
    Rule(re.compile(rf"(?:(?<=\bDr )|(?<=\bMme )|(?<=\bM\. ))([A-ZÀ-Ý])\.(?= {_A_NAME})"), lambda match: match[1]),
    Rule(
        re.compile(r"(?:(?<=\d, )|(?<=\d ))(pl|imp|ch|all|rte|r)\.(?= d[eu'’]| [A-ZÀ-Ý])"),
        lambda match: _WAYS[match[1]],
    ),
    plain(r"\bp\.(?= ?\d)", "page"),
    plain(r"\b(?:v|ca)\. (?=\d{3})", "vers "),
    Rule(
        re.compile(rf"\b({alternatives(_BEFORE_FIGURES)})\.(?= ?(?:\d|[LRDA-F]\b))"),
        lambda match: _BEFORE_FIGURES[match[1]],
    ),
    plain(rf"(?:(?<=\de )|(?<=\der )|(?<=ème ))ét(?:\.{NOT_AT_END}|(?=\.))", "étage"),
    plain(rf"(?:(?<=\de )|(?<=\dre )|(?<=ème ))éd(?:\.{NOT_AT_END}|(?=\.))", "édition"),
    plain(r"\b[Rr]éf\.(?= ?[A-Z\d])", "référence"),
    plain(r"\b[Vv]it\.(?= m(?:ax|in|oy))", "vitesse"),
    plain(r"\bapr\.(?= J\.)", "après"),
    plain(r"\b[Aa]v\.(?= [A-ZÀ-Ý](?!\.))", "avenue"),
    plain(r"\b[Bb](?:d|oul)\.?(?= [A-ZÀ-Ý])", "boulevard"),
    plain(r"\bSt(?=-[A-ZÀ-Ý])", "Saint"),
    plain(r"\bSte(?=-[A-ZÀ-Ý])", "Sainte"),
    plain(r"\b[Pp]\.-S\.(?=\s*:)", "post-scriptum"),
    plain(r"\b(?:N\.B\.|NB)(?=\s*:)", "nota bene"),
    plain(r"\b[Ee]x\.(?=\s*:)", "exemple"),
    plain(r"\b[Tt]él\.?(?=\s*:)", "téléphone"),
)
SHORT_WORDS = (
    Rule(
        re.compile(rf"(?<!\w)({alternatives(words.TITLES)})(?:(?<!\.)\.)?(?=\s+(?:[A-ZÀ-Ý]|d[eu']\b))"),
        lambda match: words.TITLES[match[1]],
    ),
    Rule(
        re.compile(rf"(?<!\w)({alternatives(word[:-1] for word in words.ABBREVIATIONS)})(?:\.{NOT_AT_END}|(?=\.))"),
        lambda match: words.ABBREVIATIONS[match[1] + "."],
    ),
    Rule(
        re.compile(rf"\b({alternatives(words.PLAIN_ABBREVIATIONS)})\b"),
        lambda match: words.PLAIN_ABBREVIATIONS[match[1]],
    ),
    *initials_rules(),
)
