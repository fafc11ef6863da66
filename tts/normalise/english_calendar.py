"""How English reads dates, clock times, years and decades. None leaves a form to the rules after it."""

from __future__ import annotations

import re

from tts.normalise import english_words as words
from tts.normalise.common import LEAP_YEAR, full_year, iso_date, span
from tts.normalise.english_numbers import cardinal, digits, ordinal, year
from tts.normalise.forms import ISO_DATE, NOT_AT_END, SPACE, alternatives, is_clock, is_date
from tts.normalise.rules import Rule, plain

_MONTH = f"({alternatives(words.MONTH_FORMS)})"
_WEEKDAYS = alternatives((*words.WEEKDAY_FORMS, *words.WEEKDAY_FORMS.values()))
_HALF_OF_DAY = rf"(?:{SPACE}?([AaPp])\.?[Mm]\b(?:\.{NOT_AT_END})?)"
_YEAR_BEFORE = re.compile(
    r"(?i:\b(?:in|since|by|until|till|from|to|year|of|before|after|during|around|and|or|between|through|circa"
    r"|spring|summer|autumn|fall|winter|early|late|Q[1-4]|c\.|ca\.|est\.|year is)\s)$"
)
_LONGEST_YEAR_WORD = 8
_YEAR_AFTER = re.compile(
    r"(?i: (?:election|elections|season|edition|olympics|world cup|model|budget|report|film|movie|album|novel)\b)"
)
_DECADE_BEFORE = re.compile(r"(?i:['’]|\b(?:the|early|late|mid|my|your|his|her|our|their)[ -])$")
_LONGEST_DECADE_WORD = 6
_LONGEST_SPAN = 30
"""years between a year and the two digits of another"""


def _date(year_number: int, month: int, day: int) -> str | None:
    if not is_date(year_number, month, day):
        return None
    return f"{words.MONTHS[month - 1]} {ordinal(day)}, {year(year_number)}"


def _iso_date(match: re.Match[str]) -> str | None:
    return iso_date(match, _date, _clock, "at")


def _slashed_date(match: re.Match[str]) -> str | None:
    first, second, year_number = int(match[1]), int(match[2]), full_year(match[3])
    return _date(year_number, first, second) or _date(year_number, second, first)


def _month_and_day(match: re.Match[str]) -> str | None:
    month, day = int(match[1]), int(match[2])
    return f"{words.MONTHS[month - 1]} {ordinal(day)}" if is_date(LEAP_YEAR, month, day) else None


def _dotted_date(match: re.Match[str]) -> str | None:
    return _date(int(match[3]), int(match[2]), int(match[1]))


def _year_first(match: re.Match[str]) -> str | None:
    return _date(int(match[1]), int(match[2]), int(match[3]))


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


def _days_apart(match: re.Match[str], first: str, last: str, month: str, form: str) -> str | None:
    """Jan 5–7"""
    begin, end = int(first), int(last)
    if not 0 < begin < end <= 31:
        return None
    return form.format(f"{ordinal(begin)} to {ordinal(end)}", words.MONTH_FORMS[month])


def _clock(hour: int, minute: int, second: int, half: str = "") -> str | None:
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


def _opening_hours(match: re.Match[str]) -> str | None:
    """ "0900-1730", whose beginning no year has."""
    begin, end = (_clock(int(match[at]), int(match[at + 1]), 0) for at in (1, 3))
    return f"{begin} to {end}" if begin and end else None


def _lap(match: re.Match[str]) -> str | None:
    """Minutes, seconds and a part of one, or no hours, minutes and seconds: no clock shows that."""
    minutes, seconds, part = (match[1], match[2], match[3]) if match[1] else (match[4], match[5], "")
    if int(seconds) > 59:
        return None
    spoken = f"{cardinal(int(seconds))}{' point ' + digits(part) if part else ''}"
    minutes_word, seconds_word = "minute" + "s" * (int(minutes) != 1), "second" + "s" * (spoken != "one")
    return f"{cardinal(int(minutes))} {minutes_word} {'' if part else 'and '}{spoken} {seconds_word}"


def _clock_time(match: re.Match[str]) -> str | None:
    return _clock(int(match[1]), int(match[2]), int(match[3] or 0), match[4] or "")


def _hour(match: re.Match[str]) -> str | None:
    return _clock(int(match[1]), 0, 0, match[2])


def _decade(match: re.Match[str]) -> str | None:
    before = match.string[max(0, match.start() - _LONGEST_DECADE_WORD) : match.start()]
    if len(match[1]) == 2 and "'" not in match[0] and not _DECADE_BEFORE.search(before):
        return None
    spoken = year(int(match[1]))
    return spoken[:-1] + "ies" if spoken.endswith("y") else spoken + "s"


def _year(match: re.Match[str]) -> str | None:
    before = match.string[max(0, match.start() - _LONGEST_YEAR_WORD) : match.start()]
    if _YEAR_BEFORE.search(before) or _YEAR_AFTER.match(match.string, match.end()):
        return year(int(match[0]))
    return None


def _years(match: re.Match[str]) -> str | None:
    first, last = int(match[1]), int(match[2])
    if last < 100:
        return f"{year(first)} to {cardinal(last)}" if 0 < last - first % 100 <= _LONGEST_SPAN else None
    return f"{year(first)} to {year(last)}"


