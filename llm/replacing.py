"""A command done instead of the one before: what it replaces goes, and comes back when it is taken back itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from core.messages import Language
from llm.schedule import Item
from llm.skills.alarms import describe
from llm.skills.base import Context, Reply, Undo, choose
from llm.skills.timers import title


def done_instead(before: Undo, act: Callable[[], Reply], context: Context, language: Language) -> Reply:
    """Do what is meant instead of the last action, which stays where this one cannot be done.

    Timers, alarms and reminders that go are put back as they were, with the time they have left by then, if the reply's
    `undo` is asked for. One that had been replaced earlier does not come back by this, unless it is what is meant ("no,
    leave it at ten"): that comes back so instead of a new one. Raises DataError.
    """
    schedule = context.schedule
    there = schedule.items()
    reply = act()
    if reply.undo is None:
        return reply
    added = [item for item in schedule.items() if item not in there]
    before.action()
    left = schedule.items()
    back = [item for item in left if item not in there and item not in added]
    gone = [item for item in there if item not in left]
    meant = [item for item in (*back, *gone) if any(_same(item, one) for one in added)]
    if meant:
        schedule.remove(added)
        schedule.restore(meant)
        reply = replace(reply, text=_as_it_was(meant, context, language), undo=before)
        added, gone = meant, [item for item in gone if item not in meant]
    else:
        reply = replace(reply, text=choose(language, f"Changed. {reply.text}", f"C'est changé. {reply.text}"))
    schedule.remove([item for item in back if item not in meant])
    if not gone:
        return reply

    def put_back() -> None:
        schedule.remove(added)
        schedule.restore(gone)

    return replace(reply, undo=Undo(put_back, _as_it_was(gone, context, language)))


def _same(one: Item, other: Item) -> bool:
    """Whether two were asked for by the same words, a timer whenever it was."""
    if one.kind == "timer":
        return (other.kind, other.text, other.duration_s) == (one.kind, one.text, one.duration_s)
    return replace(other, id=one.id, language=one.language, duration_s=one.duration_s) == one


def _as_it_was(items: Sequence[Item], context: Context, language: Language) -> str:
    was = ", ".join(_named(item, context, language) for item in items)
    return choose(language, f"It is as it was: {was}.", f"C'est comme avant : {was}.")


def _named(item: Item, context: Context, language: Language) -> str:
    return title(item, language) if item.kind == "timer" else describe(item, context, language)
