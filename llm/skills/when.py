"""Reads durations, clock times and days out of an intent's slots. The slot names are those of the rules
<duration>, <clock>, <day> and <recurrence> in the sentence files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from llm.local_time import LocalTime
from llm.skills.base import Intent
from llm.skills.days import date_of, day_of_month, later_day, named_later
from llm.skills.spoken import EVERY_DAY, WEEKEND, WORKING_DAYS

DEFAULT_TIME = time(9, 0)
"""when only a day is given"""
LONGEST_S = 366 * 86_400.0
SHORTEST_REPEAT_S = 60.0
LATE_HOUR = 20
"""from then on "twelve" is midnight"""
_NIGHT_ENDS = 4
"""until then "tonight" is what comes after midnight"""
_NIGHT_OVER = 6
"""nobody who is up asks to be reminded at three in the night without saying so"""
_FRENCH_AFTERNOON = 5
"""up to there a French hour of a day to come may be one of the afternoon too, where one is to be reminded and not to
get up; today any hour up to twelve may be, "à six heures" at two o'clock"""
_LEAP_YEARS = 8
"""29 February comes back within so many years"""
_PARTS = {
    "half_hour": 1.0,
    "half_minute": 1.0,
    "weeks": 604_800.0,
    "days": 86_400.0,
    "hours": 3600.0,
    "minutes": 60.0,
    "seconds": 1.0,
    "fixed_duration": 1.0,
}
OTHER_DAYS = frozenset(
    ("recurrence", "period", "nth", "month_day", "month", "later_day", "feast", "weekday", "week_of", "year")
)
"""slots of a day that is not today's"""
_GROUPS = {"daily": EVERY_DAY, "weekdays": WORKING_DAYS, "weekend": WEEKEND}
_DAY_S = 86_400.0
_LEADS = frozenset(("lead", "lead_days", *_PARTS))
"""slots of how long before a time: "ten minutes before", "the day before" """
_PARTS_OF_DAY = {
    "morning": time(8, 0),
    "noon": time(12, 0),
    "afternoon": time(15, 0),
    "evening": time(19, 0),
    "night": time(21, 0),
}


@dataclass(frozen=True, slots=True)
class When:
    """A moment to come: an instant, and the local time and weekdays of what recurs."""

    instant: float
    wall: time | None = None
    weekdays: tuple[int, ...] = ()
    every_s: float = 0.0
    """recurs after so many seconds again"""
    day: int = 0
    """recurs on that day of every month, or every year in `month`"""
    month: int = 0


def duration_s(intent: Intent) -> float | None:
    """Seconds named by the intent, or None when it names none."""
    values = [(intent.number(slot), seconds) for slot, seconds in _PARTS.items()]
    named = [value * seconds for value, seconds in values if value is not None]
    return sum(named) if named else None


