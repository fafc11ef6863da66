"""How English reads figures, times, dates, units, money, signs and abbreviations. American usage.

Ambiguous forms take the commoner reading: 3/4/2026 is March 4th, a tight hyphen between numbers is "to".
"""

from __future__ import annotations

import re

from tts.normalise import english_roman
from tts.normalise import english_symbols as symbols
from tts.normalise import english_words as words
from tts.normalise.english_numbers import cardinal, decimal, digits, integer, ordinal, year
from tts.normalise.forms import (
    ACCENTED_LETTER,
    DOMAIN,
    EMAIL,
    ISO_DATE,
    NOT_AT_END,
    SIGN,
    SPACE,
    URL,
    VERSION,
    VULGAR,
    alternatives,
    compose,
    is_clock,
    is_date,
    spell_address,
)
from tts.normalise.nouns import Noun
from tts.normalise.rules import LanguageRules, Rule
from tts.normalise.symbols import SymbolNames

_NUMBER = rf"(?:(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?[{VULGAR}]?|(?<![\w.])\.\d+)"
_QUANTITY = rf"(?:{SIGN}{_NUMBER}|[{VULGAR}])"
_MONTH = f"({alternatives(words.MONTH_FORMS)})"
_HALF_OF_DAY = rf"(?:{SPACE}?([AaPp])\.?[Mm]\b(?:\.{NOT_AT_END})?)"
_SIGN_WORDS = {"-": "minus", "−": "minus", "+": "plus", "±": "plus or minus"}
_YEAR_BEFORE = re.compile(r"(?i:\b(?:in|since|by|until|till|from|to|year|of|before|after|during|around|and|or)\s)$")
_LONGEST_YEAR_WORD = 8
_DECADE_BEFORE = re.compile(r"(?i:['’]|\b(?:the|early|late|mid|my|your|his|her|our|their)[ -])$")
_LONGEST_DECADE_WORD = 6
_SAID_AS_TWO = {"24/7": "twenty-four seven", "9/11": "nine eleven"}
_DENOMINATORS = frozenset({*range(2, 11), 12, 16, 20, 100})


def _quantity(text: str) -> str:
    """Any text that `_QUANTITY` matches, in words."""
    text = text.replace(",", "")
    if text[0] in _SIGN_WORDS:
        return f"{_SIGN_WORDS[text[0]]} {_quantity(text[1:])}"
    if text[-1] in symbols.FRACTIONS:
        fraction = symbols.FRACTIONS[text[-1]]
        return f"{_quantity(text[:-1])} and {fraction}" if text[:-1] else fraction
    whole, point, fraction = text.partition(".")
    return decimal(whole, fraction) if point else integer(whole)


def _counted(number: str, noun: Noun) -> str:
    one = number.lstrip("-−+±") in ("1", "½", "¼", "⅓")
    return f"{_quantity(number)} {noun.one if one else noun.many}"


def _address(match: re.Match[str]) -> str:
    return spell_address(match[0], symbols.ADDRESS_SIGNS, integer)


def _date(year_number: int, month: int, day: int) -> str | None:
    if not is_date(year_number, month, day):
        return None
    return f"{words.MONTHS[month - 1]} {ordinal(day)}, {year(year_number)}"


def _iso_date(match: re.Match[str]) -> str | None:
    spoken = _date(int(match[1]), int(match[2]), int(match[3]))
    if spoken is None or match[4] is None:
        return spoken
    clock = _clock(int(match[4]), int(match[5]), int(match[6] or 0), "")
    return None if clock is None else f"{spoken}, at {clock}"


def _slashed_date(match: re.Match[str]) -> str | None:
    first, second, year_number = int(match[1]), int(match[2]), int(match[3])
    if year_number < 100:
        year_number += 2000
    return _date(year_number, first, second) or _date(year_number, second, first)


