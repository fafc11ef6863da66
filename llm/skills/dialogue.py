"""What refers to the dialogue itself: repeat that, stop, never mind."""

from __future__ import annotations

from dataclasses import replace

from llm.conversation import Exchange
from llm.skills.base import Context, Intent, Reply, Skill, reply
from llm.skills.timers import cancelled

UNDO_WITHIN_S = 300.0
"""An older action is not what "never mind" means."""
ALL_KEPT = 0.0
"""the second since which an earlier session counts"""


def repeat(intent: Intent, context: Context) -> Reply:
    last = context.conversation.last_reply
    if last is not None:
        return Reply(last.reply, last.language)
    kept = _kept_last(context)
    if kept is None:
        return reply(intent, en="I haven't said anything yet.", fr="Je n'ai encore rien dit.")
    return reply(
        intent, en=f'The last time, I said "{kept.reply}"', fr=f"La dernière fois, j'ai dit : « {kept.reply} »"
    )


def what_did_i_ask(intent: Intent, context: Context) -> Reply:
    said = next((one.user.strip() for one in reversed(context.conversation.exchanges) if one.user), "")
    if said:
        return reply(intent, en=f'You said "{said}".', fr=f"Vous avez dit : « {said} ».")
    kept = _kept_last(context)
    if kept is None:
        return reply(intent, en="You haven't asked me anything yet.", fr="Vous ne m'avez encore rien demandé.")
    said = kept.user.strip()
    return reply(intent, en=f'The last time, you said "{said}".', fr=f"La dernière fois, vous avez dit : « {said} ».")


def _kept_last(context: Context) -> Exchange | None:
    """The last exchange of an earlier session, where any is kept."""
    return next(iter(context.conversation.earlier(1, ALL_KEPT)), None)


def stop(intent: Intent, context: Context) -> Reply:
    """Speaking has ended already: the user's words opened a turn. What rings is dismissed by the same."""
    return replace(reply(intent, en="", fr=""), repeatable=False)


def never_mind(intent: Intent, context: Context) -> Reply:
    asked = context.session.asked
    if asked is not None and asked.open_at(context.clock.monotonic()):
        # nothing was done yet that could be taken back
        return replace(reply(intent, en="OK.", fr="D'accord."), repeatable=False)
    undoable, context.session.undoable = context.session.undoable, None
    if undoable is not None and context.clock.monotonic() - undoable.at <= UNDO_WITHIN_S:
        undoable.undo.action()
        return Reply(undoable.undo.said, intent.language)
    timers = context.schedule.items("timer")
    if len(timers) == 1 and "cancel" in intent.said.words:
        return cancelled(intent, context, timers)
    return replace(reply(intent, en="OK.", fr="D'accord."), repeatable=False)


SKILL = Skill(
    "dialogue",
    {"Repeat": repeat, "WhatDidIAsk": what_did_i_ask, "Stop": stop, "NeverMind": never_mind},
    for_models=(),
)
