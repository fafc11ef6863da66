"""How French reads figures, times, dates, units, money, signs and abbreviations. Usage of France.

Ambiguous forms take the commoner reading: 3/4/2026 is April 3rd, a tight hyphen between numbers is "à".
"""

from __future__ import annotations

import re

from tts.normalise import french_abbreviations as abbreviations
from tts.normalise import french_roman, scripture
from tts.normalise import french_symbols as symbols
from tts.normalise import french_words as words
from tts.normalise.common import (
    DENOMINATORS,
    address_rules,
    code_rule,
    inches,
    place_rule,
    power_rule,
    program_rules,
    ratio_rule,
    units_alone_rule,
    version,
    version_rules,
)
from tts.normalise.forms import CARD, IBAN, NOT_AT_END, SIGN, SPACE, alternatives, spell_account
from tts.normalise.french_calendar import DATES_AND_TIMES
from tts.normalise.french_money import MONEY
from tts.normalise.french_numbers import cardinal, digits, integer, ordinal
from tts.normalise.french_operators import OPERATORS
from tts.normalise.french_quantities import (
    NUMBER,
    QUANTITY,
    SIGN_WORDS,
    counted,
    of,
    quantity,
    rate,
    share_of_a_unit,
)
from tts.normalise.nouns import regular
from tts.normalise.rules import LanguageRules, Rule, plain
from tts.normalise.science import FRENCH_WORDS, science_rules
from tts.normalise.symbols import SymbolNames

_NOT_A_UNIT = r"(?![\w²³]|\.[a-z]\.|/(?!(?:j|jour|semaine|mois|an|nuit|dose|personne)\b)[A-Za-z]|\^|['’]\w)"
_NO_NOUN = r"(?!(?:et|ou|par|en|à|aux?|pour|dans|sur|soit|mais|est|sont|a|ont|ne|qui|que|fois|de|du|des|d|n|qu|l)\b)"
_OFTEN = {"j": "jour", "jour": "jour", "sem": "semaine", "semaine": "semaine", "mois": "mois", "an": "an"}
_MARKS = frozenset({10, 20})
"""At school: 15/20 is "quinze sur vingt"."""


def _a_race(match: re.Match[str]) -> str:
    """'10"49'"""
    return f"{counted(match[1], regular('seconde', feminine=True))} {integer(match[2])}"


def _scaled(match: re.Match[str]) -> str:
    return counted(match[1], regular("million" if match[2] == "M" else "milliard"))


def _fraction(match: re.Match[str]) -> str | None:
    if match[0] in ("24/7", "7/7"):
        return "vingt-quatre heures sur vingt-quatre" if match[0] == "24/7" else "sept jours sur sept"
    if match[0] == "50/50":
        return "cinquante cinquante"
    share = _share(match[2], match[3], match[4])
    return f"{SIGN_WORDS[match[1]]} {share}" if match[1] and share else share


def _share(whole: str | None, above: str, below: str) -> str | None:
    top, bottom = int(above), int(below)
    a_mark = bottom in _MARKS and top > 1
    if not 0 < top < bottom or bottom not in DENOMINATORS or a_mark:
        return None if whole else f"{integer(above)} sur {integer(below)}"
    part = {2: "demi", 3: "tiers", 4: "quart"}.get(bottom, ordinal(bottom))
    spoken = f"{cardinal(top)} {part if top == 1 or part.endswith('s') else part + 's'}"
    return f"{integer(whole)} et {spoken}" if whole else spoken


def _share_of_an_hour(match: re.Match[str]) -> str:
    fractions = {"1/2": "une demi-heure", "1/4": "un quart d'heure", "3/4": "trois quarts d'heure"}
    return fractions[{"½": "1/2", "¼": "1/4", "¾": "3/4"}.get(match[1], match[1])]


def _scientific(match: re.Match[str]) -> str:
    return f"{quantity(match[1])} fois dix puissance {quantity(match[2])}"


def _out_of(match: re.Match[str]) -> str:
    """4,5/5"""
    return f"{quantity(match[1])} sur {integer(match[2])}"


def _height(match: re.Match[str]) -> str:
    return f"{counted(match[1], words.UNITS['m'])} {cardinal(int(match[2]))}"


def _ordinal(match: re.Match[str]) -> str | None:
    number, ending = int(match[1]), match[2]
    if ending in ("er", "ers", "re", "ère", "ères"):
        if number != 1:
            return None
        return ordinal(1, feminine="r" in ending and ending not in ("er", "ers")) + "s" * ending.endswith("s")
    if ending in ("nd", "nde", "d", "de"):
        return ("seconde" if ending.endswith("e") else "second") if number == 2 else None
    return ordinal(number) + "s" * ending.endswith("s")


