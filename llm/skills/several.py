"""Two commands or more in one breath, "add milk to my list and set a timer for ten minutes", as one intent of parts.

A text is cut where one sentence ends or "and", "then" and their like stand, the last place first, and only where both
sides are commands for themselves. What follows may leave the verb out: "cancel the alarm and the timer".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from core.messages import Language
from llm.skills.alarms import ONE_MORE
from llm.skills.base import Intent, Slot
from llm.skills.reminding_often import at_several_times
from llm.skills.two_reminders import two_reminders
from llm.skills.when import duration_s

SEVERAL = "Several"
"""the name of an intent that is only its parts"""
MOST_CUTS = 6
"""a text that could be cut at more places is a story, not a list of commands"""
_CUT: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"(?:[.?!;]|,?\s+(?:and|then|also)\b)\s+(?:(?:and|then|also)\s+)*", re.IGNORECASE),
    "fr": re.compile(r"(?:\s?[.?!;]|,?\s+(?:et|puis|ensuite)\b)\s+(?:(?:et|puis|ensuite|aussi)\s+)*", re.IGNORECASE),
}
_ONE_MORE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:another(?: one)?|one)\s+", re.IGNORECASE),
    "fr": re.compile(r"^(?:une? autre|une?)\s+", re.IGNORECASE),
}
_NOUNS: dict[str, dict[Language, str]] = {
    "SetTimer": {"en": "a timer", "fr": "un minuteur"},
    "SetAlarm": {"en": "an alarm", "fr": "une alarme"},
}
"""what "another one" is one more of"""
_UNITS: dict[Language, dict[str, str]] = {
    "en": {"minutes": "minutes", "hours": "hours", "seconds": "seconds"},
    "fr": {"minutes": "minutes", "hours": "heures", "seconds": "secondes"},
}
"""of the first, which the second leaves out: "for the rice for nine minutes and one for the eggs for six" """
_TIMERS: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\btimers\b\s*(?:,|:|for|of)?\s+|\btimer (?:(?:for|of)\s+)?", re.IGNORECASE),
    "fr": re.compile(
        r"\b(?:minuteurs|timers|minuteries)\b\s*(?:,|:|de\b|d['’]|pour\b)?\s*|\bminuteur (?:(?:de|pour)\s+|d['’])",
        re.IGNORECASE,
    ),
}
_LENGTHS: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:(?:set|start|give me|put)\s+)?(?=[\w-]+ (?:hour|min|sec))", re.IGNORECASE),
    "fr": re.compile(r"^(?:(?:mets|lance|compte)(?:-moi)?\s+)?(?=[\w-]+ (?:heure|min|sec))", re.IGNORECASE),
}
"""begins a text that names lengths and what each is for, and no timer"""
_LIST: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+", re.IGNORECASE),
    "fr": re.compile(r"\s*,\s*(?:et\s+)?|\s+et\s+(?!(?:demie?|quart)\b)", re.IGNORECASE),
}
_OF_LENGTH: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:(?:another|one|a second)\s+)?(?:for|of)\s+", re.IGNORECASE),
    "fr": re.compile(
        r"^(?:(?:l['’])?(?:un autre|une autre|autre|un|une)\s+)?(?:(?:pour|de)\b|d['’])\s*", re.IGNORECASE
    ),
}
_ALARMS: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\b(?:alarms?|wake me(?: up)?|get me up)\b(?:\s+(?:for|at))?\s+", re.IGNORECASE),
    "fr": re.compile(r"(?:\b(?:alarmes?|réveils?)\b|\bréveille[sz]?[- ]moi\b)(?:\s+(?:à|pour))?\s+", re.IGNORECASE),
}
_AT: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:(?:again|another(?: one)?|one)\s+)?(?:(?:for|at)\s+)?", re.IGNORECASE),
    "fr": re.compile(r"^(?:(?:encore|une? autre|une?)\s+)?(?:(?:à|pour)\s+)?", re.IGNORECASE),
}
_WAKES: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\bme\b", re.IGNORECASE), "fr": re.compile(r"\bmoi\b", re.IGNORECASE)
}  # fmt: skip
_ONE_ALARM: dict[Language, tuple[str, ...]] = {
    "en": ("set an alarm for {}", "set an alarm {}"),
    "fr": ("mets une alarme à {}", "mets une alarme {}"),
}
_OF_DAY = frozenset(("day", "part_of_day", "recurrence", "daypart"))
_ONE_TIMER: dict[Language, str] = {"en": "set a timer for {}", "fr": "mets un minuteur de {}"}
_UNIT: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\b(?:hours?|minutes?|seconds?|min|mins|secs?)\b", re.IGNORECASE),
    "fr": re.compile(r"\b(?:heures?|minutes?|secondes?|min|mn|sec)\b", re.IGNORECASE),
}
_NUMBER: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r".+?(?=\s+for\b)", re.IGNORECASE), "fr": re.compile(r".+?(?=\s+pour\b)", re.IGNORECASE)
}  # fmt: skip
"""the number of "ten for the eggs" """
_NAME = "name"
_ADD: dict[Language, str] = {"en": "add {}", "fr": "ajoute {}"}
_AND: dict[Language, str] = {"en": "and", "fr": "et"}
_ARTICLE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:an?|some|the|more)\s+", re.IGNORECASE),
    "fr": re.compile(r"^(?:de l['’]|du|de la|des|de|les?|la|une?|[ld]['’])\s*\b", re.IGNORECASE),
}
ALONE = "alone"
"""a slot of what is a command only where nothing else is said"""
ADDS, ITEM = "AddItem", "item"
KEEPS = "KeepItems"
"""what is said behind "except milk and" stays too: its verb is not said of it"""
OWN_LISTS = frozenset(("AddToList", "RemoveFromList"))
"""what is said before "and" is of that list too, and not of the shopping list"""
MOST_WORDS_OF_A_THING = 2
"""that is named behind the list; "dance with me" is none"""
_HOURS = frozenset(("hour", "named_clock"))
_DICTATED = "text"
"""a slot of free words that goes on to the end of what is said: a note, what to be reminded of"""

Recognise = Callable[[str, Language], Intent | None]


def in_breath(recognise: Recognise) -> Recognise:
    """The same for what stands beside other words: a noun that is a command by itself, "timer", is none there."""

    def recognised(text: str, language: Language) -> Intent | None:
        found = recognise(text, language)
        return None if found is not None and ALONE in found.slots else found

    return recognised


def several(text: str, whole: Intent | None, language: Language, recognise: Recognise) -> Intent | None:
    """The text as several commands; None where it is one, or none. `whole` is what it was taken for as one."""
    recognise = in_breath(recognise)
    if whole is None or whole.name == "SetReminder":
        often = at_several_times(text, language, recognise)
        if often:
            return _all(text, often)
    if whole is not None and not may_hold_another(whole, language):
        return _two_reminders(text, language, recognise) if whole.name == "SetReminder" else None
    two = _two_reminders(text, language, recognise) if whole is None else None
    if two is not None:
        return two
    alike = _timers(text, language, recognise) or _alarms(text, language, recognise)
    if alike is not None:
        return alike
    cuts = cuts_of(text, language)
    if not cuts or len(cuts) > MOST_CUTS:
        return None
    for cut in reversed(cuts):
        before, after = text[: cut.start()].strip(), text[cut.end() :].strip()
        if not before or not after:
            continue
        first = recognise(before, language)
        first = several(before, first, language, recognise) or first
        if first is None or first.name == "CannotDo":
            continue
        if first.name == ADDS and (items := _more_items(after, language, recognise)):
            return replace(
                first, said=replace(first.said, original=text),
                slots={**first.slots, ITEM: f"{first.word(ITEM)} {_AND[language]} {items}"},
            )  # fmt: skip
        second = _second(before, after, first, language, recognise)
        if second is not None and not (whole is not None and second.name == whole.name in OWN_LISTS):
            return together(text, first, second)
    return None


def cuts_of(text: str, language: Language) -> list[re.Match[str]]:
    """Where a text may be cut."""
    return list(_CUT[language].finditer(text))


def _timers(text: str, language: Language, recognise: Recognise) -> Intent | None:
    """ "Set timers for 5, 10 and 15 minutes", "5 minutes for tea and 10 for eggs": one each, with the unit of another
    where it has none of its own, that of the next one first."""
    noun = _TIMERS[language].search(text)
    lead = noun or _LENGTHS[language].match(text)
    if lead is None:
        return None
    pieces = [
        _OF_LENGTH[language].sub("", piece).strip()
        for piece in _LIST[language].split(text[lead.end() :].strip(" .,;:!?"))
    ]
    if not 2 <= len(pieces) <= MOST_CUTS:
        return None
    found: list[Intent] = []
    unit = next((match.group() for piece in pieces if (match := _UNIT[language].search(piece))), "")
    for piece in reversed(pieces):
        own = _UNIT[language].search(piece)
        unit = own.group() if own else unit
        timer = _one_timer(piece if own else f"{piece} {unit}", language, recognise)
        number = None if timer or own else _NUMBER[language].match(piece)
        timer = timer or (number and _one_timer(f"{number.group()} {unit}{piece[number.end() :]}", language, recognise))
        if timer is None or not (noun or timer.open_slots):
            return None
        found.insert(0, timer)
    return _all(text, found)


def _one_timer(words: str, language: Language, recognise: Recognise) -> Intent | None:
    """A new timer of that length, "5 minutes" or "5 minutes for tea"; None where the words name no length."""
    found = recognise(_ONE_TIMER[language].format(words), language)
    fits = found is not None and found.name == "SetTimer" and found.open_slots <= {_NAME} and duration_s(found)
    return found if fits else None


def _alarms(text: str, language: Language, recognise: Recognise) -> Intent | None:
    """ "Set an alarm for 7 and 7:30 tomorrow": one each, on the day and in the half of it that are said once."""
    lead = _ALARMS[language].search(text)
    if lead is None:
        return None
    times = _LIST[language].split(text[lead.end() :].strip(" .,;:!?"))
    alarms: list[Intent] = []
    for said in (_AT[language].sub("", time) for time in times):
        found = (recognise(sentence.format(said), language) for sentence in _ONE_ALARM[language])
        alarm = next((one for one in found if one is not None and one.name == "SetAlarm" and not one.open_slots), None)
        if alarm is None or not _HOURS & alarm.slots.keys():
            return None
        alarms.append(alarm)
    if not 2 <= len(alarms) <= MOST_CUTS:
        return None
    wakes = {"wake": "yes"} if _WAKES[language].search(lead.group()) else {}
    of_day: dict[str, Slot] = {}
    for alarm in alarms:
        of_day = {name: value for name, value in alarm.slots.items() if name in _OF_DAY} or of_day
    alarms = [
        replace(alarm, slots={**of_day, **alarm.slots, **wakes, **({ONE_MORE: "yes"} if place else {})})
        for place, alarm in enumerate(alarms)
    ]
    return _all(text, alarms)


def _all(text: str, commands: list[Intent]) -> Intent:
    found = commands[0]
    for command in commands[1:]:
        found = together(text, found, command)
    return found


def _two_reminders(text: str, language: Language, recognise: Recognise) -> Intent | None:
    two = two_reminders(text, cuts_of(text, language), language, recognise)
    return _all(text, list(two)) if two else None


def _more_items(text: str, language: Language, recognise: Recognise) -> str:
    """What follows "add tea to my list and" as more things, "biscuits"; empty where it is anything else."""
    if recognise(text, language) is not None:
        return ""
    things = [_ARTICLE[language].sub("", thing) for thing in _LIST[language].split(text.strip(" .,;:!?"))]
    added = [recognise(_ADD[language].format(thing), language) for thing in things]
    are_things = all(one is not None and one.name == ADDS for one in added)
    return ", ".join(things) if are_things and all(len(one.split()) <= MOST_WORDS_OF_A_THING for one in things) else ""


def may_hold_another(whole: Intent, language: Language) -> bool:
    """Whether its free words hold a place to cut; those of a note are the user's own, all of them."""
    free = [whole.word(slot) for slot in whole.open_slots if slot != _DICTATED]
    return any(_CUT[language].search(f" {words} ") for words in free)


