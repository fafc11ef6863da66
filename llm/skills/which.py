"""Which of several timers, alarms or reminders is meant by its place: "the first one", "the last", "the shorter"."""

from __future__ import annotations

from collections.abc import Sequence

from llm.schedule import Item
from llm.skills.normalise import fold

_SOONEST = frozenset(("first", "next", "soonest", "shorter", "shortest", "premier", "premiere", "prochain", "prochaine",
                      "court", "courte"))  # fmt: skip
_LATEST = frozenset(("longer", "longest", "long", "longue"))
_NEWEST = frozenset(("last", "latest", "newest", "dernier", "derniere"))
_PLACES = {
    "second": 2, "third": 3, "fourth": 4, "fifth": 5,
    "deuxieme": 2, "seconde": 2, "troisieme": 3, "quatrieme": 4, "cinquieme": 5,
}  # fmt: skip
_FILLERS = frozenset(("the", "one", "le", "la", "plus", "my", "mon", "ma", "celui", "du", "de"))


def by_place(items: Sequence[Item], words: str) -> list[Item]:
    """The one item that such words mean, the last being the one that was set last; none where they mean none.

    `items` come in the order in which they ring.
    """
    said = [word for word in fold(words).replace("-", " ").split() if word not in _FILLERS]
    if len(said) != 1 or not items:
        return []
    word = said[0]
    if word in _SOONEST:
        return [min(items, key=lambda item: item.due_at)]
    if word in _LATEST:
        return [max(items, key=lambda item: item.due_at)]
    if word in _NEWEST:
        return [max(items, key=lambda item: item.id)]
    place = _PLACES.get(word, 0)
    return [items[place - 1]] if 1 <= place <= len(items) else []
