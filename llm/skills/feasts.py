"""The days of feasts, and the last of a month or year."""

from __future__ import annotations

from datetime import date, timedelta

_FIXED = {
    "christmas": (12, 25), "christmas_eve": (12, 24), "new_year": (1, 1), "new_years_eve": (12, 31),
    "halloween": (10, 31), "valentine": (2, 14), "all_saints": (11, 1),
}  # fmt: skip


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
    if feast == "thanksgiving":
        first = date(year, 11, 1)
        return first + timedelta(days=(3 - first.weekday()) % 7 + 21)
    month, day = _FIXED[feast]
    return date(year, month, day)


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
