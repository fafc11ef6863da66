"""The shopping list."""

from __future__ import annotations

import re

from core.messages import Language
from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.normalise import fold
from llm.skills.notes import NO_THING
from llm.skills.reminders import clean
from llm.skills.spoken import join
from llm.store import Entry

LIST = "shopping"
_AND: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+"),
    "fr": re.compile(r"\s*,\s*(?:et\s+)?|\s+et\s+"),
}
_WORD = re.compile(r"\w+")
_EN_ARTICLE = re.compile(r"^(?:an?\s+(?!dozen|couple|few|pair|half)|(?:some|the|any)\s+)(?=\w)", re.IGNORECASE)
_FR_ARTICLE = re.compile(
    r"^(?:de l['’\s]\s*|(?:du|de la|des|de|le|la|les|une?(?!\s+(?:douzaine|dizaine|paire|demi|peu)))\s+|[ld]['’]\s*)"
    r"(?=\w)",
    re.IGNORECASE,
)


def add_item(intent: Intent, context: Context) -> Reply:
    names = item_names(intent)
    if names and all(fold(name) in NO_THING for name in names):
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
    chosen = {entry.id: entry for name in names for entry in matching(entries, name)}
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


def item_names(intent: Intent) -> list[str]:
    """The things named, one by one, without articles."""
    article = _FR_ARTICLE if intent.words_language == "fr" else _EN_ARTICLE
    parts = _AND[intent.words_language].split(clean(intent.word("item")))
    return [name for part in parts if (name := article.sub("", part).strip())]


def matching(entries: list[Entry], name: str) -> list[Entry]:
    """Entries called `name`, or else those that contain all its words."""
    exact = [entry for entry in entries if fold(entry.text) == fold(name)]
    words = set(_WORD.findall(fold(name)))
    return exact or [entry for entry in entries if words <= set(_WORD.findall(fold(entry.text)))]


def empty(intent: Intent) -> Reply:
    return reply(intent, en="Your shopping list is empty.", fr="La liste de courses est vide.")


SKILL = Skill(
    "shopping",
    {
        "AddItem": add_item,
        "ReadItems": read_items,
        "HasItem": has_item,
        "RemoveItem": remove_item,
        "ClearItems": clear_items,
    },
    for_models=("AddItem", "ReadItems"),
)
