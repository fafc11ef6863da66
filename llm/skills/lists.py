"""Lists of the user's own, by name: "add call the bank to my to-do list". The shopping list is a skill of its own."""

from __future__ import annotations

import re
from difflib import get_close_matches

from core.messages import Language
from llm.skills import shopping
from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.normalise import fold
from llm.skills.reminders import clean
from llm.skills.shopping import as_meant, item_names, matching, rest_of, without_article
from llm.skills.spoken import join
from llm.skills.which import at_place
from llm.store import Entry

PREFIX = "list "
"""of the store's own names for them"""
TITLE = "title of "
"""before the store's name of a list: the setting that keeps what the user calls it"""
_SHOPPING = ("shopping", "grocery", "groceries", "courses")
ALIKE = 0.8
INTENTS = frozenset(("AddToList", "ReadList", "RemoveFromList", "ClearList", "KeepItems"))
_SAME = {"tache": "todo", "taches": "todo", "chosesafaire": "todo", "task": "todo", "tasks": "todo", "afaire": "todo"}


def add_to_list(intent: Intent, context: Context) -> Reply:
    key, name, text = _key(intent), _title(intent), as_meant(clean(intent.word("item")))
    if fold(text) in {fold(entry.text) for entry in context.store.entries(key)}:
        return reply(intent, en=f"Already on your {name} list: {text}.", fr=f"Déjà sur la liste « {name} » : {text}.")
    entry = context.store.add_entry(key, text)
    context.store.set_setting(f"{TITLE}{key}", name)
    undo = Undo(
        lambda: context.store.remove_entries([entry]),
        choose(intent.language, f"Taken off the list again: {text}.", f"Retiré de la liste : {text}."),
    )
    return reply(
        intent, en=f"Added to your {name} list: {text}.", fr=f"Ajouté à la liste « {name} » : {text}.", undo=undo
    )


def name_lists(intent: Intent, context: Context) -> Reply:
    """Which there are; one without anything on it is none."""
    names = []
    for key in context.store.list_names():
        if key == shopping.LIST:
            names.append(choose(intent.language, "shopping", "courses"))
        elif key.startswith(PREFIX):
            names.append(context.store.setting(f"{TITLE}{key}") or key.removeprefix(PREFIX))
    if not names:
        return reply(intent, en="There is nothing on any list.", fr="Il n'y a rien sur aucune liste.")
    count, listed = len(names), join(names, intent.language)
    return reply(
        intent,
        en=f"You have {count} list{'s' if count > 1 else ''}: {listed}.",
        fr=f"Vous avez {count} liste{'s' if count > 1 else ''} : {listed}.",
    )


def keep_items(intent: Intent, context: Context) -> Reply:
    """ "Remove everything except milk": of the list named, else of the one spoken of last, which has to have it."""
    name = intent.word("list_of") or (context.session.last_list if context.session.last in INTENTS else "")
    key = _key_of(name) if name else shopping.LIST
    entries, names = context.store.entries(key), item_names(intent)
    if not entries:
        return shopping.empty(intent) if key == shopping.LIST else _empty(intent, name)
    missing = [name for name in names if not matching(entries, name)]
    if missing or not names:
        listed = join(missing, intent.language)
        return reply(intent, en=f"Not on the list: {listed}.", fr=f"Pas sur la liste : {listed}.")
    kept = {entry.id: entry.text for name in names for entry in matching(entries, name)}
    gone = [entry for entry in entries if entry.id not in kept]
    stays = join(list(kept.values()), intent.language)
    if not gone:
        return reply(
            intent, en=f"Nothing else is on the list: {stays}.", fr=f"Rien d'autre n'est sur la liste : {stays}."
        )
    context.store.remove_entries(gone)
    listed = join([entry.text for entry in gone], intent.language)
    undo = Undo(
        lambda: context.store.put_entries(key, gone),
        choose(intent.language, f"Back on the list: {listed}.", f"Remis sur la liste : {listed}."),
    )
    return reply(intent, en=f"Removed: {listed}. Still on the list: {stays}.",
                 fr=f"Retiré : {listed}. Toujours sur la liste : {stays}.", undo=undo)  # fmt: skip


