"""Finds the time in the user's own words, "in a quarter of an hour", so that no alarm rings when a model miscounts.

The skills' own templates read it; which word is near one is told by the tools' declared choices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from core.messages import Language
from llm.skills.base import Slot
from llm.skills.languages import COMMON_WORDS
from llm.skills.normalise import Utterance, normalise
from llm.skills.recognise import SkillRecogniser
from llm.skills.vocabulary import Vocabulary

SHORTEST = 3
"""letters of a word that shows a time by itself; "am" is said of oneself as well"""
LONGEST = 9
"""words of a time"""
KNOWN = 4
"""texts whose times are not looked for twice"""
BEFORE, BEHIND = 4, 3
"""words of a time around those that show where it is: "a quarter of an" hour, neuf "heures et demie" """
_WHAT = "something"
_CARRIERS: dict[Language, tuple[str, ...]] = {
    "en": ("wake me {}", "wake me in {}", f"remind me {{}} to {_WHAT}"),
    "fr": ("réveille-moi {}", "réveille-moi dans {}", f"rappelle-moi {{}} de {_WHAT}"),
}
"""sentences that are a timer, an alarm or a reminder by the time that they hold"""
_TEXT = "text"
FROM_NOW, AT = "SetTimer", "SetAlarm"
TIMED = frozenset({FROM_NOW, AT, "SetReminder"})
"""tools that take a time"""


@dataclass(frozen=True, slots=True)
class SaidTime:
    """A time as somebody said it."""

    slots: Mapping[str, Slot]
    words: str
    from_now: bool
    """"in ten minutes", not "at ten" """


class SaidTimes:
    """`near` are words, folded, that stand in times; numbers do too."""

    def __init__(self, recogniser: SkillRecogniser, near: Collection[str]) -> None:
        self._recogniser = recogniser
        self._vocabularies: dict[Language, Vocabulary] = {}
        telling = (word for word in near if len(word) >= SHORTEST)
        self._near = frozenset(telling).difference(*COMMON_WORDS.values())
        self._found = lru_cache(maxsize=KNOWN)(self._find)

    def may_hold(self, text: str, language: Language) -> bool:
        """Whether a number or a word of time stands in a text."""
        return bool(self._places(normalise(text, language)))

    def find(self, text: str, language: Language) -> SaidTime | None:
        """The longest time in a text, None where there is none."""
        return self._found(text, language)

    def _find(self, text: str, language: Language) -> SaidTime | None:
        said = normalise(text, language)
        for words in _spans(said, self._places(said)):
            for sentence in (carrier.format(words) for carrier in _CARRIERS[language]):
                if not self._vocabulary(language).holds(normalise(sentence, language)):
                    continue
                intent = self._recogniser.recognise(sentence, language)
                if intent is None or not intent.open_slots <= {_TEXT} or intent.slots.get(_TEXT, _WHAT) != _WHAT:
                    continue
                slots = _whole_hour({slot: value for slot, value in intent.slots.items() if slot != _TEXT})
                if intent.name in TIMED and slots:
                    return SaidTime(slots, words, intent.name == FROM_NOW)
        return None

    def _vocabulary(self, language: Language) -> Vocabulary:
        """Of all sentences that hold a time: matching what cannot be one of them takes ten times as long."""
        if language not in self._vocabularies:
            self._vocabularies[language] = self._recogniser.vocabulary(TIMED, _WHAT, language)
        return self._vocabularies[language]

    def _places(self, said: Utterance) -> list[int]:
        tokens = enumerate(said.tokens)
        return [place for place, token in tokens if token.value is not None or token.text in self._near]


def _spans(said: Utterance, places: list[int]) -> Iterator[str]:
    """The words around the places, the most first."""
    if not places:
        return
    first, last = max(places[0] - BEFORE, 0), min(places[-1] + BEHIND + 1, len(said.tokens))
    for length in range(min(LONGEST, last - first), 0, -1):
        for start in range(first, last - length + 1):
            if any(start <= place < start + length for place in places):
                yield said.original[said.tokens[start].start : said.tokens[start + length - 1].end]


def _whole_hour(slots: dict[str, Slot]) -> dict[str, Slot]:
    """ "6.30" as a recogniser writes half past six."""
    hour = slots.get("hour")
    if not isinstance(hour, float) or hour.is_integer() or "minute" in slots:
        return slots
    minute = round(hour % 1 * 100)
    return {**slots, "hour": float(int(hour)), "minute": float(minute)} if minute < 60 else slots
