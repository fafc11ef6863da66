"""Cancels all that will ring, "cancel both": where that is timers, alarms and reminders, the user is asked which."""

from __future__ import annotations

from dataclasses import replace

from llm.schedule import Kind
from llm.skills import alarms, reminders, timers
from llm.skills.base import Action, Context, Intent, Reply, Skill, ask, choose, reply
from llm.skills.spoken import join

_ACTIONS: dict[Kind, Action] = {
    "timer": timers.cancel_timer, "alarm": alarms.cancel_alarm, "reminder": reminders.cancel_reminder
}  # fmt: skip
_NAMES: dict[Kind, tuple[str, str]] = {
    "timer": ("timers", "minuteurs"), "alarm": ("alarms", "alarmes"), "reminder": ("reminders", "rappels")
}  # fmt: skip
_BOTH = frozenset(("both", "2"))
_TWO = 2


def cancel_everything(intent: Intent, context: Context) -> Reply:
    kinds = {item.kind: len(context.schedule.items(item.kind)) for item in context.schedule.items()}
    if _BOTH & set(intent.said.words):
        kinds = {kind: count for kind, count in kinds.items() if count == _TWO} or kinds
    if not kinds:
        return reply(intent, en="Nothing is set.", fr="Rien n'est réglé.")
    if len(kinds) == 1:
        (kind,) = kinds
        return _ACTIONS[kind](replace(intent, slots={"all": "yes"}), context)
    listed = join([choose(intent.language, *_NAMES[kind]) for kind in kinds], intent.language)
    return ask(
        intent,
        en=(f"What shall I cancel: {listed}?", "cancel all {}", "cancel {}"),
        fr=(f"Que faut-il annuler : {listed} ?", "annule tous les {}", "annule toutes les {}", "annule {}"),
    )


SKILL = Skill("everything", {"CancelEverything": cancel_everything}, for_models=())
