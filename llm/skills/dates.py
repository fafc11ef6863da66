"""How long until a day or a time of day, or since a day, and on which day a date or a feast falls."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

from llm.local_time import LocalTime
from llm.skills.base import Context, Intent, Reply, Skill, choose, reply
from llm.skills.days import IN_YEAR, day_in_year, day_of_month, later_day, named_later
from llm.skills.feasts import day_of_feast
from llm.skills.spoken import join, say_about, say_date
from llm.skills.when import duration_s, moment

_UNITS_S = {"hours": 3600.0, "minutes": 60.0}
_DAY_S = 86_400.0
_LEAP_YEARS = 8
"""29 February comes back within so many years"""
OTHER = "other_"
"""begins the slots of the second of two days"""
FARTHEST_DAYS = 366_000
"""a thousand years"""


def _told(day: date, now: datetime, intent: Intent) -> str:
    """The date, with its year where that is another than this one."""
    told = say_date(now.replace(year=day.year, month=day.month, day=day.day), intent.language)
    return told if day.year == now.year else told + choose(intent.language, f", {day.year}", f" {day.year}")


def days_until(intent: Intent, context: Context) -> Reply:
    today = context.schedule.local.wall.date()
    day = day_meant(intent, context.schedule.local)
    if day is None:
        return reply(intent, en="There is no such day.", fr="Ce jour n'existe pas.")
    count = (day - today).days
    told = _told(day, context.schedule.local.wall, intent)
    if count < 0:
        return _gone(intent, -count, told)
    if count == 0:
        return reply(intent, en=f"That's today: {told}.", fr=f"C'est aujourd'hui : {told}.")
    if count == 1:
        return reply(intent, en=f"Tomorrow: {told}.", fr=f"Demain : {told}.")
    length = span(count, intent)
    return reply(intent, en=f"In {length}: {told}.", fr=f"Dans {length} : {told}.", result=float(count))


def time_until(intent: Intent, context: Context) -> Reply:
    local = context.schedule.local
    when = moment(intent, local)
    day = day_meant(intent, local) if when is None else None
    if when is None and day is None:
        return reply(intent, en="There is no such time.", fr="Cette heure n'existe pas.")
    # a day begins at midnight
    instant = when.instant if when is not None else local.instant(datetime.combine(day or date.min, time()))
    left_s = max(0.0, instant - context.schedule.now)
    unit_s = _UNITS_S.get(intent.word("clock_in"), 0.0)
    if unit_s and left_s >= unit_s:
        count = round(left_s / unit_s)
        en, fr = ("hour", "heure") if unit_s == _UNITS_S["hours"] else ("minute", "minute")
        plural = "s" if count > 1 else ""
        return reply(
            intent, en=f"About {count} {en}{plural}.", fr=f"Environ {count} {fr}{plural}.", result=float(count)
        )
    length = say_about(left_s, intent.language)
    return reply(intent, en=f"{length}.", fr=f"{length}.")


def date_in(intent: Intent, context: Context) -> Reply:
    """The date so many days or weeks from today, or from tomorrow; or before today."""
    now = context.schedule.local.wall
    days = round((duration_s(intent) or 0.0) / _DAY_S) + int(intent.number("ahead") or 0)
    days = -days if intent.word("past") else days
    if not -FARTHEST_DAYS <= days <= FARTHEST_DAYS:
        return reply(intent, en="That's too far away for me.", fr="C'est trop loin pour moi.")
    day = now + timedelta(days=days)
    weekday_told = _told(day.date(), now, intent)
    return reply(intent, en=f"{weekday_told}.", fr=f"{weekday_told[0].upper()}{weekday_told[1:]}.")


def days_since(intent: Intent, context: Context) -> Reply:
    local = context.schedule.local
    today = local.wall.date()
    day = day_gone(intent, local)
    if day is None:
        return reply(intent, en="There is no such day.", fr="Ce jour n'existe pas.")
    count = (today - day).days
    told = _told(day, local.wall, intent)
    if count < 0:
        return days_until(intent, context)
    if count == 0:
        return reply(intent, en=f"That's today: {told}.", fr=f"C'est aujourd'hui : {told}.")
    return _gone(intent, count, told)


def _gone(intent: Intent, count: int, told: str) -> Reply:
    """A day so many days ago."""
    if count == 1:
        return reply(intent, en=f"That was yesterday: {told}.", fr=f"C'était hier : {told}.")
    length = span(count, intent)
    return reply(intent, en=f"{length} ago: {told}.", fr=f"Il y a {length} : {told}.", result=float(count))


def days_between(intent: Intent, context: Context) -> Reply:
    """From one day to the next one of the other name."""
    local = context.schedule.local
    first = day_meant(intent, local)
    others = {name.removeprefix(OTHER): value for name, value in intent.slots.items() if name.startswith(OTHER)}
    last = None if first is None else next_day(replace(intent, slots=others), first)
    if first is None or last is None:
        return reply(intent, en="There is no such day.", fr="Ce jour n'existe pas.")
    days, now = abs((last - first).days), local.wall
    length = span(days, intent) if days > 1 else choose(intent.language, "1 day" if days else "0 days", f"{days} jour")
    one, other = _told(first, now, intent), _told(last, now, intent)
    return reply(intent, en=f"{length}, from {one} to {other}.", fr=f"{length}, du {one} au {other}.",
                 result=float(days))  # fmt: skip


def span(days: int, intent: Intent) -> str:
    """A number of days as asked for: in weeks, or as it is."""
    weeks, rest = divmod(days, 7)
    if intent.word("count_in") != "weeks" or not weeks:
        return choose(intent.language, f"{days} days", f"{days} jours")
    parts = [choose(intent.language, f"{weeks} week", f"{weeks} semaine") + ("s" if weeks > 1 else "")]
    if rest:
        parts.append(choose(intent.language, f"{rest} day", f"{rest} jour") + ("s" if rest > 1 else ""))
    return join(parts, intent.language)


def day_meant(intent: Intent, local: LocalTime) -> date | None:
    """The next such day; today's only where it is named by its date. None: no calendar has it."""
    return next_day(intent, local.wall.date())


