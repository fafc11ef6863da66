"""What refers to the dialogue itself: repeat that, stop, never mind."""

from __future__ import annotations

from dataclasses import replace

from llm.conversation import Exchange
from llm.skills.base import Context, Intent, Reply, Skill, choose, reply
from llm.skills.sound import STEP_RATE, STEP_VOLUME
from llm.skills.timers import cancelled

UNDO_WITHIN_S = 60.0
"""An older action is not what "never mind" means, unless nothing was said since."""
UNDO_LAST_WITHIN_S = 300.0
"""the last that was said, or what "undo" means"""
_UNDO = frozenset(("undo", "revert", "back", "defais", "action"))
"""words that ask for more than to leave it be"""
_LEAVE, _DROP = frozenset(("leave", "keep", "laisse")), "tomber"
"""words that take a change back, and nothing else; not where the French one is "laisse tomber" """
_SAID, _AGAIN = frozenset(("did", "dit")), ("repet", "redi", "repeat", "i", "je")
"""words that ask what was said, and how words begin that ask for it again whatever they hold besides"""
ALL_KEPT = 0.0
"""the second since which an earlier session counts"""


def repeat(intent: Intent, context: Context) -> Reply:
    """The last reply again, louder or slower from now on where that is asked for. Asked what was said, of a reply that
    was cut short: as much as was heard, and all of it if that is wanted."""
    how = intent.word("how")
    if how:
        context.voice.change(STEP_VOLUME if how == "louder" else 1.0, 1 / STEP_RATE if how == "slower" else 1.0)
    last = context.conversation.last_reply
    if last is not None:
        cut = last.heard and not last.heard_whole and _asks_what_was_said(intent)
        return _said_so_far(last) if cut else Reply(last.reply, last.language)
    kept = _kept_last(context)
    if kept is None:
        return reply(intent, en="I haven't said anything yet.", fr="Je n'ai encore rien dit.")
    return reply(
        intent, en=f'The last time, I said "{kept.reply}"', fr=f"La dernière fois, j'ai dit : « {kept.reply} »"
    )


def _asks_what_was_said(intent: Intent) -> bool:
    """Rather than to hear it again: "what did you say", "qu'est-ce que tu as dit"."""
    words = intent.said.words
    return not _SAID.isdisjoint(words) and not words[0].startswith(_AGAIN)


def _said_so_far(last: Exchange) -> Reply:
    heard = last.heard.rstrip(" ,;:")
    english, french = f'I had said: "{heard}" Shall I say all of it?', f"J'ai dit : « {heard} » Dois-je tout dire ?"
    return Reply(
        choose(last.language, english, french),
        last.language,
        repeatable=False,
        offers=choose(last.language, "repeat that", "répète ça"),
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
    if _question_is_open(context):
        # nothing was done yet that could be taken back
        return replace(reply(intent, en="OK.", fr="D'accord."), repeatable=False)
    words, undoable = set(intent.said.words), context.session.undoable
    undo, leave = bool(_UNDO & words), bool(_LEAVE & words) and _DROP not in words
    changed = undoable is not None and undoable.intent is not None and undoable.intent.corrects
    if undoable is not None and (changed or not leave):
        within_s = UNDO_LAST_WITHIN_S if undo or not undoable.followed else UNDO_WITHIN_S
        if context.clock.monotonic() - undoable.at <= within_s:
            context.session.undoable = None
            undoable.undo.action()
            return Reply(undoable.undo.said, intent.language)
    if undo:
        return reply(intent, en="There is nothing to take back.", fr="Il n'y a rien à défaire.")
    timers = context.schedule.items("timer")
    if len(timers) == 1 and "cancel" in words:
        return cancelled(intent, context, timers)
    return replace(reply(intent, en="OK.", fr="D'accord."), repeatable=False)


def yes(intent: Intent, context: Context) -> Reply:
    """To an open question it is no answer: the question is said again. To none it is agreed."""
    last = context.conversation.last_reply
    if _question_is_open(context) and last is not None:
        return Reply(last.reply, last.language)
    return agreed(intent, context)


def no(intent: Intent, context: Context) -> Reply:
    """Ends a question. What was just done stays until it is known what is meant."""
    done = context.session.undoable
    if _question_is_open(context) or done is None or context.clock.monotonic() - done.at > UNDO_WITHIN_S:
        return agreed(intent, context)
    return _how_to_take_back(intent)


def oops(intent: Intent, context: Context) -> Reply:
    done = context.session.undoable
    if done is None or context.clock.monotonic() - done.at > UNDO_LAST_WITHIN_S:
        return replace(reply(intent, en="No problem.", fr="Pas de souci."), repeatable=False)
    return _how_to_take_back(intent)


def agreed(intent: Intent, context: Context) -> Reply:
    return replace(reply(intent, en="All right.", fr="D'accord."), repeatable=False)


def _question_is_open(context: Context) -> bool:
    asked = context.session.asked
    return asked is not None and asked.open_at(context.clock.monotonic())


def _how_to_take_back(intent: Intent) -> Reply:
    return reply(
        intent,
        en='Say what it should be, or "never mind" to take it back.',
        fr="Dites ce qu'il faut à la place, ou « annule » pour revenir en arrière.",
    )


SKILL = Skill(
    "dialogue",
    {
        "Repeat": repeat,
        "WhatDidIAsk": what_did_i_ask,
        "Stop": stop,
        "NeverMind": never_mind,
        "SaysYes": yes,
        "SaysNo": no,
        "Oops": oops,
        "Agreed": agreed,
    },
    for_models=(),
)
