"""Short ways of saying times and lengths, in full: "at 6.30", "half ten", "an hour twenty", "deux minutes trente".

Works on tokens whose numbers are read; changes only what stands where a time or the end of a length is expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.messages import Language
from llm.skills.numbers import words_of

if TYPE_CHECKING:
    from llm.skills.normalise import Token

_POINTED = re.compile(r"([01]?\d|2[0-3])\.([0-5]\d)")
"""a time of day as the British write it; "6.3" is a number"""
_BEFORE_TIME: dict[Language, frozenset[str]] = {
    "en": frozenset(("at", "by", "until", "till", "around", "about")),
    "fr": frozenset(("a", "vers", "avant")),
}
_BEFORE_ALARM: dict[Language, frozenset[str]] = {"en": frozenset(("for", "to", "alarm")), "fr": frozenset(("pour",))}
_RINGS = re.compile(r"alarme?s?|wake|remind|reminder|reveil|reveils|rappel|reveille")
_AFTER_TIME: dict[Language, frozenset[str]] = {
    "en": frozenset(
        words_of(
            "am pm o'clock on in this today tonight tomorrow every for to and monday tuesday wednesday thursday friday "
            "saturday sunday"
        )
    ),
    "fr": frozenset(
        words_of("du de d le ce demain apres aujourd'hui et tous lundi mardi mercredi jeudi vendredi samedi dimanche")
    ),
}
_SMALLER: dict[Language, dict[str, str]] = {
    "en": {"hour": "minutes", "hours": "minutes", "minute": "seconds", "minutes": "seconds"},
    "fr": {"minute": "secondes", "minutes": "secondes"},
}
"""the templates know "deux heures vingt" """
_BEFORE_LENGTH = frozenset(words_of("for of de d pour a an"))
_AFTER_LENGTH = frozenset(words_of("called named for please timer pour s'il s stp merci appele nomme"))
_LARGEST = 59
_THREE = 3
_QUARTERS: dict[Language, tuple[str, str, str]] = {
    "en": ("hour", "and", "quarters"), "fr": ("heure", "et", "quarts")
}  # fmt: skip
"""an hour, the word between, and its quarters"""
_NOON = 12
_NAMED_HOURS = {"midnight": 24, "noon": _NOON, "midday": _NOON}
_SIDES = {"past": 1, "after": 1, "to": -1, "before": -1}


def in_full(tokens: Sequence[Token], language: Language) -> list[Token]:
    """The tokens with such short ways written out as the templates have them."""
    rings = any(_RINGS.fullmatch(token.text) for token in tokens)
    said = list(_pointed(tokens, language, rings))
    if language == "en":
        said = list(_named_hours(_half_hours(said, rings)))
    return list(_units(_three_quarters(said, language), language))


def _three_quarters(tokens: Iterable[Token], language: Language) -> list[Token]:
    """ "An hour and three quarters" is an hour and 45 minutes."""
    said = list(tokens)
    hour, link, quarters = _QUARTERS[language]
    for place in range(2, len(said)):
        before = said[place - 2] if said[place - 2].text != link or place < 3 else said[place - 3]
        fits = said[place].text == quarters and said[place - 1].value == _THREE and before.text.rstrip("s") == hour
        if fits and [one.text for one in said[place + 1 : place + 2]] not in (["of"], ["d"]):
            said[place - 1] = replace(said[place - 1], text="45", value=45.0)
            said[place] = replace(said[place], text="minutes")
    return said


def _named_hours(tokens: Iterable[Token]) -> list[Token]:
    """ "Half past midnight" is 0 30 AM."""
    said = list(tokens)
    for place in range(2, len(said)):
        hour, beside, side = _NAMED_HOURS.get(said[place].text), said[place - 2], said[place - 1].text
        minutes = {"half": 30.0, "quarter": 15.0}.get(beside.text, beside.value)
        if hour is None or side not in _SIDES or minutes is None or not 0 < minutes <= _LARGEST:
            continue
        hour, minute = divmod(int(hour * 60 + _SIDES[side] * minutes) % 1440, 60)
        first = place - 3 if place > 2 and said[place - 3].text == "a" else place - 2
        end = said[place].end
        numbers = [replace(said[first], text=f"{value}", end=end, value=float(value)) for value in (hour, minute)]
        half = replace(said[place], text="am" if hour < _NOON else "pm")
        return [*said[:first], *numbers, half, *said[place + 1 :]]
    return said


def _pointed(tokens: Sequence[Token], language: Language, rings: bool) -> Iterator[Token]:
    """ "at 6.30" is six thirty."""
    for place, token in enumerate(tokens):
        digits = _POINTED.fullmatch(token.text) if token.value is not None else None
        if digits is None or not _stands_for_time(tokens, place, language, rings):
            yield token
            continue
        for part in digits.groups():
            yield replace(token, text=part, value=float(part))


def _half_hours(tokens: Sequence[Token], rings: bool) -> Iterator[Token]:
    """ "at half ten" is half past ten."""
    for place, token in enumerate(tokens):
        yield token
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        hour = following.value if following is not None else None
        if token.text == "half" and hour is not None and hour in range(1, 13) and place > 0:
            before = tokens[place - 1].text in _BEFORE_TIME["en"] or (rings and tokens[place - 1].text in ("for", "to"))
            if before and _may_follow(tokens, place + 1, "en"):
                yield replace(token, text="past")


def _units(tokens: Sequence[Token], language: Language) -> Iterator[Token]:
    """ "for one hour twenty", "for an hour and ten": twenty minutes more, and ten."""
    for place, token in enumerate(tokens):
        yield token
        linked = language == "en" and tokens[place - 1].text == "and"
        first = place - (4 if linked else 3)
        if token.value is None or not 0 < token.value <= _LARGEST or first < 0:
            continue
        before, count, unit = tokens[first : first + 3]
        smaller = _SMALLER[language].get(unit.text)
        ends = place + 1 == len(tokens) or tokens[place + 1].text in _AFTER_LENGTH
        counted = count.value is not None or count.text in ("an", "a")
        if smaller is not None and counted and ends and before.text in (*_BEFORE_LENGTH, "timer", "minuteur"):
            yield replace(token, text=smaller, value=None, start=token.end)


def _stands_for_time(tokens: Sequence[Token], place: int, language: Language, rings: bool) -> bool:
    if place == 0:
        return False
    before = tokens[place - 1].text
    after_time_word = before in _BEFORE_TIME[language] or (rings and before in _BEFORE_ALARM[language])
    return after_time_word and _may_follow(tokens, place, language)


def _may_follow(tokens: Sequence[Token], place: int, language: Language) -> bool:
    return place + 1 == len(tokens) or tokens[place + 1].text in _AFTER_TIME[language]