def _second(before: str, after: str, first: Intent, language: Language, recognise: Recognise) -> Intent | None:
    """What follows as a command: as it is, or with the first one's verb where that makes another command of it."""
    found = recognise(after, language)
    if found is not None:
        return None if found.name == "CannotDo" else found
    if first.name == KEEPS:
        return None
    verb, one_more = before.split()[0], _ONE_MORE[language].match(after)
    if one_more is not None and first.name in _NOUNS:
        anew = f"{verb} {_NOUNS[first.name][language]} {after[one_more.end() :].strip(' .,;:!?')}"
        units = [""] + [f" {_UNITS[language][slot]}" for slot in _UNITS[language] if slot in first.slots]
        found_anew = (recognise(f"{anew}{unit}", language) for unit in units)
        return next((one for one in found_anew if one is not None and one.name == first.name), None)
    borrowed = recognise(f"{verb} {after}", language)
    return borrowed if borrowed is not None and borrowed.name not in (first.name, "CannotDo") else None


def together(text: str, first: Intent, second: Intent) -> Intent:
    """One intent of both, or of all their parts."""
    parts = tuple(_parts(first)) + tuple(_parts(second))
    return replace(
        parts[0], name=SEVERAL, said=replace(first.said, original=text), parts=parts, open_slots=frozenset(),
        may_go_on=False, unsure=all(part.unsure for part in parts),
    )  # fmt: skip


def _parts(intent: Intent) -> Iterator[Intent]:
    if intent.parts:
        yield from intent.parts
    else:
        yield intent
