"""The shopping list."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from core.messages import Language
from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.normalise import fold
from llm.skills.notes import NO_THING
from llm.skills.numbers import words_of
from llm.skills.reminders import clean
from llm.skills.spoken import join
from llm.skills.which import at_place
from llm.store import Entry

LIST = "shopping"
INTENTS = frozenset(("AddItem", "ReadItems", "HasItem", "RemoveItem", "ChangeItem", "ClearItems"))
_OF_A_LIST = frozenset(("list", "liste", "item", "article"))
Recognise = Callable[[str, Language], Intent | None]
_NOBODY = frozenset(
    (*words_of("me us you him her moi nous toi vous lui elle something anything"), "quelque chose", "an item", "item")
)
_AND: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+"),
    "fr": re.compile(r"\s*,\s*(?:et\s+)?|\s+et\s+"),
}
_MORE = re.compile(r"\s+(?:again|back|too|as well|instead|encore|aussi|en plus|à la place)$", re.IGNORECASE)
_AND_MORE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:(?:and|also|plus)\s+)+(?!no\b)", re.IGNORECASE),
    "fr": re.compile(r"^(?:(?:et|aussi|puis|plus)\s+)+(?!pas\b|non\b)", re.IGNORECASE),
}
MOST_WORDS_OF_MORE = 4
_NO = re.compile(
    r"^(?:(?:no|sorry|wait|non|pardon)$|"
    r"(?:(?:no|non|sorry|pardon|wait|attends),? )*(?:i mean|i meant|je veux dire|je voulais dire|plutôt)\b)",
    re.IGNORECASE,
)
"""what is named before it was not meant"""
_MEANS = re.compile(
    r",?\s+(?=(?:(?:no|non|sorry|pardon|wait|attends),? )*(?:i mean|i meant|je veux dire|je voulais dire)\b)",
    re.IGNORECASE,
)
"""where a thing ends that was not meant, though no comma was said"""
_BOTH = re.compile(r"^both\s+(?=.*\sand\s)", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_EN_ARTICLE = re.compile(r"^(?:an?\s+(?!dozen|couple|few|pair|half)|(?:some|the|any)\s+)(?=\w)", re.IGNORECASE)
_FR_ARTICLE = re.compile(
    r"^(?:de l['’\s]\s*|(?:du|de la|des|de|le|la|les|une?(?!\s+(?:douzaine|dizaine|paire|demi|peu)))\s+|[ld]['’]\s*)"
    r"(?=\w)",
    re.IGNORECASE,
)


def add_item(intent: Intent, context: Context) -> Reply:
    names = item_names(intent)
    if names and all(fold(name) in NO_THING | _NOBODY for name in names):
        return ask(
            intent,
            en=("What shall I add?", "add {} to my shopping list"),
            fr=("Que dois-je ajouter ?", "ajoute {} à ma liste de courses"),
        )
    present = {fold(entry.text) for entry in context.store.entries(LIST)}
    new = [name for name in names if fold(name) not in present]
    listed = join(names, intent.language)
    if not new:
        return reply(intent, en=f"Already on the list: {listed}.", fr=f"Déjà sur la liste : {listed}.")
    entries = [context.store.add_entry(LIST, name) for name in new]
    added = join(new, intent.language)
    undo = Undo(
        lambda: context.store.remove_entries(entries),
        choose(intent.language, f"Taken off the list again: {added}.", f"Retiré de la liste : {added}."),
    )
    return reply(
        intent, en=f"Added to your shopping list: {added}.", fr=f"Ajouté à la liste de courses : {added}.", undo=undo
    )


def offer_item(intent: Intent, context: Context) -> Reply:
    """ "I need milk" may be meant for the list or not."""
    listed = join(item_names(intent), intent.language)
    question = choose(
        intent.language, f"Shall I add {listed} to your shopping list?", f"J'ajoute {listed} à la liste de courses ?"
    )
    offered = choose(
        intent.words_language, f"add {listed} to my shopping list", f"ajoute {listed} à ma liste de courses"
    )
    return Reply(question, intent.language, offers=offered)


def change_item(intent: Intent, context: Context) -> Reply:
    """Another thing in the place of one that is on the list."""
    names, new = item_names(intent), item_names(intent, "new")
    entries = context.store.entries(LIST)
    gone = {entry.id: entry for name in names for entry in matching(entries, name)}
    if not gone or not new:
        listed = join(names, intent.language)
        return reply(intent, en=f"Not on the list: {listed}.", fr=f"Pas sur la liste : {listed}.")
    before = list(gone.values())
    context.store.remove_entries(before)
    present = {fold(entry.text) for entry in context.store.entries(LIST)}
    added = [context.store.add_entry(LIST, name) for name in new if fold(name) not in present]

    def put_back() -> None:
        context.store.remove_entries(added)
        context.store.put_entries(LIST, before)

    old, now = join([entry.text for entry in before], intent.language), join(new, intent.language)
    undo = Undo(put_back, choose(intent.language, f"Back on the list: {old}.", f"Remis sur la liste : {old}."))
    return reply(
        intent,
        en=f"Changed on your shopping list: {now} instead of {old}.",
        fr=f"Changé sur la liste de courses : {now} à la place de {old}.",
        undo=undo,
    )


def read_items(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(LIST)
    if not entries:
        return empty(intent)
    listed = join([entry.text for entry in entries], intent.language)
    return reply(intent, en=f"On your shopping list: {listed}.", fr=f"Sur la liste de courses : {listed}.")


def has_item(intent: Intent, context: Context) -> Reply:
    names = item_names(intent)
    found = [name for name in names if matching(context.store.entries(LIST), name)]
    listed = join(names, intent.language)
    if len(found) == len(names):
        there = {entry.id: entry.text for name in names for entry in matching(context.store.entries(LIST), name)}
        listed = join(list(there.values()), intent.language)
        return reply(intent, en=f"Yes, on the list: {listed}.", fr=f"Oui, c'est sur la liste : {listed}.")
    return reply(intent, en=f"No, {listed} isn't on the list.", fr=f"Non, ce n'est pas sur la liste : {listed}.")


def remove_item(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(LIST)
    if not entries:
        return empty(intent)
    names = item_names(intent)
    last = context.session.last
    chosen = {entry.id: entry for name in names for entry in meant(intent, entries, name, last)}
    if not chosen:
        listed = join(names, intent.language)
        return reply(intent, en=f"Not on the list: {listed}.", fr=f"Pas sur la liste : {listed}.")
    gone = list(chosen.values())
    context.store.remove_entries(gone)
    listed = join([entry.text for entry in gone], intent.language)
    undo = Undo(
        lambda: context.store.put_entries(LIST, gone),
        choose(intent.language, f"Back on the list: {listed}.", f"Remis sur la liste : {listed}."),
    )
    return reply(intent, en=f"Removed: {listed}.", fr=f"Retiré : {listed}.", undo=undo)


def clear_items(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(LIST)
    if not entries:
        return empty(intent)
    context.store.remove_entries(entries)
    undo = Undo(
        lambda: context.store.put_entries(LIST, entries),
        choose(intent.language, "Your shopping list is back.", "La liste de courses est revenue."),
    )
    return reply(
        intent, en="Your shopping list is empty now.", fr="La liste de courses est vide maintenant.", undo=undo
    )


def of_listed(text: str, language: Language, entries: list[Entry], recognise: Recognise) -> Intent | None:
    """ "Change milk to oat milk", where milk is on the list; None for all else."""
    if not entries:
        return None
    words = text.strip(" .,;:!?")
    found = recognise(choose(language, f"{words} on my list", f"{words} sur ma liste"), language)
    if found is None or found.name != "ChangeItem":
        return None
    return found if all(matching(entries, name) for name in item_names(found)) else None


def one_more(text: str, language: Language, last: str, recognise: Recognise) -> Intent | None:
    """ "And eggs", said after something was put on the list; None for all else."""
    lead = _AND_MORE[language].match(text)
    if last not in ("AddItem", "ChangeItem", "AddToList") or lead is None:
        return None
    thing = (_FR_ARTICLE if language == "fr" else _EN_ARTICLE).sub("", text[lead.end() :].strip(" .,;:!?"))
    found = recognise(choose(language, f"add {thing}", f"ajoute {thing}"), language)
    short = 0 < len(thing.split()) <= MOST_WORDS_OF_MORE
    return replace(found, unsure=False) if short and found is not None and found.name == "AddItem" else None


def item_names(intent: Intent, slot: str = "item") -> list[str]:
    """The things named, one by one, without articles; of "milk, no, oat milk" the one that is meant."""
    article = _FR_ARTICLE if intent.words_language == "fr" else _EN_ARTICLE
    names: list[str] = []
    for part in _AND[intent.words_language].split(_MEANS.sub(", ", _BOTH.sub("", clean(intent.word(slot))))):
        no = _NO.match(part)
        if no is not None and names:
            names.pop()
        part = _MORE.sub("", part)
        name = article.sub("", part[no.end() if no is not None else 0 :].strip()).strip(" .,")
        names += [name] if name else []
    return names


def as_meant(text: str) -> str:
    """Of "call Bob, I mean call Rob" the end, which is meant; any other text as it is."""
    before, *meant = _MEANS.split(text)
    return _NO.sub("", meant[-1]).strip(" ,") if meant else before


def without_article(text: str, language: Language) -> str:
    """The thing alone."""
    return (_FR_ARTICLE if language == "fr" else _EN_ARTICLE).sub("", text)


def rest_of(text: str, name: str, language: Language) -> str:
    """What stays of an entry of several things, "socks and shirts", without the one called `name`; else empty."""
    parts = _AND[language].split(text)
    without = [part for part in parts if fold(without_article(part, language)) != fold(without_article(name, language))]
    return join(without, language) if 0 < len(without) < len(parts) else ""


def matching(entries: list[Entry], name: str) -> list[Entry]:
    """Entries called `name`, or else those that contain all its words."""
    exact = [entry for entry in entries if fold(entry.text) == fold(name)]
    words = set(_WORD.findall(fold(name)))
    return exact or [entry for entry in entries if words <= set(_WORD.findall(fold(entry.text)))]


def meant(intent: Intent, entries: list[Entry], name: str, last: str) -> list[Entry]:
    """Those called `name`, else the one at that place, where the words or what was said `last` are of the list: "the
    last one" may be a timer.
    """
    of_list = last in INTENTS or not _OF_A_LIST.isdisjoint(intent.said.words)
    return matching(entries, name) or (at_place(entries, name) if of_list else [])


def empty(intent: Intent) -> Reply:
    return reply(intent, en="Your shopping list is empty.", fr="La liste de courses est vide.")


SKILL = Skill(
    "shopping",
    {
        "AddItem": add_item,
        "OfferItem": offer_item,
        "ChangeItem": change_item,
        "ReadItems": read_items,
        "HasItem": has_item,
        "RemoveItem": remove_item,
        "ClearItems": clear_items,
    },
    for_models=("AddItem", "ReadItems"),
)
