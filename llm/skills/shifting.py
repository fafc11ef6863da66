"""What was set last comes so much later or earlier: "push it back half an hour", "delay the reminder by an hour"."""

from __future__ import annotations

from dataclasses import replace

from llm.schedule import Item
from llm.skills.alarms import describe, shifted
from llm.skills.base import Context, Intent, Reply, Skill, Undo, choose, reply
from llm.skills.reminders import no_reminder
from llm.skills.rescheduling import exchange
from llm.skills.spoken import join
from llm.skills.timers import add_time

_SETS = frozenset(("SetAlarm", "SetReminder", "ChangeAlarm", "ChangeReminder", "ShiftItem", "SetTimer", "AddTime"))
"""after these "it" is what they set"""


def shift(intent: Intent, context: Context) -> Reply:
    found = _meant(intent, context)
    if isinstance(found, Reply):
        return found
    if found.kind == "timer":
        less = {"less": "yes"} if (intent.number("shift") or 0.0) < 0 else {}
        return add_time(replace(intent, slots={**intent.slots, **less}), context)
    language = intent.language
    after = None if found.every_s or found.day else shifted(found, intent, context)
    if after is None:
        return reply(intent, en="It can't be moved there.", fr="Impossible de le déplacer là.")
    item, put_back = exchange(found, after, context.schedule)
    said, earlier = describe(item, context, language), describe(found, context, language)
    undo = Undo(put_back, choose(language, f"It is as it was: {earlier}.", f"C'est comme avant : {earlier}."))
    if item.kind == "alarm":
        return reply(intent, en=f"Alarm set: {said}.", fr=f"Alarme réglée : {said}.", undo=undo)
    told = item.text or "…"
    return reply(
        intent, en=f"I'll remind you {said}: {told}.", fr=f"Je vous le rappellerai {said} : {told}.", undo=undo
    )


def _meant(intent: Intent, context: Context) -> Item | Reply:
    """The only reminder, where that word is said, else what was set last."""
    if intent.word("kind"):
        reminders = context.schedule.items("reminder")
        if len(reminders) == 1:
            return reminders[0]
        listed = join([item.text or "…" for item in reminders], intent.language)
        return (
            reply(intent, en=f"There are several: {listed}. Say which.",
                  fr=f"Il y en a plusieurs : {listed}. Dites lequel.")
            if reminders
            else no_reminder(intent)
        )  # fmt: skip
    newest = max(context.schedule.items(), key=lambda item: item.id, default=None)
    if newest is None or context.session.last not in _SETS:
        return reply(intent, en="Say what is to be moved: the alarm or the reminder.",
                     fr="Dites ce qu'il faut déplacer : l'alarme ou le rappel.")  # fmt: skip
    return newest


SKILL = Skill("shifting", {"ShiftItem": shift}, for_models=())