def _ten_digits(match: re.Match[str]) -> str:
    return ", ".join(integer(match[0][begin : begin + 2]) for begin in range(0, 10, 2))


def _phone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0].replace("(0)", ""))
    if len(groups) == 1:
        code, local = groups[0][:2], groups[0][2:]
        groups = [code, local[: len(local) % 2], *re.findall(r"\d\d", local[len(local) % 2 :])]
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(integer(group) for group in groups if group)


def _groups(match: re.Match[str]) -> str:
    return ", ".join(integer(group) if group.isdecimal() else group for group in match[0].split())


def _before_feminine(match: re.Match[str]) -> str | None:
    """None before a verb: "le 31 part" is no "31 parts"."""
    noun = re.match(r" (\w+)", match.string[match.end() : match.end() + 40])
    if noun is None or (match[0] != "1" and not noun[1].endswith("s")):
        return None
    return quantity(match[0], feminine=True)


def _times_per(match: re.Match[str]) -> str:
    """3 x/j"""
    return f"{quantity(match[1], feminine=True)} fois par {_OFTEN[match[2]]}"


_PHONES = (
    Rule(re.compile(r"(?<![\d.,])[12] \d\d \d\d \d[\dAB] \d{3} \d{3}(?: \d\d)?(?!\d)"), _groups),
    Rule(re.compile(r"(?<=SIRE[NT] )\d{3} \d{3} \d{3}(?: \d{5})?(?!\d)"), _groups),
    Rule(re.compile(IBAN), lambda match: spell_account(match[0], digits)),
    Rule(re.compile(CARD), lambda match: ", ".join(map(digits, re.findall(r"\d+", match[0])))),
    Rule(re.compile(rf"(?:\+\d{{2}}{SPACE}?(?:\(0\){SPACE}?)?\d|0\d)(?:[ .\u00a0\u202f-]\d{{2}}){{4}}(?!\d)"), _phone),
    Rule(re.compile(r"(?<![\d.,])0[1-9]\d{8}(?!\d)"), _ten_digits),
    Rule(re.compile(r"\+\d{9,13}(?![\d.,])|(?<![\d.,])0 8\d\d(?: \d{3}){2}(?!\d)"), _phone),
)
_PLACES = "[Cc]hambre|[Ss]alle|[Pp]lace|[Ss]iège|[Pp]orte|[Qq]uai|[Vv]oie|[Bb]us|[Ll]igne|[Aa]ppartement"
_U = alternatives(words.UNITS)
_UNITS = (
    place_rule(_PLACES, integer),
    Rule(re.compile(rf"\b([Dd]|[Qq]u)e 1(?= {words.FEMININE}\b)"), lambda match: f"{match[1]}'une"),
    Rule(
        re.compile(r"\b([Dd]|[Qq]u)e 1(?= (?:jour|mois|an|litre|kilo|mile|pied|pouce)\b)"),
        lambda match: f"{match[1]}'un",
    ),
    Rule(
        re.compile(rf"\b([Dd]|[Qq]u)e 1{SPACE}?({alternatives(words.UNITS)}){_NOT_A_UNIT}"),
        lambda match: f"{match[1]}'{counted('1', words.UNITS[match[2]])}",
    ),
    Rule(re.compile(r"(?<![\d.,])([12])m(\d\d)(?!\w)"), _height),
    Rule(re.compile(rf"(?<![\d.,+−-])([1-9]\d?),(\d\d){SPACE}?m{_NOT_A_UNIT}"), _height),
    Rule(re.compile(rf"({NUMBER}){SPACE}?[x×]/({alternatives(_OFTEN)})\b"), _times_per),
    Rule(
        re.compile(rf"({NUMBER}){SPACE}cp[rs]?(?:\.{NOT_AT_END}|(?=\.)|(?!\w))"),
        lambda match: counted(match[1], regular("comprimé")),
    ),
    Rule(
        re.compile(rf"({NUMBER}){SPACE}sem(?:\.{NOT_AT_END}|(?=\.)|(?!\w))"),
        lambda match: counted(match[1], regular("semaine", feminine=True)),
    ),
    plain(r"(?<=\bles )[-−](?=\d\d? ans\b)", "moins de "),
    plain(r"(?<=\bles )\+(?=\d\d? ans\b)", "plus de "),
    Rule(re.compile(r"(?<![\d.,])([1-9]0)['’]s\b"), lambda match: integer(match[1])),
    Rule(re.compile(rf"\b([Dd]|[Qq]u)e [~≈]{SPACE}?(?=\d)"), lambda match: f"{match[1]}'environ "),
    Rule(re.compile(rf"({NUMBER})(?:″|\"(?!\w))"), lambda match: inches(match, regular("pouce"), counted)),
    Rule(re.compile(rf"({NUMBER}){SPACE}?j(?![\w'’])"), lambda match: counted(match[1], regular("jour"))),
    Rule(
        re.compile(rf"(?<![A-Za-z\d])({QUANTITY}){SPACE}?({alternatives(words.UNITS)}){_NOT_A_UNIT}"),
        lambda match: counted(match[1], words.UNITS[match[2]]),
    ),
    Rule(
        re.compile(rf"(?<![A-Za-z\d])({QUANTITY}){SPACE}?({_U})/({_U})(?:\^?([23]))?{_NOT_A_UNIT}"),
        rate,
    ),
    Rule(
        re.compile(rf"(?<=[⁰¹²³⁴⁵⁶⁷⁸⁹] )({_U}){_NOT_A_UNIT}"),
        lambda match: words.UNITS[match[1]].many,
    ),
    units_alone_rule(words.UNITS, words.UNITS_ALONE),
)

