"""The last timer, alarm or reminder put right: "no, fifteen minutes", "actually make that seven", "non, plutôt demain".
Or the last things of the shopping list, by `correcting_things`.

What is said anew takes the place of what it corrects; a name, the words of a reminder, and the day or the time that is
not said again stay. Only words that lead in a correction make one: a bare "fifteen minutes" is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from core.messages import Language
from llm.correcting_things import ADDS, CHANGES, another_thing
from llm.skills.base import Intent, Slot, Undoable
from llm.skills.normalise import normalise

CORRECTED_WITHIN_S = 60.0
_LEAD: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:(?:no|nope|wait|sorry|oops|oh|actually|well|rather|i (?:meant|mean|said)|make (?:it|that|this)|"
        r"(?:change|set|move) (?:it|that|this) (?:to|for)|(?:leave|keep) (?:it|that|this) (?:at|for)|let's say)"
        r"\b[\s,.;:!-]*)+",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"^(?:(?:non|nan|attends|attendez|pardon|désolée?|oups|en fait|finalement|enfin|plutôt|je voulais dire|"
        r"j'ai dit|(?:mets|mettez|fais|disons)(?: plutôt)?|(?:change|remplace)(?:-l[ea]| ça)?(?: (?:pour|par|à))?|"
        r"(?:laisse|laissez|garde|gardez)(?:-l[ea]| ça)? (?:pour|à)|"
        r"(?:décale|repousse|reporte|avance|déplace)(?:-l[ea]| ça) (?:pour|à))"
        r"\b[\s,.;:!-]*)+",
        re.IGNORECASE,
    ),
}
_TAKES_BACK: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"(?:no|nope|wait|sorry|oops|i (?:meant?|said))\b", re.IGNORECASE),
    "fr": re.compile(r"(?:non|nan|attends|pardon|oups|plutôt|je (?:veux|voulais) dire)\b", re.IGNORECASE),
}
_SAYS = re.compile(r"\b(?:say|says|saying|said|answer|dire|dis|répondre|réponds)$", re.IGNORECASE)
"""words before a "no" that is to be said"""
_TAIL: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"[\s,]+(?:instead|rather|please|thanks)[\s.!]*$|[\s.!?]+$", re.IGNORECASE),
    "fr": re.compile(r"[\s,]+(?:plutôt|à la place|s'il (?:te|vous) plaît|merci)[\s.!]*$|[\s.!?]+$", re.IGNORECASE),
}
_WORD = re.compile(r"(?<![\w'-])\w+")
_SENTENCES: dict[str, dict[Language, tuple[str, ...]]] = {
    "SetTimer": {"en": ("set a timer for {}",), "fr": ("mets un minuteur de {}",)},
    "SetAlarm": {
        "en": ("set an alarm for {}", "set an alarm {}", "set an alarm {} at 1"),
        "fr": ("mets une alarme à {}", "mets une alarme {}", "mets une alarme {} à 1 h"),
    },
    "SetReminder": {
        "en": ("remind me at {} to something", "remind me {} to something", "remind me on {} to something"),
        "fr": ("rappelle-moi à {} de quelque chose", "rappelle-moi {} de quelque chose"),
    },
}
_UNITS: dict[Language, dict[str, str]] = {
    "en": {slot: slot for slot in ("weeks", "days", "hours", "minutes", "seconds")},
    "fr": {"weeks": "semaines", "days": "jours", "hours": "heures", "minutes": "minutes", "seconds": "secondes"},
}
_IN: dict[Language, str] = {"en": "in ", "fr": "dans "}
MOST_HOURS = 12
HOUR_S = 3_600.0
"""what "an hour" is read as"""
_ABOUT_NOTHING = ("", "something", "quelque chose")
"""what a reminder of these is about: other words were no time"""
_HALF: dict[Language, str] = {"en": "set an alarm for 1 {}", "fr": "mets une alarme à 1 h {}"}
"""what is put right where only the half of the day is said: "make it am", "non, du soir" """
_LENGTH = frozenset(
    ("half_hour", "half_minute", "weeks", "days", "hours", "minutes", "seconds", "fixed_duration", "interval", "repeat")
)
_CLOCK = frozenset(("hour", "minute", "past", "before", "clock_shift", "after_hour", "named_clock", "daypart"))
_TIME = _LENGTH | _CLOCK
_DATE = frozenset(("nth", "month_day"))
_DAY = frozenset(
    ("day", "recurrence", "part_of_day", "period", "tens", "nth", "month_day", "month", "later_day", "feast")
)
_NAME = "name"
"""what stands here was no time: the words are another command, perhaps mistyped"""
_ABOUT = frozenset(("name", "text", "wake"))
Recognise = Callable[[str, Language], Intent | None]


def corrected(text: str, last: Undoable | None, now: float, recognise: Recognise) -> Intent | None:
    """The last command as the text puts it right, or None where it does not. `now` is in monotonic seconds."""
    if last is None or last.intent is None or now - last.at > CORRECTED_WITHIN_S:
        return None
    language = last.intent.words_language
    return _corrected_in(language, text, last.intent, recognise) or _corrected_in(
        "en" if language == "fr" else "fr", text, last.intent, recognise
    )


def corrected_within(text: str, recognise: Recognise, whole: Intent | None = None) -> Intent | None:
    """A command of which its own end puts something right, as it is meant: "set a timer for nine minutes, no, eleven".
    None where the text is no such command.

    `whole` is what the text asks for by itself, a reminder of "feed the cat, no, seven": its words may hold a "no", so
    only a time behind one counts that takes the place of another.
    """
    for language, lead in (_LEAD if whole is None else _TAKES_BACK).items():
        for word in _WORD.finditer(text):
            rest = text[word.start() :]
            if not word.start() or lead.match(rest) is None:
                continue
            begun = text[: word.start()].rstrip(" ,.;:!?-–—…")
            before = recognise(begun, language) if whole is None or not _SAYS.search(begun) else None
            if whole is not None and (before is None or before.name != whole.name or not before.slots.keys() & _TIME):
                continue
            found = _corrected_in(language, rest, before, recognise) if before is not None else None
            if found is not None and found.name != CHANGES:
                return replace(found, said=replace(found.said, original=text), corrects=False)
    return None


def _corrected_in(language: Language, text: str, before: Intent, recognise: Recognise) -> Intent | None:
    lead = _LEAD[language].match(text.strip())
    if before.name in (ADDS, CHANGES):
        return another_thing(language, text.strip(), before, recognise)
    if lead is None or before.name not in _SENTENCES:
        return None
    words = _TAIL[language].sub("", text.strip()[lead.end() :])
    half = recognise(_HALF[language].format(words), language) if words and "hour" in before.slots else None
    if half is not None and half.name == "SetAlarm" and set(half.slots) == {"hour", "daypart"}:
        slots = {**before.slots, "daypart": half.slots["daypart"]}
        return replace(
            before, said=replace(half.said, original=text), slots=slots, heard_in=None, language=language,
            corrects=True, rest="",
        )  # fmt: skip
    words = _with_unit(words, before, language)
    for sentence in _SENTENCES[before.name][language] if words else ():
        anew = recognise(sentence.format(words), language)
        if anew is None or anew.word("text") not in _ABOUT_NOTHING:
            continue
        slots = _put_right(before, anew, without_clock="1" in sentence)
        if slots:
            return replace(
                before, said=replace(anew.said, original=text), slots=slots, heard_in=None, language=language,
                corrects=True, rest="",
            )  # fmt: skip
    return None


def _with_unit(words: str, before: Intent, language: Language) -> str:
    """A bare number with the unit of what it corrects: "make it three" of two hours, "make that twenty" of a reminder
    in ten minutes, « plutôt huit » of seven o'clock. More than half a day of hours is not meant; of "an hour and ten
    minutes" nobody knows what "two" puts right, and nothing is left.
    """
    tokens = normalise(words, language).tokens
    if len(tokens) != 1 or tokens[0].value is None:
        return words
    said = [slot for slot in before.slots if slot in _LENGTH]
    if len(said) > 1:
        return ""
    unit = "hours" if before.slots.get("fixed_duration") == HOUR_S else next(iter(said), "")
    if unit in _UNITS[language] and not (unit == "hours" and tokens[0].value > MOST_HOURS):
        return f"{_IN[language] if before.name == 'SetReminder' else ''}{words} {_UNITS[language][unit]}"
    return f"{words} heures" if language == "fr" and "hour" in before.slots else words


def _put_right(before: Intent, anew: Intent, without_clock: bool) -> dict[str, Slot]:
    """The slots of the command as it is meant now; none where nothing is put right."""
    said = {name: value for name, value in anew.slots.items() if name in _LENGTH | _CLOCK | _DAY}
    if without_clock:
        said = {name: value for name, value in said.items() if name in _DAY}
    if anew.name != before.name or not said or anew.slots.keys() & {_NAME}:
        return {}
    kept = set(_ABOUT)
    if not said.keys() & _LENGTH:
        kept |= _DAY if not said.keys() & _DAY else set()
        kept |= _CLOCK if not said.keys() & _CLOCK else set()
        kept |= {"month"} if said.keys() & _DATE and not said.keys() & {"month", "day"} else set()
        kept |= {"daypart"} if (anew.number("hour") or 13) <= 12 else set()
    return {name: value for name, value in before.slots.items() if name in kept} | said
