"""Timers: several at once, named or not; how much is left, more time, cancel."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from core.messages import Language
from llm.schedule import Item
from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.normalise import fold, normalise
from llm.skills.numbers import words_of
from llm.skills.spoken import join, say_about, say_duration
from llm.skills.when import duration_s
from llm.skills.which import by_place

LONGEST_S = 7 * 86_400.0
LAST_SET = "last_timer"
"""the setting that keeps the name and the seconds of the timer that was set last"""
_BEFORE_A_NAME = frozenset(words_of("the my a an le la les mon ma mes un une de du des"))
_ELIDED = re.compile(r"^(?:de )?[ld]['’]", re.IGNORECASE)


def set_timer(intent: Intent, context: Context) -> Reply:
    seconds = duration_s(intent)
    name = clean_name(intent.word("name"))
    if seconds is None:
        return ask(
            intent,
            en=(
                f"How long for '{name}'?" if name else "For how long?",
                f"set a {name} timer for {{}}",
                f"set a {name} timer {{}}",
                f"set a {name} timer for {{}} minutes",
            ),
            fr=(
                f"Combien de temps pour « {name} » ?" if name else "De combien de temps ?",
                f"mets un minuteur {name} de {{}}",
                f"mets un minuteur {name} {{}}",
                f"mets un minuteur {name} de {{}} minutes",
            ),
        )
    if not 1 <= seconds <= LONGEST_S:
        return reply(intent, en="A timer can last from 1 second to 7 days.",
                     fr="Un minuteur peut durer de 1 seconde à 7 jours.")  # fmt: skip
    due_at = context.schedule.now + seconds
    item = context.schedule.add(Item("timer", name, intent.language, due_at, duration_s=seconds))
    context.store.set_setting(LAST_SET, json.dumps([name, seconds]))
    length = say_duration(seconds, intent.language)
    called = title(item, intent.language)
    undo = Undo(
        lambda: context.schedule.remove([item]),
        choose(intent.language, f"I cancelled {called}.", f"J'ai annulé {called}."),
    )
    if name:
        return reply(
            intent, en=f"'{name}' timer set for {length}.", fr=f"Minuteur « {name} » de {length} lancé.", undo=undo
        )
    return reply(intent, en=f"Timer set for {length}.", fr=f"Minuteur de {length} lancé.", undo=undo)


def meant(intent: Intent, context: Context) -> Sequence[Item] | Reply:
    """The timers of the name that is said, or all; what to say where there is none."""
    timers = context.schedule.items("timer")
    if not timers:
        return nothing_set(intent)
    name = clean_name(intent.word("name"))
    found = (called(timers, name) or as_long(timers, name, intent.language)) if name else timers
    return found or unknown_name(intent, name)


def time_left(intent: Intent, context: Context) -> Reply:
    chosen = meant(intent, context)
    if isinstance(chosen, Reply):
        return chosen
    if intent.word("other"):
        chosen = [item for item in chosen if item.id != context.session.told]
        if not chosen:
            return reply(intent, en="There is no other one.", fr="Il n'y en a pas d'autre.")
    if len(chosen) == 1:
        context.session.told = chosen[0].id
    if intent.word("first") and len(chosen) > 1:
        first = min(chosen, key=lambda item: item.left(context.schedule.now))
        called, left = title(first, intent.language), say_about(first.left(context.schedule.now), intent.language)
        return reply(intent, en=f"{called[0].upper()}{called[1:]}, with {left} left.",
                     fr=f"{called[0].upper()}{called[1:]}, encore {left}.")  # fmt: skip
    if len(chosen) > 1:
        return told(intent, context, chosen)
    left = say_about(chosen[0].left(context.schedule.now), intent.language)
    which = f"'{chosen[0].text}' timer" if chosen[0].text else "timer"
    french = f"le minuteur « {chosen[0].text} »" if chosen[0].text else "le minuteur"
    if chosen[0].left_s is not None:
        return reply(intent, en=f"The {which} is paused with {left} left.",
                     fr=f"{french[0].upper()}{french[1:]} est en pause, encore {left}.")  # fmt: skip
    return reply(intent, en=f"{left} left on the {which}.", fr=f"Il reste {left} sur {french}.")


def list_timers(intent: Intent, context: Context) -> Reply:
    timers = context.schedule.items("timer")
    if not timers:
        return nothing_set(intent)
    return told(intent, context, timers)


def told(intent: Intent, context: Context, timers: Sequence[Item]) -> Reply:
    """Several timers, each with what is left."""
    now, language = context.schedule.now, intent.language
    lines = [
        choose(
            language,
            f"{title(item, language)} {'paused ' if item.left_s is not None else ''}with {left} left",
            f"{title(item, language)}, {'en pause, ' if item.left_s is not None else ''}encore {left}",
        )
        for item in timers
        for left in [say_about(item.left(now), language)]
    ]
    listed = join(lines, language)
    count = len(timers)
    return reply(
        intent,
        en=f"You have {count} timer{'s' if count > 1 else ''}: {listed}.",
        fr=f"Vous avez {count} minuteur{'s' if count > 1 else ''} : {listed}.",
    )


def cancel_timer(intent: Intent, context: Context) -> Reply:
    timers = context.schedule.items("timer")
    if not timers:
        return nothing_set(intent)
    name, seconds = clean_name(intent.word("name")), duration_s(intent)
    chosen: Sequence[Item] = timers
    if name:
        chosen = called(timers, name)
    if seconds is not None:
        chosen = [item for item in chosen if item.duration_s == seconds]
    if not chosen:
        return unknown_name(intent, name or say_duration(seconds or 0, intent.language))
    if len(chosen) > 1 and not intent.word("all"):
        listed = join(titles(chosen, intent.language), intent.language)
        return ask(
            intent,
            en=(f"Which one: {listed}?", "cancel {}", "cancel the {} timer", "cancel {} timers"),
            fr=(
                f"Lequel : {listed} ?",
                "annule le minuteur {}",
                "annule le minuteur de {}",
                "annule {} les minuteurs",
                "annule le {}",
            ),
        )
    return cancelled(intent, context, chosen)


def add_time(intent: Intent, context: Context) -> Reply:
    timers = context.schedule.items("timer")
    seconds = (duration_s(intent) or 0.0) * (-1.0 if intent.word("less") else 1.0)
    if not timers:
        return nothing_set(intent)
    name = clean_name(intent.word("name"))
    chosen = (called(timers, name) or as_long(timers, name, intent.language)) if name else timers
    if not chosen:
        return unknown_name(intent, name)
    if len(chosen) > 1:
        listed = join(titles(chosen, intent.language), intent.language)
        length = say_duration(abs(seconds), intent.language)
        if seconds < 0:
            return reply(intent, en=f"There are several: {listed}.", fr=f"Il y en a plusieurs : {listed}.")
        return ask(
            intent,
            en=(f"To which one: {listed}?", f"add {length} to the {{}} timer"),
            fr=(f"Auquel : {listed} ?", f"ajoute {length} au minuteur {{}}"),
        )
    before = chosen[0]
    if seconds <= -before.left(context.schedule.now):
        left = say_about(before.left(context.schedule.now), intent.language)
        return reply(intent, en=f"Only {left} left.", fr=f"Il ne reste que {left}.")
    later = context.schedule.extend(before, seconds)
    left = say_about(later.left(context.schedule.now), intent.language)
    undo = Undo(
        lambda: context.schedule.restore([before]),
        choose(intent.language, "It is as long as it was.", "Il dure ce qu'il durait."),
    )
    return reply(intent, en=f"Done: {left} left.", fr=f"C'est fait : il reste {left}.", undo=undo)


def cancelled(intent: Intent, context: Context, items: Sequence[Item]) -> Reply:
    """Remove items and say so."""
    context.schedule.remove(items)
    language = intent.language
    listed = join([title(item, language) for item in items], language)
    undo = Undo(
        lambda: context.schedule.restore(items),
        choose(language, f"I put {listed} back.", f"J'ai remis {listed}."),
    )
    return reply(intent, en=f"Cancelled {listed}.", fr=f"J'ai annulé {listed}.", undo=undo)


def title(item: Item, language: Language) -> str:
    """A timer as it is spoken of."""
    length = say_duration(item.duration_s, language)
    if language == "fr":
        return f"le minuteur « {item.text} »" if item.text else f"le minuteur de {length}"
    return f"the '{item.text}' timer" if item.text else f"the {length_before(item)} timer"


def titles(items: Sequence[Item], language: Language) -> list[str]:
    """Timers as they are told apart: those of one name by their length."""
    names = [fold(item.text) for item in items]
    return [
        choose(
            language,
            f"the {length_before(item)} '{item.text}' timer",
            f"le minuteur « {item.text} » de {say_duration(item.duration_s, language)}",
        )
        if item.text and names.count(name) > 1
        else title(item, language)
        for item, name in zip(items, names, strict=True)
    ]


def length_before(item: Item) -> str:
    """A timer's length as English says it before "timer"."""
    return re.sub(r"(day|hour|minute|second)s\b", r"\1", say_duration(item.duration_s, "en"))


