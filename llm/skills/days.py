"""Reads days out of an intent's slots: a date, a feast, a month's last Friday, a weekday or today and weeks more."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR, date, timedelta

from llm.local_time import LocalTime
from llm.skills.base import Intent
from llm.skills.feasts import day_of_feast, next_feast, nth_weekday

IN_YEAR = frozenset(("year", "year_ahead"))
"""slots of the year of a day"""
_LEAP_YEARS = 8
"""29 February comes back within so many years"""


def date_of(day: str, local: LocalTime) -> date:
    """The date that a value of {day} is: "today", "tomorrow", the number of a weekday."""
    ahead = {"today": 0, "tonight": 0, "tomorrow": 1, "after_tomorrow": 2}.get(day)
    today = local.wall.date()
    return today + timedelta(days=(int(day) - today.weekday()) % 7 if ahead is None else ahead)


def day_of_month(intent: Intent) -> int:
    """The day of a month that is named, "the twenty third" or "23"; 0 when none is."""
    return int(sum(intent.number(slot) or 0 for slot in ("tens", "nth", "month_day")))


def named_later(intent: Intent) -> bool:
    """Whether a day is named that "tomorrow" and the weekdays do not tell: "next week", "Christmas"."""
    return bool(intent.slots.keys() & {"later_day", "feast", "week_of", *IN_YEAR})


def later_day(intent: Intent, today: date) -> date | None:
    """That day: a feast, the Monday of next week, the first of next month, the first Monday of a month, or a weekday or
    today and weeks more. None: no month has it."""
    if intent.slots.keys() & IN_YEAR:
        return day_in_year(intent, today)
    if intent.number("week_of") is not None:
        return next_nth_weekday(intent, today)
    if intent.word("feast"):
        return next_feast(intent.word("feast"), today)
    name = intent.word("later_day")
    if name == "next_week":
        return today + timedelta(days=7 - today.weekday())
    if name == "next_month":
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    if name == "weekend":
        return today + timedelta(days={5: 1, 6: 6}.get(today.weekday(), 5 - today.weekday()))
    if name == "next_weekend":
        return today + timedelta(days=12 - today.weekday())
    if name == "next_year":
        return date(today.year + 1, 1, 1)
    weekday = intent.number("weekday")
    to_weekday = 0 if weekday is None else int(weekday - today.weekday() - 1) % 7 + 1
    weeks = int(name) // 7  # of "en huit" it is one
    return today + timedelta(days=to_weekday + 7 * weeks)


def day_in_year(intent: Intent, today: date) -> date | None:
    """A date, a feast or a "last Friday of March" in the year that is named; None where it has no such day."""
    year = intent.number("year") or today.year + (intent.number("year_ahead") or 0)
    feast, week = intent.word("feast"), intent.number("week_of")
    month = int(intent.number("month") or 0)
    if not MINYEAR <= year <= MAXYEAR:
        return None
    if feast in ("month_end", "year_end"):
        return next_feast(feast, today)
    if feast:
        return day_of_feast(feast, int(year))
    if week is not None:
        return nth_weekday(int(week), int(intent.number("weekday") or 0), int(year), month)
    try:
        return date(int(year), month, day_of_month(intent))
    except ValueError:
        return None


def next_nth_weekday(intent: Intent, today: date) -> date | None:
    """The next "last Friday of March" or "first Monday of next month", today included; None where there is no such."""
    week, weekday = int(intent.number("week_of") or 0), int(intent.number("weekday") or 0)
    ahead, month = intent.number("month_ahead"), int(intent.number("month") or 0)
    if ahead is not None:
        first = (today.replace(day=1) + timedelta(days=32 * int(ahead))).replace(day=1)
        return nth_weekday(week, weekday, first.year, first.month)
    found = (nth_weekday(week, weekday, year, month) for year in range(today.year, today.year + _LEAP_YEARS))
    return next((day for day in found if day is not None and day >= today), None)
