"""Facts that the user asks to be remembered; a language model is told them before each conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm.apologies import NOT_UNDERSTOOD
from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.normalise import fold
from llm.skills.notes import NO_THING
from llm.skills.reminders import clean
from llm.skills.spoken import join
from llm.store import Entry, Store

LIST = "facts"
_TOLD_AT_ONCE = 8


def facts(store: Store) -> tuple[str, ...]:
    """All of them, the oldest first. Raises DataError."""
    return tuple(entry.text for entry in store.entries(LIST))


def remember(intent: Intent, context: Context) -> Reply:
    text = clean(intent.word("text"))
    if not text or fold(text) in NO_THING:
        question = ask(
            intent,
            en=("What shall I remember?", "remember that {}"),
            fr=("Que dois-je retenir ?", "retiens que {}"),
        )
        return replace(question, any_words=True)
    known = [entry for entry in context.store.entries(LIST) if fold(entry.text) == fold(text)]
    entry = known[0] if known else context.store.add_entry(LIST, text)
    undo = Undo(
        lambda: context.store.remove_entries([entry]),
        choose(intent.language, f"I've forgotten: {text}.", f"C'est oublié : {text}."),
    )
    return reply(intent, en=f"I'll remember: {text}.", fr=f"Je retiens : {text}.", undo=None if known else undo)


def tell(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(LIST)
    if not entries:
        return reply(intent, en="You haven't asked me to remember anything.",
                     fr="Vous ne m'avez rien demandé de retenir.")  # fmt: skip
    listed = "; ".join(entry.text for entry in entries[-_TOLD_AT_ONCE:])
    return reply(intent, en=f"You told me: {listed}.", fr=f"Vous m'avez dit : {listed}.")


def find(intent: Intent, context: Context) -> Reply:
    """What was to be remembered about something: "where is my car"."""
    words = set(fold(clean(intent.word("text"))).split())
    found = [entry.text for entry in context.store.entries(LIST) if words <= set(fold(entry.text).split())]
    if not found or not words:
        return Reply(choose(intent.language, *NOT_UNDERSTOOD), intent.language, understood=False)
    listed = "; ".join(found)
    return reply(intent, en=f"You told me: {listed}.", fr=f"Vous m'avez dit : {listed}.")


def forget(intent: Intent, context: Context) -> Reply:
    words = set(fold(clean(intent.word("text"))).split())
    chosen = [entry for entry in context.store.entries(LIST) if words <= set(fold(entry.text).split())]
    if not chosen or not words:
        return reply(intent, en="I don't know that.", fr="Je ne le savais pas.")
    listed = join([entry.text for entry in chosen], intent.language)
    if len(chosen) > 1:
        return reply(intent, en=f"Which one: {listed}?", fr=f"Laquelle de ces choses : {listed} ?")
    return _forgotten(intent, context, chosen, f"Forgotten: {listed}.", f"C'est oublié : {listed}.")


def forget_all(intent: Intent, context: Context) -> Reply:
    entries = context.store.entries(LIST)
    return _forgotten(intent, context, entries, "I've forgotten it all.", "J'ai tout oublié.")


def _forgotten(intent: Intent, context: Context, entries: Sequence[Entry], en: str, fr: str) -> Reply:
    context.store.remove_entries(entries)
    undo = Undo(
        lambda: context.store.put_entries(LIST, entries),
        choose(intent.language, "I remember it again.", "Je m'en souviens de nouveau."),
    )
    return reply(intent, en=en, fr=fr, undo=undo if entries else None)


SKILL = Skill(
    "memory",
    {"RememberFact": remember, "ListFacts": tell, "FindFact": find, "ForgetFact": forget, "ForgetFacts": forget_all},
    for_models=("RememberFact",),
)