def clock_time(intent: Intent) -> tuple[time, bool] | None:
    """The local time named, and whether morning or afternoon is still open; None when none is or it does not exist."""
    named = intent.word("named_clock")
    if named:
        hours, minute_of = (int(part) for part in named.split(":"))
        minutes = (hours * 60 + minute_of + _minutes_beside(intent)) % 1440
        return time(int(minutes) // 60, int(minutes) % 60), False
    hour_number = intent.number("hour")
    if hour_number is None:
        return None
    minutes = hour_number * 60 + _minutes_beside(intent)
    part = intent.word("daypart")
    if not (0 <= hour_number <= 24 and hour_number * 2 == int(hour_number * 2)):
        return None
    if not 0 <= (intent.number("minute") or 0) < 60:
        return None
    if part in ("am", "pm") and hour_number > 12:
        part = ""
    if part == "pm" and hour_number < 12:
        minutes += 720
    if part == "am" and hour_number == 12:
        minutes -= 720
    if part == "night":
        minutes += 720 if 6 <= hour_number < 12 else -720 if hour_number == 12 else 0
    latest = 12 if intent.words_language == "en" else _latest_french(intent)
    open_half = not part and 1 <= hour_number <= latest
    minutes %= 1440
    return time(int(minutes) // 60, int(minutes) % 60), open_half


def _latest_french(intent: Intent) -> int:
    """The last French hour without a half of the day that may be one of either."""
    if intent.name != "SetReminder":
        return 0
    of_today = intent.word("day") in ("", "today") and not intent.slots.keys() & OTHER_DAYS
    return 11 if of_today else _FRENCH_AFTERNOON


def _minutes_beside(intent: Intent) -> float:
    """The minutes said with an hour: "half past", "et quart", "ten to"."""
    added = (intent.number(slot) or 0.0 for slot in ("minute", "past", "clock_shift", "after_hour"))
    return sum(added) - (intent.number("before") or 0.0)


def weekdays(intent: Intent) -> tuple[int, ...]:
    """The weekdays of a recurrence, 0 is Monday; empty when it happens once."""
    name = intent.word("recurrence")
    if not name:
        return ()
    also, without = intent.word("also"), intent.word("except_day")
    days = {*(_GROUPS.get(name) or (int(name),)), *([int(also)] if also else [])}
    return tuple(sorted(days - {int(without)} if without else days))


def moment(intent: Intent, local: LocalTime, morning: bool = False) -> When | None:
    """When the intent asks for: a duration from now, or a clock time with a day or a recurrence.

    `morning`: hours without AM or PM are morning hours. Otherwise they are the next of the two on the day meant, and
    for a day to come 1 to 6 are afternoon hours.
    """
    if intent.slots.keys() & {"lead", "lead_days"}:
        return _before(intent, local, morning)
    seconds = intent.number("interval") or duration_s(intent)
    if seconds is not None and (intent.word("repeat") or intent.number("interval")):
        return When(local.now + seconds, every_s=seconds) if SHORTEST_REPEAT_S <= seconds <= LONGEST_S else None
    clock, days = clock_time(intent), weekdays(intent)
    if seconds is not None and clock is not None:
        return _days_on(clock, seconds, local)
    if seconds is not None:
        return When(local.now + seconds) if 0 < seconds <= LONGEST_S else None
    day = intent.word("day")
    part = intent.word("part_of_day")
    if clock is None and part:
        clock = (_PARTS_OF_DAY[part], False)
    elif clock is not None and part and not intent.word("daypart"):
        late = (part != "morning" and 1 <= clock[0].hour < 12) or (part == "evening" and clock[0].hour == 12)
        clock = (_shifted(clock[0]) if late and not intent.word("named_clock") else clock[0], False)
    if clock is None:
        named = day or days or intent.word("period") or day_of_month(intent) or named_later(intent)
        if intent.number("hour") is not None or not named:
            return None
        clock = (_evening(local) if day == "tonight" else DEFAULT_TIME, False)
    wall, open_half = clock
    if intent.word("period"):
        return _every(intent, _likely(wall) if open_half else wall, local)
    if open_half and wall.hour == 12:
        wall = _twelve(wall, morning, day, local)
    open_half = open_half and not morning and wall.hour % 12 != 0
    if days:
        return When(local.next(_likely(wall) if open_half else wall, days), _likely(wall) if open_half else wall, days)
    if named_later(intent):
        later = later_day(intent, local.wall.date())
        if later is None:
            return None
        instant = local.instant(datetime.combine(later, _likely(wall) if open_half else wall))
        return When(instant) if instant > local.now else None
    if day_of_month(intent):
        return _on_date(intent, _likely(wall) if open_half else wall, local)
    if not day:
        halves: tuple[time, ...] = (wall, _shifted(wall)) if open_half else (wall,)
        if open_half and intent.name == "SetReminder" and local.wall.hour >= _NIGHT_OVER:
            halves = tuple(half for half in halves if not 1 <= half.hour < _NIGHT_OVER)
        return When(min(local.next(half) for half in halves))
    return _on_day(wall, open_half, day, local)


def _before(intent: Intent, local: LocalTime, morning: bool) -> When | None:
    """So long before a time or day, "ten minutes before three"; a day later where that is past and no day is named."""
    rest = {name: value for name, value in intent.slots.items() if name not in _LEADS}
    meant = moment(replace(intent, slots=rest), local, morning)
    days, rest_s = divmod((duration_s(intent) or 0.0) + _DAY_S * (intent.number("lead_days") or 0.0), _DAY_S)
    if meant is None or meant.wall is not None or meant.every_s:
        return None
    wall = local.at(meant.instant - rest_s) - timedelta(days=days)
    instant = local.instant(wall)
    if instant <= local.now and not (days or intent.word("day") or intent.slots.keys() & OTHER_DAYS):
        instant = local.next(wall.time())
    return When(instant) if instant > local.now else None


def _days_on(clock: tuple[time, bool], seconds: float, local: LocalTime) -> When | None:
    """At a time of day in so many days: "in three days at noon"."""
    days, rest_s = divmod(seconds, _DAY_S)
    if rest_s or not 0 < seconds <= LONGEST_S:
        return None
    wall = _likely(clock[0]) if clock[1] else clock[0]
    return When(local.instant(datetime.combine(local.wall.date() + timedelta(days=days), wall)))


def _every(intent: Intent, wall: time, local: LocalTime) -> When | None:
    """What recurs every week, month or year: on the day that is named, else on today's."""
    today, period = local.wall, intent.word("period")
    if period == "week":
        return When(local.next(wall, (today.weekday(),)), wall, (today.weekday(),))
    named = day_of_month(intent)
    day, month = named or today.day, int(intent.number("month") or today.month) if period == "year" else 0
    if not 1 <= day <= 31:
        return None
    return When(local.next_day_of_month(wall, day, month), wall, day=day, month=month)


def _on_day(wall: time, open_half: bool, day: str, local: LocalTime) -> When | None:
    today = local.wall
    if day == "tonight" and wall.hour < _NIGHT_ENDS:
        return When(local.next(wall))
    if day in ("today", "tonight"):
        if day == "tonight" and wall.hour < 12:
            wall = _shifted(wall)
        halves = (wall, _shifted(wall)) if open_half and day == "today" else (wall,)
        for half in sorted(halves):
            instant = local.instant(datetime.combine(today.date(), half))
            if instant > local.now:
                return When(instant)
        return None
    likely = _likely(wall) if open_half else wall
    if day in ("tomorrow", "after_tomorrow"):
        return When(local.instant(datetime.combine(date_of(day, local), likely)))
    return When(local.next(likely, (int(day),)))


def _on_date(intent: Intent, wall: time, local: LocalTime) -> When | None:
    """Once, on the next day of that name: "the third", "December 24"; None where no year has it."""
    day, month, today = day_of_month(intent), int(intent.number("month") or 0), local.wall.date()
    if not month:
        return When(local.next_day_of_month(wall, day)) if 1 <= day <= 31 else None
    for year in range(today.year, today.year + _LEAP_YEARS + 1):
        try:
            instant = local.instant(datetime.combine(date(year, month, day), wall))
        except ValueError:
            continue
        if instant > local.now:
            return When(instant)
    return None


def _evening(local: LocalTime) -> time:
    """When "tonight" is, where no hour is named."""
    evening, night = _PARTS_OF_DAY["evening"], _PARTS_OF_DAY["night"]
    return evening if local.wall.time() < evening else night


def _twelve(wall: time, morning: bool, day: str, local: LocalTime) -> time:
    """ "Twelve" without a half is noon, unless it is late enough that midnight comes to mind first."""
    midnight = not morning and (day == "tonight" or (not day and local.wall.hour >= LATE_HOUR))
    return _shifted(wall) if midnight else wall


def _shifted(wall: time) -> time:
    return wall.replace(hour=(wall.hour + 12) % 24)


def _likely(wall: time) -> time:
    """Of an hour that may be both: 1 to 6 in the afternoon, 7 to 12 as said."""
    return _shifted(wall) if 1 <= wall.hour <= 6 else wall
