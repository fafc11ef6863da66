"""Timers that wait: paused with what is left of them, and resumed from there, or begun anew."""

from __future__ import annotations

from collections.abc import Sequence

from llm.schedule import Item
from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.spoken import join, say_about
from llm.skills.timers import meant, titles


def pause_timer(intent: Intent, context: Context) -> Reply:
    timers = meant(intent, context)
    if isinstance(timers, Reply):
        return timers
    chosen = [item for item in timers if item.left_s is None]
    if not chosen:
        return reply(intent, en="It is paused already.", fr="Il est déjà en pause.")
    if len(chosen) > 1:
        return which_one(intent, chosen, "pause the {} timer", "mets en pause le minuteur {}")
    paused = context.schedule.pause(chosen[0])
    left = say_about(paused.left(context.schedule.now), intent.language)

    def go_on() -> None:
        context.schedule.resume(paused)

    undo = Undo(go_on, choose(intent.language, "It goes on.", "C'est reparti."))
    return reply(intent, en=f"Paused with {left} left.", fr=f"En pause, encore {left}.", undo=undo)


def resume_timer(intent: Intent, context: Context) -> Reply:
    timers = meant(intent, context)
    if isinstance(timers, Reply):
        return timers
    chosen = [item for item in timers if item.left_s is not None]
    if not chosen:
        left = say_about(timers[0].left(context.schedule.now), intent.language)
        return reply(intent, en=f"It is running: {left} left.", fr=f"Il tourne : il reste {left}.")
    if len(chosen) > 1:
        return which_one(intent, chosen, "resume the {} timer", "reprends le minuteur {}")
    left = say_about(context.schedule.resume(chosen[0]).left(context.schedule.now), intent.language)
    return reply(intent, en=f"It goes on: {left} left.", fr=f"C'est reparti : il reste {left}.")


def restart_timer(intent: Intent, context: Context) -> Reply:
    timers = meant(intent, context)
    if isinstance(timers, Reply):
        return timers
    if len(timers) > 1:
        return which_one(intent, timers, "restart the {} timer", "recommence le minuteur {}")
    before = timers[0]
    left = say_about(context.schedule.restart(before).left(context.schedule.now), intent.language)
    undo = Undo(
        lambda: context.schedule.restore([before]),
        choose(intent.language, "It is as it was before.", "Il est comme avant."),
    )
    return reply(intent, en=f"It starts again: {left}.", fr=f"C'est reparti du début : {left}.", undo=undo)


def which_one(intent: Intent, items: Sequence[Item], en: str, fr: str) -> Reply:
    """Ask which of several is meant; the answer completes the sentence."""
    listed = join(titles(items, intent.language), intent.language)
    return ask(intent, en=(f"Which one: {listed}?", en), fr=(f"Lequel : {listed} ?", fr))


SKILL = Skill(
    "timer_pause",
    {"PauseTimer": pause_timer, "ResumeTimer": resume_timer, "RestartTimer": restart_timer},
    for_models=(),
)
