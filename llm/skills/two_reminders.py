"""Two things to be reminded of in one sentence, "remind me to call mum at nine and dad at ten", as one intent each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from core.messages import Language
from llm.skills.base import Intent
from llm.skills.numbers import words_of
from llm.skills.reminding_often import LEADS_ON

_REMIND: dict[Language, str] = {"en": "remind me to", "fr": "rappelle-moi de"}
_REMIND_AT: dict[Language, str] = {"en": "remind me", "fr": "rappelle-moi"}
_DICTATED = "text"
_HOURS = frozenset(("hour", "named_clock"))
_DAYS = frozenset(
    ("day", "tens", "nth", "month_day", "month", "feast", "later_day", "recurrence", "week_of", "weekday")
)
_FROM_NOW = frozenset(("hours", "minutes", "seconds", "fixed_duration", "days", "weeks"))
_BEFORE_A_THING = frozenset(words_of("the my our his her their your a an some"))
_DONE_ALONE = frozenset(
    words_of("leave eat sleep rest exercise stretch cook study work shower run train swim read write shop clean pray")
    + words_of("meditate breathe drink dance sing walk relax practise practice iron vacuum hoover pack dress go")
)
"""verbs that are said without a thing: "call mum at nine and leave at ten" """
_PARTICLES = frozenset(words_of("out up off in down away back over"))
_NO_THING = LEADS_ON | {"le", "la", "les"}
_INFINITIVE = re.compile(r"(?:er|ir|re|oir)$|['’]", re.IGNORECASE)

Recognise = Callable[[str, Language], Intent | None]


def two_reminders(
    text: str, cuts: Iterable[re.Match[str]], language: Language, recognise: Recognise
) -> tuple[Intent, ...]:
    """Both, only where both halves of the text, at one of its `cuts`, name their time, both an hour or both a day;
    empty elsewhere. What is only a thing is done as the first one is: "call dad"."""
    for cut in cuts:
        first = recognise(text[: cut.start()].strip(), language)
        rest = text[cut.end() :].strip()
        second = recognise(f"{_REMIND_AT[language]} {rest}", language)
        if second is None or not second.word(_DICTATED) or second.word(_DICTATED) == rest:
            second = recognise(f"{_REMIND[language]} {rest}", language)
        if first is None or second is None or not _same_times(first, second):
            continue
        done, thing = first.word(_DICTATED), second.word(_DICTATED)
        if not (first.name == second.name == "SetReminder" and done and thing) or done.split()[-1] in LEADS_ON:
            continue
        verb = _verb(done, thing, language)
        anew = recognise(f"{_REMIND[language]} {verb} {rest}", language) if verb else None
        second = anew if anew is not None and anew.name == "SetReminder" else second
        day = {} if _DAYS & second.slots.keys() else {slot: first.slots[slot] for slot in _DAYS & first.slots.keys()}
        return first, replace(second, slots=day | dict(second.slots))
    return ()


def _same_times(first: Intent, second: Intent) -> bool:
    """Whether both name an hour, or both a day, or both how long from now."""
    return any(kind & first.slots.keys() and kind & second.slots.keys() for kind in (_HOURS, _DAYS, _FROM_NOW))


def _verb(done: str, thing: str, language: Language) -> str:
    """What is done with the first thing, "take out", where the second is only a thing or a person: "the recycling",
    "dad". Empty where it says itself what is done."""
    verb, *others = done.casefold().split()
    first, *more = thing.casefold().split()
    if language == "fr":
        is_thing = _INFINITIVE.search(verb) and not any(map(_INFINITIVE.search, (first, *more[:1])))
        return verb if others and is_thing and first not in _NO_THING else ""
    if not others or verb in _BEFORE_A_THING:
        return ""
    if first in _BEFORE_A_THING or (not more and first not in _DONE_ALONE):
        return f"{verb} {others[0]}" if others[0] in _PARTICLES and len(others) > 1 else verb
    return ""
