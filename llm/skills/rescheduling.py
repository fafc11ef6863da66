"""What alarms and reminders share where one of several is meant and comes at another time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from core.messages import Language
from llm.schedule import Item, Schedule
from llm.skills.base import Intent
from llm.skills.normalise import normalise
from llm.skills.timers import named
from llm.skills.when import clock_time, moment

_NAMES_NOTHING = frozenset(
    ("the", "my", "to", "at", "o'clock", "a", "le", "la", "les", "mon", "ma", "de", "d", "heures", "heure", "h")
)
_SHORTEST_FORM = 5
"""characters of a word above which "ing" at its end is a form and not the word: "ring", "bring" """


def about(items: Sequence[Item], text: str, describe: Callable[[Item], str], language: Language) -> list[Item]:
    """The items that hold the words of `text`, in any form of them, or whose time as `describe` tells it has them."""
    wanted = _stems(text, language)
    by_words = named(items, text) or [item for item in items if wanted and wanted <= _stems(item.text, language)]
    return by_words or [item for item in items if wanted and wanted <= _stems(describe(item), language)]


def moved(before: Item, intent: Intent, schedule: Schedule) -> Item | None:
    """The item at the time or on the day that is said, else as before; None where there is no such time.

    A time without AM or PM is in the half of the day in which it was. What recurs does so on the same weekdays.
    """
    local = schedule.local
    clock, when, old = clock_time(intent), moment(intent, local), local.at(before.due_at)
    if when is None:
        return None
    wall = old.time()
    if clock is not None:
        wall = clock[0].replace(hour=clock[0].hour % 12 + (12 if old.hour >= 12 else 0)) if clock[1] else clock[0]
    day = local.at(when.instant).date() if intent.word("day") else old.date()
    due_at = local.next(wall, before.weekdays) if before.weekdays else local.instant(datetime.combine(day, wall))
    if due_at <= schedule.now:
        due_at = local.next(wall)
    return Item(before.kind, before.text, before.language, due_at, wall=before.wall and wall, weekdays=before.weekdays)


def exchange(before: Item, after: Item, schedule: Schedule) -> tuple[Item, Callable[[], None]]:
    """Keep `after` instead of `before`: the item as it is kept, and how to have the old one again."""
    schedule.remove([before])
    kept = schedule.add(after)

    def put_back() -> None:
        schedule.remove([kept])
        schedule.restore([before])

    return kept, put_back


def _stems(text: str, language: Language) -> set[str]:
    """The words of a text without what "standing" and "stand" differ in, and without those that name nothing."""
    words = [word for word in normalise(text, language).words if word not in _NAMES_NOTHING]
    if language == "fr":
        return set(words)
    forms = (re.sub(r"(.)\1?ing$", r"\1", word) if len(word) > _SHORTEST_FORM else word for word in words)
    return {form.removesuffix("e") for form in forms}
