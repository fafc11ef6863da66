"""Which of several things is meant by its place: a timer, an alarm or a reminder, "the first one", "the shorter", or
what stands on a list, "the last item", "number two".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from llm.schedule import Item
from llm.skills.normalise import fold

_SOONEST = frozenset(("first", "next", "soonest", "shorter", "shortest", "premier", "premiere", "prochain", "prochaine",
                      "court", "courte"))  # fmt: skip
_FIRST = frozenset(("first", "premier", "premiere"))
_LATEST = frozenset(("longer", "longest", "long", "longue"))
_NEWEST = frozenset(("last", "latest", "newest", "dernier", "derniere"))
_PLACES = {
    "second": 2, "third": 3, "fourth": 4, "fifth": 5,
    "deuxieme": 2, "seconde": 2, "troisieme": 3, "quatrieme": 4, "cinquieme": 5,
}  # fmt: skip
_NUMBERS = {
    "1": 1, "one": 1, "un": 1, "2": 2, "two": 2, "deux": 2, "3": 3, "three": 3, "trois": 3, "4": 4, "four": 4,
    "quatre": 4, "5": 5, "five": 5, "cinq": 5, "6": 6, "six": 6,
}  # fmt: skip
_OF_A_LIST = frozenset(("item", "thing", "entry", "number", "article", "chose", "element", "numero"))
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


Entry = TypeVar("Entry")


def at_place(entries: Sequence[Entry], words: str) -> list[Entry]:
    """The one entry of a list, in its order, that such words mean; none where they mean none."""
    said = fold(words).replace("-", " ").split()
    place = [word for word in said if word not in _OF_A_LIST | _FILLERS - {"one"}]
    numbered = len(place) < len(said) and len(place) == 1 and place[0] in _NUMBERS
    if not numbered:
        place = [word for word in place if word != "one"]
    if len(place) != 1 or not entries:
        return []
    word = place[0]
    number = _NUMBERS[word] if numbered else 1 if word in _FIRST else _PLACES.get(word, 0)
    if word in _NEWEST:
        return [entries[-1]]
    return [entries[number - 1]] if 1 <= number <= len(entries) else []