def _month_day(match: re.Match[str]) -> str | None:
    day = int(match[2])
    if not 1 <= day <= 31:
        return None
    spoken = f"{words.MONTH_FORMS[match[1]]} {ordinal(day)}"
    return f"{spoken}, {year(int(match[3]))}" if match[3] else spoken


def _day_month(match: re.Match[str]) -> str | None:
    day = int(match[1])
    if not 1 <= day <= 31:
        return None
    spoken = f"{ordinal(day)} of {words.MONTH_FORMS[match[2]]}"
    return f"{spoken}, {year(int(match[3]))}" if match[3] else spoken


def _clock(hour: int, minute: int, second: int, half: str) -> str | None:
    if not is_clock(hour, minute, second) or (half and not 1 <= hour <= 12):
        return None
    if minute == 0 and second == 0:
        if half:
            return f"{cardinal(hour)} {half.lower()} m"
        if hour in (0, 24):
            return "midnight"
        return f"{cardinal(hour)} o'clock" if hour <= 12 else f"{cardinal(hour)} hundred"
    spoken = f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    if second:
        spoken += f" and {cardinal(second)} second{'s' * (second > 1)}"
    return f"{spoken} {half.lower()} m" if half else spoken


def _clock_time(match: re.Match[str]) -> str | None:
    return _clock(int(match[1]), int(match[2]), int(match[3] or 0), match[4] or "")


def _hour(match: re.Match[str]) -> str | None:
    return _clock(int(match[1]), 0, 0, match[2])


def _hours_minutes(match: re.Match[str]) -> str:
    return f"{_counted(match[1], words.UNITS['h'])} {_counted(str(int(match[2])), words.UNITS['min'])}"


def _money(number: str, scale: str | None, symbol: str) -> str:
    currency = words.CURRENCIES[symbol]
    if scale:
        return f"{_quantity(number)} {words.SCALES[scale]} {currency.unit.many}"
    whole, point, cents = number.partition(".")
    if not point or len(cents) != 2 or currency.cent is None:
        return _counted(number, currency.unit)
    if int(cents) == 0:
        return _counted(whole, currency.unit)
    small = _counted(str(int(cents)), currency.cent)
    return small if whole.strip("0") == "" else f"{_counted(whole, currency.unit)} and {small}"


def _money_before(match: re.Match[str]) -> str:
    sign = f"{_SIGN_WORDS[match[1]]} " if match[1] else ""
    return sign + _money(match[3], match[4], match[2])


def _money_after(match: re.Match[str]) -> str:
    return _money(match[1], match[2], match[3])


def _fraction(match: re.Match[str]) -> str | None:
    if match[0] in _SAID_AS_TWO:
        return _SAID_AS_TWO[match[0]]
    top, bottom = int(match[2]), int(match[3])
    if not 0 < top < bottom or bottom not in _DENOMINATORS:
        return None if match[1] else f"{integer(match[2])} over {integer(match[3])}"
    parts = {2: Noun("half", "halves"), 4: Noun("quarter", "quarters")}
    part = parts.get(bottom, Noun(ordinal(bottom), ordinal(bottom) + "s"))
    spoken = f"{cardinal(top)} {part.one if top == 1 else part.many}"
    return f"{integer(match[1])} and {spoken}" if match[1] else spoken


def _decade(match: re.Match[str]) -> str | None:
    before = match.string[max(0, match.start() - _LONGEST_DECADE_WORD) : match.start()]
    if len(match[1]) == 2 and not _DECADE_BEFORE.search(before):
        return None
    spoken = year(int(match[1]))
    return spoken[:-1] + "ies" if spoken.endswith("y") else spoken + "s"


def _year(match: re.Match[str]) -> str | None:
    before = match.string[max(0, match.start() - _LONGEST_YEAR_WORD) : match.start()]
    return year(int(match[0])) if _YEAR_BEFORE.search(before) else None


def _years(match: re.Match[str]) -> str:
    return f"{year(int(match[1]))} to {year(int(match[2]))}"


