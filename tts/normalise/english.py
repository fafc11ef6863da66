"""How English reads figures, times, dates, units, money, signs and abbreviations. American usage.

Ambiguous forms take the commoner reading: 3/4/2026 is March 4th, a tight hyphen between numbers is "to".
"""

from __future__ import annotations

import re

from tts.normalise import english_abbreviations as abbreviations
from tts.normalise import english_calendar as calendar
from tts.normalise import english_roman, scripture
from tts.normalise import english_symbols as symbols
from tts.normalise import english_words as words
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
    version_rules,
)
from tts.normalise.english_money import MONEY
from tts.normalise.english_numbers import cardinal, digits, integer, ordinal
from tts.normalise.english_operators import OPERATORS
from tts.normalise.english_quantities import NUMBER, QUANTITY, SIGN_WORDS, counted, quantity
from tts.normalise.forms import CARD, IBAN, SIGN, SPACE, alternatives, spell_account
from tts.normalise.nouns import Noun
from tts.normalise.rules import LanguageRules, Rule, plain
from tts.normalise.science import ENGLISH_WORDS, science_rules
from tts.normalise.symbols import SymbolNames

_SAID_AS_TWO = {
    "24/7": "twenty-four seven",
    "9/11": "nine eleven",
    "50/50": "fifty fifty",
    "80/20": "eighty twenty",
    "20/20": "twenty twenty",
}
_SPOONS = "tsp|tbsp|oz|lb|lbs|kg|g|km|mi|cm|m|l|L|ml|gal|qt|hr|min"
_PERIODS = r"(?:month|year|week|day|night|dose|person|serving)\b"
_NOT_A_UNIT = rf"(?![\w²³]|/(?!{_PERIODS})[A-Za-z]|\^|['’]\w)"
_COUNTED = r"[ -](?:param|weights|tokens|people|users|views|downloads|dollars|euros|pounds|rows|records|years)"
_SIZED = r"[ -](?:model|LLM|version|variant|class|size|checkpoint|and \d)"
"""what a B stands before that is no byte: seven billion parameters, a seven B model"""


def _rate(match: re.Match[str]) -> str:
    """ "five liters per minute", "per cubic meter", "per second squared" """
    per, power = words.UNITS[match[3]].one, match[4]
    if power and per == "second":
        per += " squared" if power == "2" else " cubed"
    elif power:
        per = f"{'square' if power == '2' else 'cubic'} {per}"
    return f"{counted(match[1], words.UNITS[match[2]])} per {per}"


def _hours_minutes(match: re.Match[str]) -> str:
    return f"{counted(match[1], words.UNITS['h'])} {counted(str(int(match[2])), words.UNITS['min'])}"


def _fraction(match: re.Match[str]) -> str | None:
    if match[0] in _SAID_AS_TWO:
        return _SAID_AS_TWO[match[0]]
    share = _share(match[2], match[3], match[4])
    return f"{SIGN_WORDS[match[1]]} {share}" if match[1] and share else share


def _share(whole: str | None, above: str, below: str) -> str | None:
    top, bottom = int(above), int(below)
    if not 0 < top < bottom or bottom not in DENOMINATORS:
        return None if whole else f"{integer(above)} over {integer(below)}"
    parts = {2: Noun("half", "halves"), 4: Noun("quarter", "quarters")}
    part = parts.get(bottom, Noun(ordinal(bottom), ordinal(bottom) + "s"))
    spoken = f"{cardinal(top)} {part.one if top == 1 else part.many}"
    return f"{integer(whole)} and {spoken}" if whole else spoken


def _several(match: re.Match[str]) -> str:
    """under-16s, over 60s"""
    word = cardinal(int(match[1]))
    return word[:-1] + "ies" if word.endswith("y") else word + ("es" if word.endswith("x") else "s")


def _part_of_an_inch(match: re.Match[str]) -> str | None:
    """3/8\""""
    share = _share(None, match[1], match[2])
    return share and f"{share} of an inch"


def _stones(match: re.Match[str]) -> str:
    return f"{quantity(match[1])} stone"


def _out_of(match: re.Match[str]) -> str:
    """4.5/5"""
    return f"{quantity(match[1])} out of {integer(match[2])}"


def _scientific(match: re.Match[str]) -> str:
    return f"{quantity(match[1])} times ten to the power of {quantity(match[2])}"


def _feet_inches(match: re.Match[str]) -> str:
    return f"{counted(match[1], words.UNITS['ft'])} {counted(match[2], Noun('inch', 'inches'))}"


def _phone(match: re.Match[str]) -> str:
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(digits(group) for group in re.findall(r"\d+", match[0].replace("(0)", " ")))


