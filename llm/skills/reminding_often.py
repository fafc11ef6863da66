"""One thing to be reminded of at several times, "at 8 and at 20 to take my pills", as one intent of parts.

Only where each piece between "and" is a time of day for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from core.messages import Language
from llm.skills.base import Intent, Slot

_TIMES_FIRST: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?P<lead>.*?\bremind me|.*?\b(?:set|add|create|make) (?:a )?reminders?) (?P<times>.+?) "
        r"(?P<text>(?:to|about|that) .+)$",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"^(?P<lead>.*?\brappel(?:le|ez)[- ]moi) (?P<times>.+?) (?P<text>(?:de |d['’]|que |qu['’]).+)$", re.IGNORECASE
    ),
}
_TEXT_FIRST: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?P<lead>.*?\bremind me) (?P<text>(?:to|about|that) .+?) "
        r"(?P<times>(?:(?:today|tomorrow|every day) )?at .+)$",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"^(?P<lead>.*?\brappel(?:le|ez)[- ]moi) (?P<text>(?:de |d['’]|que |qu['’]).+?) "
        r"(?P<times>(?:(?:aujourd['’]hui|demain|tous les jours) )?à .+)$",
        re.IGNORECASE,
    ),
}
_BETWEEN: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\s*,\s*(?:and\s+)?(?:again\s+)?|\s+and\s+(?:again\s+)?", re.IGNORECASE),
    "fr": re.compile(r"\s*,\s*(?:et\s+)?|\s+et\s+(?!(?:demie?|quart)\b)", re.IGNORECASE),
}
_AT: dict[Language, str] = {"en": "at ", "fr": "à "}
_REMIND: dict[Language, str] = {"en": "remind me {} to something", "fr": "rappelle-moi {} de quelque chose"}
_ABOUT: dict[Language, str] = {"en": "remind me {}", "fr": "rappelle-moi {}"}
_THING: dict[Language, str] = {"en": "something", "fr": "quelque chose"}
_NAME, _TEXT = "SetReminder", "text"
_CLOCK = frozenset(("hour", "named_clock"))
_OF_DAY = frozenset(("day", "recurrence", "part_of_day"))
MOST_TIMES = 6

Recognise = Callable[[str, Language], Intent | None]


def at_several_times(text: str, language: Language, recognise: Recognise) -> list[Intent]:
    """The reminders, one a time; empty where the text names no thing or fewer than two times."""
    for pattern in (_TIMES_FIRST[language], _TEXT_FIRST[language]):
        found = pattern.match(text.strip(" .,;:!?"))
        if found is None:
            continue
        about = recognise(_ABOUT[language].format(found["text"]), language)
        pieces = _BETWEEN[language].split(found["times"])
        if about is None or about.name != _NAME or not 2 <= len(pieces) <= MOST_TIMES:
            continue
        times = [_time(piece, language, recognise) for piece in pieces]
        if all(times):
            return _reminders([time for time in times if time is not None], about.word(_TEXT))
    return []


def _time(piece: str, language: Language, recognise: Recognise) -> Intent | None:
    """The reminder of a thing at a time of day, "at 8" or "8 in the morning"; None where the piece is no such time."""
    for said in (piece, _AT[language] + piece):
        found = recognise(_REMIND[language].format(said), language)
        if found is not None and found.name == _NAME and found.word(_TEXT) == _THING[language]:
            return found if _CLOCK & found.slots.keys() else None
    return None


def _reminders(times: list[Intent], text: str) -> list[Intent]:
    """The day that one of the times names is that of all."""
    of_day: dict[str, Slot] = {}
    for time in times:
        of_day = {name: value for name, value in time.slots.items() if name in _OF_DAY} or of_day
    return [replace(time, slots={**of_day, **time.slots, _TEXT: text}) for time in times]