def _feet_inches(match: re.Match[str]) -> str:
    return f"{_counted(match[1], words.UNITS['ft'])} {_counted(match[2], Noun('inch', 'inches'))}"


def _phone(match: re.Match[str]) -> str:
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(digits(group) for group in re.findall(r"\d+", match[0]))


def _rule(pattern: str, speak: str) -> Rule:
    return Rule(re.compile(pattern), lambda match: speak)


ENGLISH = LanguageRules(
    (
        Rule(re.compile(URL), _address),
        Rule(re.compile(EMAIL), _address),
        Rule(re.compile(DOMAIN), _address),
        Rule(re.compile(ACCENTED_LETTER), compose, within_word=True),
        Rule(re.compile(ISO_DATE), _iso_date),
        Rule(re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![/\d])"), _slashed_date),
        Rule(re.compile(rf"\b{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?(?![\d:/]|\.\d)(?:,? (\d{{4}})(?!\d))?"), _month_day),
        Rule(re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th)? {_MONTH}(?!\w)(?:,? (\d{{4}})(?!\d))?"), _day_month),
        Rule(
            re.compile(rf"\b{_MONTH} (\d{{4}})(?![\d.])"),
            lambda match: f"{words.MONTH_FORMS[match[1]]} {year(int(match[2]))}",
        ),
        Rule(
            re.compile(rf"\b({alternatives(words.WEEKDAY_FORMS)})\.(?=,? (?:{_MONTH}|\d))"),
            lambda match: words.WEEKDAY_FORMS[match[1]],
        ),
        Rule(re.compile(rf"(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}))?(?!\d){_HALF_OF_DAY}?"), _clock_time),
        Rule(re.compile(rf"(\d{{1,2}}){_HALF_OF_DAY}"), _hour),
        Rule(re.compile(rf"(\d+){SPACE}?h{SPACE}?([0-5]?\d){SPACE}?(?:min|m)?\b"), _hours_minutes),
        Rule(
            re.compile(r"(?:(?:\+\d{1,3}|1)[- ])?(?:\(\d{3}\) |\d{3}[-. ])\d{3}[-.]\d{4}(?!\d)|\d{3}-\d{4}(?![-\d])"),
            _phone,
        ),
        Rule(re.compile(r"\+\d{1,3}(?:[ .-]\d{1,4}){2,6}(?!\d)"), _phone),
        Rule(re.compile(r"(?:(?<=[Cc]all )|(?<=[Dd]ial ))(?:911|988|999|112|111)(?![\d,:-]|\.\d)"), _phone),
        Rule(re.compile(r"(1[1-9]\d\d|20\d\d) ?[-–] ?(1[1-9]\d\d|20\d\d)(?![-\d.,])"), _years),
        Rule(re.compile(r"(\d{1,2})['’′](\d{1,2})[\"”″]"), _feet_inches),
        Rule(
            re.compile(
                rf"((?<![\w)])[-−])?([$€£¥]){SPACE}?({_NUMBER})"
                rf"(?:{SPACE}?({alternatives(words.SCALES)})(?!\w))?"
            ),
            _money_before,
        ),
        Rule(
            re.compile(
                rf"({SIGN}{_NUMBER}){SPACE}?(?:(thousand|million|billion|trillion) )?"
                rf"({alternatives(words.CURRENCIES)})(?!\w)"
            ),
            _money_after,
        ),
        Rule(re.compile(VERSION), lambda match: " point ".join(integer(part) for part in match[0].split("."))),
        Rule(re.compile(r"(?:(\d{1,15}) )?(\d{1,15})/(\d{1,15})(?![/\d])"), _fraction),
        Rule(re.compile(r"(\d{1,15})(?i:st|nd|rd|th)\b"), lambda match: ordinal(int(match[1]))),
        Rule(re.compile(r"([12]\d\d0|\d0)'?s\b"), _decade),
        Rule(re.compile(rf"\b({alternatives(words.REGNAL_NAMES)}) ([IVXL]{{1,8}})\b"), english_roman.regnal),
        Rule(re.compile(rf"\b({alternatives(words.NUMBERED)}) ([IVXL]{{1,8}})\b"), english_roman.numbered),
        Rule(re.compile(r"\b([A-Z][a-z]+) ([IVXL]{2,8})\b"), english_roman.sequel),
        Rule(re.compile(r"\b([IVX]{1,5})(?:st|nd|rd|th)?(?= century\b)"), english_roman.century),
        Rule(
            re.compile(rf"({_QUANTITY}){SPACE}?({alternatives(words.UNITS)})(?![\w²³]|/\w)"),
            lambda match: _counted(match[1], words.UNITS[match[2]]),
        ),
        Rule(
            re.compile(rf"(?<![\w/])({alternatives(words.UNITS_ALONE)})(?![\w²³/])"),
            lambda match: words.UNITS[match[1]].many,
        ),
        Rule(re.compile(rf"({_NUMBER})[x×](?!\w)(?! ?\d)"), lambda match: f"{_quantity(match[1])} times"),
        Rule(re.compile(rf"({_NUMBER})k\b"), lambda match: f"{_quantity(match[1])} thousand"),
        Rule(re.compile(r"1[1-9]\d\d(?![\d.,]\d|\d)|20\d\d(?![\d.,]\d|\d)"), _year),
        _rule(rf"(?:#|№|\b[Nn][°º]|\bNo\.){SPACE}?(?=\d)", "number"),
        _rule(r"(?<=\d)x(?=\d)", "by"),
        _rule(r"(?<=\d) x (?=\d)|(?<=\d) ?\* ?(?=\d)", " times "),
        _rule(r"(?<=[\d)]) / (?=[\d(])", " divided by "),
        _rule(r"(?<=[\d)]) - (?=[\d(])", " minus "),
        _rule(r"(?<=[\d)])\^(?=[-−]?[\d(])", "to the power of"),
        _rule(r"(?<=[\dA-Z€])/(?=(?:month|year|week|day|night|hour|minute|second|person)\b)", " per "),
        _rule(r"\band/or\b", "and or"),
        _rule(r"\bC#(?!\w)", "C sharp"),
        _rule(r"\bpp\.(?= ?\d)", "pages"),
        _rule(r"\bp\.(?= ?\d)", "page"),
        _rule(r"\b[Ff]ig\.(?= ?\d)", "figure"),
        _rule(r"(?<=[a-z] )St(?:\.(?=\s+[a-z])|(?=\.\s*$))", "Street"),
        _rule(r"(?<=\d)-(?=\d)|(?<=[\d%°CFM.]) ?– ?(?=[\d$€£])", " to "),
        Rule(re.compile(_QUANTITY), lambda match: _quantity(match[0])),
        Rule(
            re.compile(rf"\b({alternatives(words.TITLES)})\.(?=\s)"),
            lambda match: words.TITLES[match[1]],
        ),
        Rule(
            re.compile(rf"\b({alternatives(words.ABBREVIATIONS)})(?:\.{NOT_AT_END}|(?=\.))"),
            lambda match: words.ABBREVIATIONS[match[1]],
        ),
        Rule(
            re.compile(rf"\b((?:[A-Z]\.){{1,7}}[A-Z])(?:\.{NOT_AT_END}|(?=\.))"),
            lambda match: match[1].replace(".", " "),
        ),
        _rule(r"(?<!\w)w/o(?!\w)", "without"),
        _rule(r"(?<!\w)w/(?=\s)", "with"),
        _rule(r"(?<=[a-z\d])\.(?=[a-z])", "dot"),
    ),
    SymbolNames(symbols.SYMBOLS, "unknown symbol", cardinal, speaks_unicode_names=True),
)