DATES_AND_TIMES = (
    Rule(re.compile(r"(?<![\w.,:-])(0\d)([0-5]\d) ?[-–] ?([0-2]\d)([0-5]\d)(?![\w:-]|[.,]\d)"), _opening_hours),
    Rule(re.compile(ISO_DATE), _iso_date),
    Rule(re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![/\d])"), _slashed_date),
    Rule(re.compile(r"(?<=\b[Oo]n )(\d{1,2})/(\d{1,2})(?![/\d]| of\b)"), _month_and_day),
    Rule(re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.((?:19|20)\d\d)(?!\.?\d)"), _dotted_date),
    Rule(re.compile(r"(?<![\d/])((?:19|20)\d\d)/(\d{2})/(\d{2})(?![/\d])"), _year_first),
    Rule(
        re.compile(rf"\b{_MONTH} (\d{{1,2}})[-–](\d{{1,2}})(?![\d:/–-]|[.,]\d| {_MONTH})"),
        lambda match: _days_apart(match, match[2], match[3], match[1], "{1} {0}"),
    ),
    Rule(
        re.compile(rf"(?<![\d:/.,–-])(\d{{1,2}})[-–](\d{{1,2}}) {_MONTH}(?!\w)"),
        lambda match: _days_apart(match, match[1], match[2], match[3], "{0} of {1}"),
    ),
    plain(rf"(?<=[a-z.]) ?– ?(?=\d{{1,2}} {_MONTH}(?!\w))", " to "),
    Rule(re.compile(rf"\b{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?(?![\d:/]|\.\d)(?:,? (\d{{4}})(?!\d))?"), _month_day),
    Rule(re.compile(rf"(\d{{1,2}})(?:(?:st|nd|rd|th)(?: of)?)? {_MONTH}(?!\w)(?:,? (\d{{4}})(?!\d))?"), _day_month),
    Rule(
        re.compile(rf"\b{_MONTH} (\d{{4}})(?![\d.])"),
        lambda match: f"{words.MONTH_FORMS[match[1]]} {year(int(match[2]))}",
    ),
    Rule(re.compile(rf"\b{_MONTH}[-–]{_MONTH}(?!\w)"), lambda match: span(match, words.MONTH_FORMS, "to")),
    Rule(
        re.compile(rf"\b({_WEEKDAYS})\.?[-–]({_WEEKDAYS})(?!\w)(?:\.{NOT_AT_END})?"),
        lambda match: span(match, words.WEEKDAY_FORMS, "to"),
    ),
    Rule(
        re.compile(
            rf"\b({alternatives(words.WEEKDAY_FORMS)})"
            rf"(?:\.(?=,? (?:{_MONTH}|\d))|(?=,? {_MONTH} \d)|(?=,? \d+ {_MONTH})"
            r"|(?= \d{1,2}(?:(?:st|nd|rd|th)\b|(?::\d\d)? ?[ap]m\b)))"
        ),
        lambda match: words.WEEKDAY_FORMS[match[1]],
    ),
    Rule(
        re.compile(
            r"(?:(?<=\b[Oo]n )|(?<=\buntil )|(?<=\bby )|(?<=\bexcl\. ))(Mon|Tues?|Wed|Thu(?:rs)?|Fri)\b"
            rf"(?:\.{NOT_AT_END})?"
        ),
        lambda match: words.WEEKDAY_FORMS[match[1]],
    ),
    Rule(re.compile(r"(?<![\d:])(?:(\d{1,2}):(\d{2})\.(\d{1,3})|0:(\d{2}):(\d{2}))(?![\d:.]\d|\d)"), _lap),
    Rule(re.compile(rf"(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}))?(?!\d)(?:{_HALF_OF_DAY}|{SPACE}?h(?:rs)?\b)?"), _clock_time),
    Rule(re.compile(rf"(?<![\d.])(\d{{1,2}})\.([0-5]\d)(){_HALF_OF_DAY}"), _clock_time),
    Rule(re.compile(rf"(\d{{1,2}}){_HALF_OF_DAY}"), _hour),
    plain(r"(?<=[AaPp][Mm]) ?[-–] ?(?=\d)|(?<=[AaPp]\.[Mm]\.) ?[-–] ?(?=\d)", " to "),
)
YEARS_APART = (Rule(re.compile(r"(1[1-9]\d\d|20\d\d) ?[-–] ?(1[1-9]\d\d|20\d\d|\d\d)(?![-\d:%/]|[.,]\d)"), _years),)
YEARS = (
    plain(r"\bca?\. ?(?=\d)", "circa"),
    Rule(re.compile(r"([12]\d\d0|\d0)'?s\b"), _decade),
)
LONE_YEARS = (
    Rule(re.compile(r"(?<=\()(1[1-9]\d\d|20\d\d)(?=\))"), lambda match: year(int(match[1]))),
    Rule(
        re.compile(r"(?:(?<=\b[Ii]n )|(?<=\b[Ss]ince )|(?<=\b[Uu]ntil ))10\d\d(?=\s*$|[;:)]|[,.](?!\d)|\s+[A-Z])"),
        lambda match: year(int(match[0])),
    ),
    Rule(re.compile(r"1[1-9]\d\d(?![\d.,]\d|\d)|20\d\d(?![\d.,]\d|\d)"), _year),
)