_PHONES = (
    Rule(re.compile(IBAN), lambda match: spell_account(match[0], digits)),
    Rule(re.compile(r"(?<=D\.C\. )\d{5}(?!\d)"), lambda match: digits(match[0])),
    Rule(re.compile(CARD), _phone),
    plain(r"(?<![\w-])1-800-(?=[A-Z]{3})", "one, eight hundred, "),
    Rule(re.compile(r"(?<![\d.,])0\d{4} \d{6}(?!\d)|\(0\d{2,4}\) \d{3,4} \d{3,4}(?!\d)"), _phone),
    Rule(
        re.compile(rf"\b((?:ZIP|Zip|zip)(?: [Cc]ode)?:? |(?:{words.STATES}) )(\d{{5}}(?:-\d{{4}})?)(?![\d-])"),
        lambda match: match[1] + ", ".join(map(digits, match[2].split("-"))),
    ),
    Rule(
        re.compile(r"(?:(?:\+\d{1,3}|1)[- ])?(?:\(\d{3}\) |\d{3}[-. ])\d{3}[-.]\d{4}(?!\d)|\d{3}-\d{4}(?![-\d])"),
        _phone,
    ),
    Rule(re.compile(r"\+\d{1,3}(?: ?\(0\) ?\d{1,4})?(?:[ .-]\d{1,4}){2,6}(?!\d)"), _phone),
    Rule(re.compile(r"\+\d{8,15}(?![\d.,])|(?<![\d.,])0\d{2,4} \d{3,4} \d{3,4}(?!\d)"), _phone),
    Rule(re.compile(r"(?:(?<=[Cc]all )|(?<=[Dd]ial ))(?:911|988|999|112|111)(?![\d,:-]|\.\d)"), _phone),
)
_PLACES = "Route|Highway|Hwy|[Gg]ate|[Ss]eat|[Rr]oom|[Ff]lat|[Uu]nit|[Rr]ow|[Bb]ay|[Pp]latform|[Bb]us|[Aa]partment"
_UNITS = (
    place_rule(_PLACES, integer),
    Rule(re.compile(r"(?<=\bfor )(\d{1,2})d\b"), lambda match: counted(match[1], Noun("day", "days"))),
    Rule(re.compile(r"(?:(?<=[Uu]nder[- ])|(?<=[Oo]ver[- ]))(\d{1,2})s\b"), _several),
    Rule(re.compile(r"(\d{1,2}) ?st(?= \d{1,2} ?lbs?\b)|(?<=\bweighs )(\d{1,2}) ?st\b"), _stones),
    Rule(
        re.compile(r"(?:(?<=\d[x×])|(?<=[x×] ))(\d+)['’′](?![\w'’])"),
        lambda match: counted(match[1], words.UNITS["ft"]),
    ),
    Rule(
        re.compile(r"(\d+)[-–](\d+)([CF])(?!\w)"),
        lambda match: f"{quantity(match[1])} to {counted(match[2], words.UNITS[f'°{match[3]}'])}",
    ),
    Rule(re.compile(r"(\d+)d(?= ?\d+ ?h\b)"), lambda match: counted(match[1], Noun("day", "days"))),
    Rule(re.compile(r"(\d+) (?:ft|feet) (\d+) in\b"), _feet_inches),
    Rule(
        re.compile(rf"({NUMBER})(?: ?in\.(?=,| (?:of|by|wide|long|tall|deep|high|thick)\b)|in\b|″|\"(?!\w))"),
        lambda match: inches(match, Noun("inch", "inches"), counted),
    ),
    Rule(
        re.compile(rf"({NUMBER})(?:′|['’](?= (?:tall|high|long|wide|deep|of|x \d)))"),
        lambda match: counted(match[1], words.UNITS["ft"]),
    ),
    Rule(re.compile(rf"({NUMBER}){SPACE}?B(?={_COUNTED})"), lambda match: f"{quantity(match[1])} billion"),
    Rule(re.compile(rf"({NUMBER}){SPACE}B(?={_SIZED})"), lambda match: f"{quantity(match[1])} B"),
    Rule(re.compile(rf"({NUMBER}\.\d+){SPACE}B(?!\w)"), lambda match: f"{quantity(match[1])} billion"),
    Rule(re.compile(rf"({NUMBER}){SPACE}B(?!\w)"), lambda match: counted(match[1], Noun("byte", "bytes"))),
    Rule(
        re.compile(
            rf"(?<![A-Za-z\d])({QUANTITY}){SPACE}?({alternatives(words.UNITS)}){_NOT_A_UNIT}(?:\.(?=\s+[a-z]))?"
        ),
        lambda match: counted(match[1], words.UNITS[match[2]]),
    ),
    Rule(
        re.compile(
            rf"(?<![A-Za-z\d])({QUANTITY}){SPACE}?({alternatives(words.UNITS)})/({alternatives(words.UNITS)})(?:\^?([23]))?{_NOT_A_UNIT}"
        ),
        _rate,
    ),
    Rule(
        re.compile(rf"(?<=[⁰¹²³⁴⁵⁶⁷⁸⁹] )({alternatives(words.UNITS)}){_NOT_A_UNIT}"),
        lambda match: words.UNITS[match[1]].many,
    ),
    Rule(re.compile(rf"(?<=\d \d/\d )({_SPOONS})\b\.?(?=\s)"), lambda match: words.UNITS[match[1]].many),
    Rule(re.compile(rf"(?<=/\d )({_SPOONS})\b\.?(?=\s)"), lambda match: words.UNITS[match[1]].one),
    units_alone_rule(words.UNITS, words.UNITS_ALONE),
)

