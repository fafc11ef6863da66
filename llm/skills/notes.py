"""Notes in the user's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.normalise import fold
from llm.skills.numbers import words_of
from llm.skills.reminders import clean
from llm.skills.spoken import join
from llm.store import Entry

LIST = "notes"
_READ_AT_ONCE = 8
NO_THING = frozenset(words_of("it that this them ca cela ceci"))
"""what they stand for was said before, and nobody knows what of it is meant"""
_WORD = re.compile(r"\w+")


def add_note(intent: Intent, context: Context) -> Reply:
    text = clean(intent.word("text"))
    if not text or fold(text) in NO_THING:
        question = ask(intent, en=("What shall I note?", "take a note {}"), fr=("Que dois-je noter ?", "note {}"))
        return replace(question, any_words=True)
    entry = context.store.add_entry(LIST, text)
    undo = Undo(
        lambda: context.store.remove_entries([entry]),
        choose(intent.language, f"I removed the note: {text}.", f"J'ai supprimé la note : {text}."),
    )
    return reply(intent, en=f"Noted: {text}.", fr=f"C'est noté : {text}.", undo=undo)


def read_notes(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(LIST)
    if not entries:
        return no_note(intent)
    recent = entries[-_READ_AT_ONCE:]
    listed = choose(intent.language, "; ", " ; ").join(entry.text for entry in recent)
    count = len(entries)
    more = (
        choose(intent.language, f", the last {len(recent)}", f", les {len(recent)} dernières")
        if count > len(recent)
        else ""
    )
    return reply(
        intent,
        en=f"You have {count} note{'s' if count > 1 else ''}{more}: {listed}.",
        fr=f"Vous avez {count} note{'s' if count > 1 else ''}{more} : {listed}.",
    )


def find_note(intent: Intent, context: Context) -> Reply:
    """The notes that hold the words."""
    text = clean(intent.word("text"))
    found = holding(context.store.entries(LIST), text)
    if not found:
        return reply(intent, en=f"I have no note about {text}.", fr=f"Je n'ai pas de note sur : {text}.")
    listed = choose(intent.language, "; ", " ; ").join(entry.text for entry in found)
    return reply(intent, en=f"You noted: {listed}.", fr=f"Vous avez noté : {listed}.")


def holding(entries: Sequence[Entry], text: str) -> list[Entry]:
    """The notes that hold all words of a text."""
    words = set(_WORD.findall(fold(text)))
    return [entry for entry in entries if words <= set(_WORD.findall(fold(entry.text)))]


def remove_note(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(LIST)
    if not entries:
        return no_note(intent)
    text, position = clean(intent.word("text")), intent.number("position")
    if text:
        chosen = holding(entries, text)
    elif position is not None:
        chosen = entries[int(position) - 1 : int(position)] if position >= 1 else []
    else:
        chosen = entries[-1:]
    if not chosen:
        return reply(intent, en="I have no such note.", fr="Je n'ai pas cette note.")
    if len(chosen) > 1:
        listed = join([entry.text for entry in chosen], intent.language)
        return ask(
            intent,
            en=(f"Which one: {listed}?", "delete my note about {}"),
            fr=(f"Laquelle : {listed} ?", "supprime ma note sur {}"),
        )
    return removed(intent, context, chosen)


def clear_notes(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(LIST)
    if not entries:
        return no_note(intent)
    context.store.remove_entries(entries)
    undo = Undo(
        lambda: context.store.put_entries(LIST, entries),
        choose(intent.language, "Your notes are back.", "Vos notes sont revenues."),
    )
    return reply(intent, en="All your notes are deleted.", fr="Toutes vos notes sont supprimées.", undo=undo)


def removed(intent: Intent, context: Context, entries: Sequence[Entry]) -> Reply:
    context.store.remove_entries(entries)
    listed = join([entry.text for entry in entries], intent.language)
    undo = Undo(
        lambda: context.store.put_entries(LIST, entries),
        choose(intent.language, f"The note is back: {listed}.", f"La note est revenue : {listed}."),
    )
    return reply(intent, en=f"Note deleted: {listed}.", fr=f"Note supprimée : {listed}.", undo=undo)


def no_note(intent: Intent) -> Reply:
    return reply(intent, en="You have no notes.", fr="Vous n'avez pas de note.")


SKILL = Skill(
    "notes",
    {
        "AddNote": add_note,
        "ReadNotes": read_notes,
        "FindNote": find_note,
        "RemoveNote": remove_note,
        "ClearNotes": clear_notes,
    },
    for_models=("AddNote", "ReadNotes"),
)