def named(items: Sequence[Item], name: str) -> list[Item]:
    """Items whose text has all the words of `name`."""
    words = set(fold(name).split())
    exact = [item for item in items if fold(item.text) == fold(name)]
    return exact or [item for item in items if words <= set(fold(item.text).split())]


def called(timers: Sequence[Item], name: str) -> list[Item]:
    """Timers of that name, or the one that is meant by its place: "the first"."""
    return named(timers, name) or by_place(timers, name)


def as_long(timers: Sequence[Item], length: str, language: Language) -> list[Item]:
    """Timers without a name, told by their length: "five minute"."""
    words = set(normalise(length, language).words)
    lengths = [choose(language, length_before(item), say_duration(item.duration_s, language)) for item in timers]
    return [item for item, said in zip(timers, lengths, strict=True) if words <= set(normalise(said, language).words)]


def clean_name(name: str) -> str:
    """A name without the article and "timer" around it."""
    words = _ELIDED.sub("", name.strip(" '\"«».,!?")).split()
    while words and words[0].casefold() in _BEFORE_A_NAME:
        words = words[1:]
    while words and words[-1].casefold() in ("timer", "minuteur", "one", "please"):
        words = words[:-1]
    return " ".join(words)


def nothing_set(intent: Intent) -> Reply:
    return reply(intent, en="No timer is running.", fr="Aucun minuteur n'est en cours.")


def unknown_name(intent: Intent, name: str) -> Reply:
    return reply(intent, en=f"I have no '{name}' timer.", fr=f"Je n'ai pas de minuteur « {name} ».")


SKILL = Skill(
    "timers",
    {
        "SetTimer": set_timer,
        "TimeLeft": time_left,
        "ListTimers": list_timers,
        "CancelTimer": cancel_timer,
        "AddTime": add_time,
    },
    for_models=("SetTimer", "TimeLeft", "CancelTimer"),
)
