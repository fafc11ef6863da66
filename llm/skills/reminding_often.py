"""One thing to be reminded of at several times, "at 8 and at 20 to take my pills", as one intent of parts.

Only where each piece between "and" is a time for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from core.messages import Language
from llm.skills.base import Intent, Slot
from llm.skills.numbers import words_of

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
    "en": re.compile(r"^.*?\bremind me (?P<rest>(?:to|about|that) .+)$", re.IGNORECASE),
    "fr": re.compile(r"^.*?\brappel(?:le|ez)[- ]moi (?P<rest>(?:de |d['’]|que |qu['’]).+)$", re.IGNORECASE),
}
_TIMES_BEGIN: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\s(?:(?:today|tomorrow|every day) )?(?:at|in|on) ", re.IGNORECASE),
    "fr": re.compile(
        r"\s(?:(?:aujourd['’]hui |demain |tous les jours )?(?:à|dans) |"
        r"(?:lun|mar|mercre|jeu|vendre|same)di |dimanche )",
        re.IGNORECASE,
    ),
}
"""where the times may begin that are said behind the thing"""
_BETWEEN: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\s*,\s*(?:and\s+)?(?:again\s+)?|\s+and\s+(?:again\s+)?", re.IGNORECASE),
    "fr": re.compile(r"\s*,\s*(?:et\s+)?|\s+et\s+(?!(?:demie?|quart)\b)", re.IGNORECASE),
}
_AT: dict[Language, str] = {"en": "at ", "fr": "à "}
_REMIND: dict[Language, str] = {"en": "remind me {} to something", "fr": "rappelle-moi {} de quelque chose"}
_ABOUT: dict[Language, str] = {"en": "remind me {}", "fr": "rappelle-moi {}"}
_THING: dict[Language, str] = {"en": "something", "fr": "quelque chose"}
LEADS_ON = frozenset(words_of("for on at to with of and between pour à de avec et entre"))
"""words that end no thing: "a table for" is of the days that follow"""
_NAME, _TEXT = "SetReminder", "text"
_CLOCK = frozenset(("hour", "named_clock"))
_TIME = _CLOCK | {"hours", "minutes", "seconds", "fixed_duration", "days", "weeks", "day"}
_OF_DAY = frozenset(("day", "recurrence", "part_of_day"))
MOST_TIMES = 6
_NOON = 12

Recognise = Callable[[str, Language], Intent | None]


def at_several_times(text: str, language: Language, recognise: Recognise) -> list[Intent]:
    """The reminders, one a time; empty where the text names no thing or fewer than two times."""
    for said, listed in _splits(text.strip(" .,;:!?"), language):
        about = recognise(_ABOUT[language].format(said), language)
        pieces = _BETWEEN[language].split(listed)
        if (
            said.split()[-1].casefold() in LEADS_ON
            or about is None
            or about.name != _NAME
            or not 2 <= len(pieces) <= MOST_TIMES
        ):
            continue
        times = [_time(piece, language, recognise) for piece in pieces]
        if all(times):
            return _reminders([time for time in times if time is not None], about.word(_TEXT))
    return []


def _splits(text: str, language: Language) -> Iterator[tuple[str, str]]:
    """The thing and its times, in all ways in which the text may be of both."""
    found = _TIMES_FIRST[language].match(text)
    if found is not None:
        yield found["text"], found["times"]
    found = _TEXT_FIRST[language].match(text)
    if found is not None:
        rest = found["rest"]
        for begin in _TIMES_BEGIN[language].finditer(rest):
            yield rest[: begin.start()], rest[begin.start() :].strip()


def _time(piece: str, language: Language, recognise: Recognise) -> Intent | None:
    """The reminder of a thing at a time, "at 8", "8 in the morning", "in ten minutes"; None where the piece is none."""
    for said in (piece, _AT[language] + piece):
        found = recognise(_REMIND[language].format(said), language)
        if found is not None and found.name == _NAME and found.word(_TEXT) == _THING[language]:
            return found if _TIME & found.slots.keys() else None
    return None


def _reminders(times: list[Intent], text: str) -> list[Intent]:
    """The day that one of the times names is that of all. Beside "twenty hours" eight is in the morning."""
    of_day: dict[str, Slot] = {}
    to_24 = any((time.number("hour") or 0) > _NOON for time in times)
    for time in times:
        of_day = {name: value for name, value in time.slots.items() if name in _OF_DAY} or of_day
    return [
        replace(
            time,
            slots={
                **({"daypart": "am"} if to_24 and (time.number("hour") or _NOON) < _NOON else {}),
                **of_day, **time.slots, _TEXT: text,
            },
        )
        for time in times
    ]  # fmt: skip
