"""Short ways of saying times and lengths, in full: "at 6.30", "half ten", "an hour twenty", "deux minutes trente".

Works on tokens whose numbers are read; changes only what stands where a time or the end of a length is expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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


def in_full(tokens: Sequence[Token], language: Language) -> list[Token]:
    """The tokens with such short ways written out as the templates have them."""
    rings = any(_RINGS.fullmatch(token.text) for token in tokens)
    said = list(_pointed(tokens, language, rings))
    if language == "en":
        said = list(_half_hours(said, rings))
    return list(_units(said, language))


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
