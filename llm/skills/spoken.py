"""Numbers, times and durations as a reply writes them; tts turns that written form into words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

from core.messages import Language
from llm.skills.numbers import words_of

WEEKDAYS: dict[Language, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
}
MONTHS: dict[Language, tuple[str, ...]] = {
    "en": words_of("January February March April May June July August September October November December"),
    "fr": words_of("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
}
_UNITS: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (("day", "days"), ("hour", "hours"), ("minute", "minutes"), ("second", "seconds")),
    "fr": (("jour", "jours"), ("heure", "heures"), ("minute", "minutes"), ("seconde", "secondes")),
}
_AND: dict[Language, str] = {"en": "and", "fr": "et"}
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
WORKING_DAYS = (0, 1, 2, 3, 4)
WEEKEND = (5, 6)
_SIGNIFICANT = 10
_YEAR_DAYS = 366


def say_number(value: float, language: Language, digits: int = _SIGNIFICANT) -> str:
    """1234.5 as "1,234.5" or "1 234,5", to at most `digits` significant digits."""
    if value != 0 and not 1e-6 <= abs(value) < 1e15:
        text = f"{value:.{min(digits, 6) - 1}e}"
        mantissa, exponent = text.split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')} × 10^{int(exponent)}"
    else:
        rounded = float(f"{value:.{digits}g}")
        text = f"{rounded:,.10f}".rstrip("0").rstrip(".")
        text = "0" if text == "-0" else text
    if language == "fr":
        text = text.replace(",", "\u00a0").replace(".", ",")
    return text


def say_time(wall: time | datetime, language: Language) -> str:
    """7:05 PM, 19 h 05."""
    if language == "fr":
        return f"{wall.hour} h {wall.minute:02d}" if wall.minute else f"{wall.hour} h"
    half = "AM" if wall.hour < 12 else "PM"
    return f"{wall.hour % 12 or 12}:{wall.minute:02d} {half}"


def say_date(wall: datetime, language: Language) -> str:
    """Saturday, November 21 or samedi 21 novembre, without the year."""
    weekday, month = WEEKDAYS[language][wall.weekday()], MONTHS[language][wall.month - 1]
    if language == "fr":
        return f"{weekday} {'1er' if wall.day == 1 else wall.day} {month}"
    return f"{weekday}, {month} {wall.day}"


def say_duration(seconds: float, language: Language) -> str:
    """90 as "1 minute and 30 seconds"; parts that are zero are left out."""
    whole = max(0, round(seconds))
    days, rest = divmod(whole, 86_400)
    counts = (days, rest // 3600, rest // 60 % 60, rest % 60)
    parts = [
        f"{count} {many if count > 1 else one}"
        for count, (one, many) in zip(counts, _UNITS[language], strict=True)
        if count
    ]
    return join(parts, language) if parts else f"0 {_UNITS[language][3][0 if language == 'fr' else 1]}"


def say_about(seconds: float, language: Language) -> str:
    """A duration to the two largest parts that matter."""
    if seconds >= 86_400:
        return say_duration(round(seconds / 3600) * 3600, language)
    if seconds >= 600:
        return say_duration(round(seconds / 60) * 60, language)
    return say_duration(seconds, language)


def say_day(wall: datetime, now: datetime, language: Language) -> str:
    """The day of `wall` seen from `now`: empty for today, tomorrow, a weekday within the week, else the date,
    with its year where that is over a year away."""
    days = (wall.date() - now.date()).days
    if days == 0:
        return ""
    if days == 1:
        return "demain" if language == "fr" else "tomorrow"
    if 1 < days < 7:
        day = WEEKDAYS[language][wall.weekday()]
        return day if language == "fr" else f"on {day}"
    year = "" if days < _YEAR_DAYS else f" {wall.year}" if language == "fr" else f", {wall.year}"
    return f"le {say_date(wall, language)}{year}" if language == "fr" else f"on {say_date(wall, language)}{year}"


def say_moment(wall: datetime, now: datetime, language: Language) -> str:
    """ "at 7:30 AM tomorrow", "demain à 7 h 30"."""
    day, clock = say_day(wall, now, language), say_time(wall, language)
    if language == "fr":
        return f"{day} à {clock}".strip()
    return f"at {clock} {day}".strip()


def say_weekdays(weekdays: Sequence[int], language: Language) -> str:
    """ "every weekday", "tous les lundis"."""
    days = tuple(sorted(weekdays))
    french = language == "fr"
    if days == EVERY_DAY:
        return "tous les jours" if french else "every day"
    if days == WORKING_DAYS:
        return "du lundi au vendredi" if french else "every weekday"
    if days == WEEKEND:
        return "tous les week-ends" if french else "every weekend"
    names = [WEEKDAYS[language][day] for day in days]
    if french:
        return "tous les " + join([f"{name}s" for name in names], language)
    return "every " + join(names, language)


def say_ordinal(number: int) -> str:
    """1st, 22nd, 13th, for English."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


def say_every(seconds: float, language: Language) -> str:
    """ "every hour", "every 30 minutes", "toutes les 2 heures"."""
    length = say_duration(seconds, language)
    one = {"en": ("1 day", "1 hour", "1 minute"), "fr": ("1 jour", "1 heure", "1 minute")}[language]
    if language == "fr":
        masculine = "jour" in length and "heure" not in length
        return f"{'tous' if masculine else 'toutes'} les {f'{length[2:]}s' if length in one else length}"
    return f"every {length[2:] if length in one else length}"


def say_day_of_month(day: int, month: int, language: Language) -> str:
    """ "on the 1st of every month", "chaque année le 21 novembre"."""
    number = "1er" if day == 1 else str(day)
    if not month:
        return _choose(language, f"on the {say_ordinal(day)} of every month", f"le {number} de chaque mois")
    name = MONTHS[language][month - 1]
    return _choose(language, f"every year on {name} {day}", f"chaque année le {number} {name}")


def _choose(language: Language, en: str, fr: str) -> str:
    """The text of the two that is in this language."""
    return fr if language == "fr" else en


def join(parts: Sequence[str], language: Language) -> str:
    """ "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {_AND[language]} {parts[-1]}"