def make_list(intent: Intent, context: Context) -> Reply:
    """A list is there once something is on it, so that is asked for."""
    name = _title(intent)
    return ask(
        intent,
        en=(f"What shall I put on your {name} list?", f"add {{}} to my {name} list"),
        fr=(f"Que dois-je mettre sur la liste « {name} » ?", f"ajoute {{}} à ma liste de {name}"),
    )


def read_list(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(_key(intent))
    if not entries:
        return _empty(intent)
    name, listed = _title(intent), join([entry.text for entry in entries], intent.language)
    return reply(intent, en=f"On your {name} list: {listed}.", fr=f"Sur la liste « {name} » : {listed}.")


def remove_from_list(intent: Intent, context: Context) -> Reply:
    key, text = _key(intent), clean(intent.word("item"))
    entries = context.store.entries(key)
    gone = _meant(entries, text, intent.words_language)
    if not gone:
        each = (_meant(entries, name, intent.words_language) for name in item_names(intent))
        gone = list({entry.id: entry for found in each for entry in found}.values())
    if not gone:
        return reply(intent, en=f"Not on the list: {text}.", fr=f"Pas sur la liste : {text}.")
    context.store.remove_entries(gone)
    rest = rest_of(gone[0].text, text, intent.words_language) if len(gone) == 1 else ""
    kept = [context.store.add_entry(key, rest)] if rest else []

    def put_back() -> None:
        context.store.remove_entries(kept)
        context.store.put_entries(key, gone)

    listed = text if rest else join([entry.text for entry in gone], intent.language)
    undo = Undo(
        put_back,
        choose(intent.language, f"Back on the list: {listed}.", f"Remis sur la liste : {listed}."),
    )
    return reply(intent, en=f"Removed: {listed}.", fr=f"Retiré : {listed}.", undo=undo)


def _meant(entries: list[Entry], text: str, language: Language) -> list[Entry]:
    """Those called so, with the article or without, else the one at that place."""
    return matching(entries, text) or matching(entries, without_article(text, language)) or at_place(entries, text)


def clear_list(intent: Intent, context: Context) -> Reply:
    key, name = _key(intent), _title(intent)
    entries = context.store.entries(key)
    if not entries:
        return _empty(intent)
    context.store.remove_entries(entries)
    undo = Undo(
        lambda: context.store.put_entries(key, entries),
        choose(intent.language, f"Your {name} list is back.", f"La liste « {name} » est revenue."),
    )
    return reply(
        intent, en=f"Your {name} list is empty now.", fr=f"La liste « {name} » est vide maintenant.", undo=undo
    )


def _title(intent: Intent) -> str:
    return _title_of(intent.word("list_of"))


def _title_of(name: str) -> str:
    """A mistyped "shopping" is that."""
    title = clean(name).casefold()
    return next(iter(get_close_matches(title, _SHOPPING, 1, ALIKE)), title)


def _key(intent: Intent) -> str:
    return _key_of(intent.word("list_of"))


def _key_of(name: str) -> str:
    """One for "to-do", "todo" and "tâches"."""
    name = re.sub(r"\W", "", fold(_title_of(name)))
    return shopping.LIST if name in _SHOPPING else PREFIX + _SAME.get(name, name)


def _empty(intent: Intent, name: str = "") -> Reply:
    name = name or _title(intent)
    return reply(intent, en=f"Your {name} list is empty.", fr=f"La liste « {name} » est vide.")


SKILL = Skill(
    "lists",
    {
        "AddToList": add_to_list,
        "MakeList": make_list,
        "ReadList": read_list,
        "RemoveFromList": remove_from_list,
        "ClearList": clear_list,
        "NameLists": name_lists,
        "KeepItems": keep_items,
    },
    for_models=(),
)
