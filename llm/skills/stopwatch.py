"""A stopwatch: started, read, stopped and gone on with. It is kept in the data file, so it runs on across a restart."""

from __future__ import annotations

import json
from dataclasses import dataclass

from llm.skills.base import Context, Intent, Reply, Skill, Undo, choose, reply
from llm.skills.spoken import say_about
from llm.skills.timer_pause import pause_timer, resume_timer
from llm.skills.timers import cancel_timer, time_left

_SETTING = "stopwatch"
INTENTS = frozenset(("StartStopwatch", "TellStopwatch", "StopStopwatch", "ResumeStopwatch"))
ONLY = "stopwatch"
"""the word's value where it is said of no timer"""


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """What was measured before it was last stopped, in seconds, and since when it runs, in UTC seconds."""

    measured_s: float = 0.0
    since: float | None = None

    def seconds(self, now: float) -> float:
        """What it shows; a clock that was set back takes nothing away."""
        return self.measured_s + (0.0 if self.since is None else max(0.0, now - self.since))


def kept(context: Context) -> Stopwatch | None:
    """The stopwatch that runs or has been stopped, None where there is none."""
    text = context.store.setting(_SETTING)
    if not text:
        return None
    measured_s, since = json.loads(text)
    return Stopwatch(measured_s, since)


def keep(context: Context, stopwatch: Stopwatch | None) -> None:
    """From now on there is this one."""
    context.store.set_setting(
        _SETTING, json.dumps([stopwatch.measured_s, stopwatch.since]) if stopwatch is not None else ""
    )


def start(intent: Intent, context: Context) -> Reply:
    """Begin at zero; one that runs is told and left as it is."""
    before = kept(context)
    if before is not None and before.since is not None and not intent.word("anew"):
        shown = _shown(before, intent, context)
        return reply(intent, en=f"It is running already: {shown}.", fr=f"Il tourne déjà : {shown}.")
    keep(context, Stopwatch(since=context.schedule.now))
    said = choose(intent.language, "The stopwatch is as it was.", "Le chronomètre est comme avant.")
    return reply(intent, en="Stopwatch started.", fr="Chronomètre lancé.",
                 undo=Undo(lambda: keep(context, before), said))  # fmt: skip


def tell(intent: Intent, context: Context) -> Reply:
    stopwatch = kept(context)
    if _may_be_timer(intent, stopwatch, context):
        return time_left(intent, context)
    if stopwatch is None:
        return _none(intent)
    shown = _shown(stopwatch, intent, context)
    if stopwatch.since is None:
        return reply(intent, en=f"It was stopped at {shown}.", fr=f"Il est arrêté à {shown}.")
    return reply(intent, en=f"{shown}.", fr=f"{shown}.")


def stop(intent: Intent, context: Context) -> Reply:
    stopwatch = kept(context)
    if _may_be_timer(intent, stopwatch, context):
        return (pause_timer if intent.word("pause") else cancel_timer)(intent, context)
    if stopwatch is None or stopwatch.since is None:
        return _none(intent) if stopwatch is None else tell(intent, context)
    shown = _shown(stopwatch, intent, context)
    keep(context, Stopwatch(stopwatch.seconds(context.schedule.now)))
    said = choose(intent.language, "The stopwatch runs on.", "Le chronomètre continue.")
    return reply(intent, en=f"Stopped at {shown}.", fr=f"Arrêté à {shown}.",
                 undo=Undo(lambda: keep(context, stopwatch), said))  # fmt: skip


def go_on(intent: Intent, context: Context) -> Reply:
    stopwatch = kept(context)
    if _may_be_timer(intent, stopwatch, context):
        return resume_timer(intent, context)
    if stopwatch is None:
        return _none(intent)
    if stopwatch.since is not None:
        return start(intent, context)
    keep(context, Stopwatch(stopwatch.measured_s, context.schedule.now))
    shown = _shown(stopwatch, intent, context)
    said = choose(intent.language, "It is stopped again.", "Il est de nouveau arrêté.")
    return reply(intent, en=f"It runs on from {shown}.", fr=f"Il repart de {shown}.",
                 undo=Undo(lambda: keep(context, stopwatch), said))  # fmt: skip


def _may_be_timer(intent: Intent, stopwatch: Stopwatch | None, context: Context) -> bool:
    """Whether a timer is meant, where the word is said of both ("le chrono") and no stopwatch runs or has just been
    spoken of.
    """
    runs = stopwatch is not None and (stopwatch.since is not None or context.session.last in INTENTS)
    return not runs and intent.word("stopwatch") != ONLY and bool(context.schedule.items("timer"))


def _shown(stopwatch: Stopwatch, intent: Intent, context: Context) -> str:
    return say_about(stopwatch.seconds(context.schedule.now), intent.language)


def _none(intent: Intent) -> Reply:
    return reply(intent, en="No stopwatch is running.", fr="Aucun chronomètre n'est en cours.")


SKILL = Skill(
    "stopwatch",
    {"StartStopwatch": start, "TellStopwatch": tell, "StopStopwatch": stop, "ResumeStopwatch": go_on},
    for_models=(),
)
