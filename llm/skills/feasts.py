"""The days of feasts, and the last of a month or year."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

_FIXED = {
    "christmas": (12, 25), "christmas_eve": (12, 24), "new_year": (1, 1), "new_years_eve": (12, 31),
    "halloween": (10, 31), "valentine": (2, 14), "all_saints": (11, 1), "boxing_day": (12, 26), "epiphany": (1, 6),
    "candlemas": (2, 2), "st_patrick": (3, 17), "april_fools": (4, 1), "may_day": (5, 1), "victory_day": (5, 8),
    "midsummer": (6, 24), "independence_day": (7, 4), "bastille": (7, 14), "assumption": (8, 15), "guy_fawkes": (11, 5),
    "armistice": (11, 11),
}  # fmt: skip
_FROM_EASTER = {
    "shrove_tuesday": -47, "ash_wednesday": -46, "palm_sunday": -7, "maundy_thursday": -3, "good_friday": -2,
    "easter_monday": 1, "ascension": 39, "pentecost": 49, "pentecost_monday": 50,
}  # fmt: skip
"""days after Easter Sunday"""
_NTH_WEEKDAY = {
    "thanksgiving": (4, 3, 11), "fathers_day": (3, 6, 6), "mothers_day": (2, 6, 5), "memorial_day": (-1, 0, 5),
    "labor_day": (1, 0, 9),
}  # fmt: skip
"""the week of the month, -1 the last, the weekday, and the month"""


def next_feast(feast: str, today: date) -> date:
    """The next such day, today included."""
    if feast in ("month_end", "year_end"):
        following = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        return (following if feast == "month_end" else date(today.year + 1, 1, 1)) - timedelta(days=1)
    found = (day_of_feast(feast, year) for year in (today.year, today.year + 1))
    return next(day for day in found if day >= today)


def day_of_feast(feast: str, year: int) -> date:
    """Its day in a year; KeyError for one that is not known."""
    if feast == "easter":
        return easter(year)
    if feast in _FROM_EASTER:
        return easter(year) + timedelta(days=_FROM_EASTER[feast])
    if feast == "black_friday":
        return day_of_feast("thanksgiving", year) + timedelta(days=1)
    if feast == "fete_des_meres":
        last = nth_weekday(-1, 6, year, 5) or date(year, 5, 31)
        return last + timedelta(days=7) if last == day_of_feast("pentecost", year) else last
    if feast in _NTH_WEEKDAY:
        week, weekday, month = _NTH_WEEKDAY[feast]
        return nth_weekday(week, weekday, year, month) or date(year, month, 1)
    month, day = _FIXED[feast]
    return date(year, month, day)


def nth_weekday(week: int, weekday: int, year: int, month: int) -> date | None:
    """The first (1) to fifth or the last (-1) such weekday, 0 is Monday, of a month; None where it has no fifth."""
    first, days = date(year, month, 1), monthrange(year, month)[1]
    day = 1 + (weekday - first.weekday()) % 7 + 7 * (week - 1)
    if week == -1:
        day = days - (date(year, month, days).weekday() - weekday) % 7
    return first.replace(day=day) if day <= days else None


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, Nature 1876)."""
    golden, (century, of_century) = year % 19, divmod(year, 100)
    leaps, rest = divmod(century, 4)
    shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leaps - shift + 15) % 30
    quarters, odd = divmod(of_century, 4)
    to_sunday = (32 + 2 * rest + 2 * quarters - epact - odd) % 7
    late = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)
