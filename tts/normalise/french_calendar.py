"""How French reads dates and clock times. None leaves a form to the rules after it."""

from __future__ import annotations

import re

from tts.normalise import french_words as words
from tts.normalise.common import LEAP_YEAR, full_year, iso_date, span
from tts.normalise.forms import ISO_DATE, SPACE, alternatives, is_clock, is_date
from tts.normalise.french_numbers import cardinal
from tts.normalise.french_quantities import counted
from tts.normalise.nouns import regular
from tts.normalise.rules import Rule, plain

_WEEKDAYS = alternatives((*words.WEEKDAY_FORMS, *words.WEEKDAY_FORMS.values()))
_MONTH = f"({alternatives(words.MONTH_FORMS)})"


def _day(day: int) -> str:
    return "premier" if day == 1 else cardinal(day)


def _date(year: int, month: int, day: int) -> str | None:
    return f"{_day(day)} {words.MONTHS[month - 1]} {cardinal(year)}" if is_date(year, month, day) else None


def _iso_date(match: re.Match[str]) -> str | None:
    return iso_date(match, _date, _clock, "à")


def _slashed_date(match: re.Match[str]) -> str | None:
    year = full_year(match[3])
    return _date(year, int(match[2]), int(match[1])) or _date(year, int(match[1]), int(match[2]))


def _day_and_month(match: re.Match[str]) -> str | None:
    day, month = int(match[1]), int(match[2])
    return f"{_day(day)} {words.MONTHS[month - 1]}" if is_date(LEAP_YEAR, month, day) else None


def _date_with_marks(match: re.Match[str]) -> str | None:
    return _date(int(match[4]), int(match[3]), int(match[1]))


def _day_month(match: re.Match[str]) -> str | None:
    day = int(match[1])
    return f"{_day(day)} {words.MONTH_FORMS[match[2]]}" if 1 <= day <= 31 else None


def _clock(hour: int, minute: int, second: int = 0) -> str | None:
    if not is_clock(hour, minute, second):
        return None
    spoken = counted(str(hour), words.UNITS["h"])
    if minute or second:
        spoken += f" {cardinal(minute, feminine=True)}"
    if second:
        spoken += f" et {counted(str(second), words.UNITS['s'])}"
    return spoken


def _clock_time(match: re.Match[str]) -> str | None:
    return _clock(int(match[1]), int(match[2]), int(match[3] or 0))


def _hour_minute(match: re.Match[str]) -> str | None:
    return _clock(int(match[1]), int(match[2]))


def _hours_minutes(match: re.Match[str]) -> str:
    return f"{counted(match[1], words.UNITS['h'])} {counted(str(int(match[2])), words.UNITS['min'])}"


def _days(match: re.Match[str]) -> str:
    return counted(match[1], regular("jour"))


def _minutes_seconds(match: re.Match[str]) -> str:
    hours = f"{counted(match[1], words.UNITS['h'])} " if match[1] else ""
    return f"{hours}{counted(str(int(match[2])), words.UNITS['min'])} {counted(str(int(match[3])), words.UNITS['s'])}"


DATES_AND_TIMES = (
    plain(r"(?<=[Tt]outes les )1/2 ?h(?:eures?)?\b", "demi-heures"),
    Rule(re.compile(r"(?:(\d{1,2}) ?h ?)?(\d{1,2})['’′](\d{2})(?:[\"″]|'')"), _minutes_seconds),
    Rule(re.compile(ISO_DATE), _iso_date),
    Rule(re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![/\d])"), _slashed_date),
    Rule(re.compile(r"(?<=\b[Ll]e )(\d{1,2})/(\d{1,2})(?![/\d]| d[e'’u])"), _day_and_month),
    Rule(re.compile(r"(?<=\b[Dd]u )(\d{1,2})/(0\d|1[0-2])(?![/\d]| d[e'’u])"), _day_and_month),
    Rule(re.compile(r"(?<=\b[Aa]u )(\d{1,2})/(0\d|1[0-2])(?![/\d]| d[e'’u])"), _day_and_month),
    Rule(re.compile(r"(?<![\d.-])(\d{1,2})([.-])(\d{1,2})[.-]((?:19|20)\d\d)(?![\d.-]\d|\d)"), _date_with_marks),
    Rule(re.compile(rf"(\d{{1,2}})(?:er)? {_MONTH}(?!\w)"), _day_month),
    Rule(re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?!\d)"), _clock_time),
    Rule(re.compile(rf"(?<!\w){_MONTH}[-–]{_MONTH}(?!\w)"), lambda match: span(match, words.MONTH_FORMS, "à")),
    Rule(
        re.compile(rf"(?<!\w)({_WEEKDAYS})[-–]({_WEEKDAYS})(?!\w)"), lambda match: span(match, words.WEEKDAY_FORMS, "à")
    ),
    plain(r"\b24 ?h(?:eures)? ?/ ?24\b", "vingt-quatre heures sur vingt-quatre"),
    plain(r"\b7 ?j(?:ours)? ?/ ?7\b", "sept jours sur sept"),
    Rule(re.compile(rf"(\d+){SPACE}?h{SPACE}?(\d\d?){SPACE}?(?:min|mn|m){SPACE}?(\d\d?){SPACE}?s\b"), _minutes_seconds),
    Rule(re.compile(rf"(\d+){SPACE}?h{SPACE}?([0-5]?\d){SPACE}?(?:min|mn)\b"), _hours_minutes),
    Rule(re.compile(rf"(\d{{1,2}}){SPACE}?[hH]{SPACE}?(\d{{2}})(?!\d)"), _hour_minute),
    Rule(re.compile(rf"(\d+){SPACE}?j(?={SPACE}\d+{SPACE}?h\b)"), _days),
)