ENGLISH = LanguageRules(
    (
        *address_rules(symbols.ADDRESS_SIGNS, "colon", integer, digits),
        *science_rules(ENGLISH_WORDS, integer, digits),
        *scripture.english_rules(integer),
        *calendar.DATES_AND_TIMES,
        Rule(re.compile(rf"(\d+){SPACE}?h{SPACE}?([0-5]?\d){SPACE}?(?:min|m)?\b"), _hours_minutes),
        Rule(
            re.compile(r"(?<![\d:.,])(\d{1,3}):(\d{1,3}(?:,\d{3}){1,4})(?![\d:]|[.,]\d)"),
            lambda match: f"{integer(match[1])} to {quantity(match[2])}",
        ),
        ratio_rule("to", integer),
        *_PHONES,
        code_rule(integer, digits),
        *calendar.YEARS_APART,
        Rule(
            re.compile(rf"(\d{{1,2}})['’′]{SPACE}?(\d{{1,2}})(?:[\"”″]|''|(?=\s*(?:tall|high|long|wide)\b))"),
            _feet_inches,
        ),
        *MONEY,
        *version_rules(integer),
        Rule(re.compile(r"(\d{1,2})/(\d{1,2})(?:\"(?!\w)|″)"), _part_of_an_inch),
        Rule(
            re.compile(
                r"(?:(?<=\bscored )|(?<=\brated )|(?<=\bgave it )|(?<=\bgive it ))(\d{1,3})/(5|10|20|100)(?![/\d])"
            ),
            _out_of,
        ),
        Rule(re.compile(r"(?<![\w./])(5|10|20|100)/(\1)(?![/\d])"), _out_of),
        Rule(re.compile(rf"({SIGN})(?:(\d{{1,15}}) )?(\d{{1,15}})/(\d{{1,15}})(?![/\d])"), _fraction),
        Rule(re.compile(r"(?<![\w./])(\d{1,3}\.\d{1,2})/(5|10|20|100)(?![/\d]|\.\d)"), _out_of),
        plain(r"['’]00s\b", "two thousands"),
        Rule(re.compile(r"['’]0([1-9])\b(?!s)"), lambda match: f"oh {integer(match[1])}"),
        plain(r"(?<=\d )pcm\b", "per calendar month"),
        plain(r"(?<=\d )pw\b", "per week"),
        Rule(re.compile(r"(\d{1,15})(?i:st|nd|rd|th)\b"), lambda match: ordinal(int(match[1]))),
        *calendar.YEARS,
        *english_roman.RULES,
        *_UNITS,
        Rule(re.compile(rf"({NUMBER})[x×](?!\w)(?! ?[\d+=<>^−-])"), lambda match: f"{quantity(match[1])} times"),
        Rule(re.compile(rf"({NUMBER})k\b"), lambda match: f"{quantity(match[1])} thousand"),
        Rule(re.compile(rf"({NUMBER})(bn|tn|M)\b"), lambda match: f"{quantity(match[1])} {words.SCALES[match[2]]}"),
        *calendar.LONE_YEARS,
        *OPERATORS,
        power_rule("to the power of", quantity),
        Rule(re.compile(rf"({NUMBER})[eE]([-+−]?\d{{1,3}})\b"), _scientific),
        Rule(re.compile(QUANTITY), lambda match: quantity(match[0])),
        *abbreviations.RULES,
        plain(r"['’](?=\d0s\b)", " "),
        *program_rules("dot", "colon"),
    ),
    SymbolNames(symbols.SYMBOLS, "unknown symbol", cardinal, speaks_unicode_names=True),
)