FRENCH = LanguageRules(
    (
        *address_rules(symbols.ADDRESS_SIGNS, "deux-points", integer, digits),
        *_PHONES,
        *science_rules(FRENCH_WORDS, integer, digits),
        *scripture.french_rules(integer),
        Rule(
            re.compile(rf"({NUMBER}){SPACE}?B(?: de)?(?= param)"), lambda m: f"{counted(m[1], regular('milliard'))} de"
        ),
        plain(r"\bt\.a\.b\b\.?", "tirs au but"),
        Rule(re.compile(r"(?<![\d.,])(\d{1,2})[\"″](\d\d)(?![\w\"])"), _a_race),
        *DATES_AND_TIMES,
        Rule(
            re.compile(rf"(?<![\d:.,/])(\d{{1,3}})[:/](\d{{1,3}}(?:{SPACE}\d{{3}}){{1,4}})(?![\d:]|[.,]\d)"),
            lambda match: f"{integer(match[1])} sur {quantity(match[2])}",
        ),
        ratio_rule("sur", integer),
        code_rule(integer, digits),
        *MONEY,
        Rule(re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{3}){2}(?![.\d])"), lambda match: quantity(match[0])),
        *version_rules(integer),
        Rule(re.compile(r"§ ?(\d+\.\d+)(?!\.?\d)"), lambda match: f"paragraphe {version(match[1], integer)}"),
        Rule(
            re.compile(rf"(?<![\w/])(1/2|1/4|3/4|[½¼¾]){SPACE}?(c\. à c\.|c\. à s\.|càc|càs|kg|km|l|L|oz|lb|mi)(?!\w)"),
            share_of_a_unit,
        ),
        Rule(
            re.compile(rf"\b([Dd]|[Qq]u)e (?:1/2|½){SPACE}?(?:h|heure)\b"), lambda match: f"{match[1]}'une demi-heure"
        ),
        Rule(re.compile(rf"(?<![\w/])(1/2|1/4|3/4|[½¼¾]){SPACE}?(?:h|heure)\b"), _share_of_an_hour),
        Rule(re.compile(rf"({SIGN})(?:(\d{{1,15}}) )?(\d{{1,15}})/(\d{{1,15}})(?![/\d])"), _fraction),
        Rule(re.compile(r"(?<![\w.,/])(\d{1,3}[.,]\d{1,2})/(5|10|20|100)(?![/\d]|[.,]\d)"), _out_of),
        Rule(re.compile(r"(\d{1,15})(ers|er|ères|ère|re|èmes|ème|es|e|è|ᵉ|nde|nd|de|d)\b(?![-−+]\d)"), _ordinal),
        *french_roman.RULES,
        *_UNITS,
        *OPERATORS,
        *abbreviations.RULES,
        plain(r"\bC#(?!\w)", "C dièse"),
        Rule(re.compile(rf"{SIGN}{NUMBER}(?= {words.FEMININE}\b)"), _before_feminine),
        Rule(re.compile(rf"({NUMBER})[x×](?!\w)(?! ?[\d+=<>^−-])"), lambda match: f"{quantity(match[1], True)} fois"),
        power_rule("puissance", quantity),
        Rule(re.compile(rf"({NUMBER})[eE]([-+−]?\d{{1,3}})\b"), _scientific),
        Rule(
            re.compile(rf"(\d{{1,3}}(?:{SPACE}\d{{3}})*(?:{SPACE}000){{2}}) ({_NO_NOUN}[a-zà-ÿœ]+)"),
            lambda match: of(quantity(match[1]), match[2]),
        ),
        Rule(re.compile(rf"({NUMBER}){SPACE}?(Mds?|M(?= d['’e]))(?!\w)"), _scaled),
        Rule(re.compile(QUANTITY), lambda match: quantity(match[0])),
        *abbreviations.SHORT_WORDS,
        *program_rules("point", "deux-points"),
    ),
    SymbolNames(symbols.SYMBOLS, "symbole inconnu", cardinal, speaks_unicode_names=False),
)