def next_day(intent: Intent, today: date) -> date | None:
    """The next such day from `today` on, or the one in the year that is named. None: no calendar has it."""
    if named_later(intent):
        return later_day(intent, today)
    ahead = intent.number("ahead")
    if ahead is not None:
        return today + timedelta(days=ahead)
    weekday = intent.number("weekday")
    if weekday is not None:
        return today + timedelta(days=int(weekday - today.weekday() - 1) % 7 + 1)
    return next_date(today, int(intent.number("month") or 0), day_of_month(intent))


def day_gone(intent: Intent, local: LocalTime) -> date | None:
    """The last such day, today's only where it is named by its date. None: no calendar has it."""
    today = local.wall.date()
    if intent.slots.keys() & IN_YEAR:
        return day_in_year(intent, today)
    feast = intent.word("feast")
    if feast == "month_end":
        return today.replace(day=1) - timedelta(days=1)
    if feast == "year_end":
        return date(today.year - 1, 12, 31)
    if feast:
        return max(day for year in (today.year - 1, today.year) if (day := day_of_feast(feast, year)) <= today)
    weekday = intent.number("weekday")
    if weekday is not None:
        return today - timedelta(days=int(today.weekday() - weekday - 1) % 7 + 1)
    month, day_number = int(intent.number("month") or 0), day_of_month(intent)
    for year in range(today.year, today.year - _LEAP_YEARS - 1, -1):
        try:
            found = date(year, month, day_number)
        except ValueError:
            continue
        if found <= today:
            return found
    return None


def next_date(today: date, month: int, day: int) -> date | None:
    """The next such date, today included."""
    for year in range(today.year, today.year + _LEAP_YEARS + 1):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    return None


SKILL = Skill(
    "dates",
    {
        "DaysUntil": days_until,
        "DaysSince": days_since,
        "DaysBetween": days_between,
        "TimeUntil": time_until,
        "DateIn": date_in,
    },
    for_models=(),
)
