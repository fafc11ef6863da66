"""Alarms at a local time, once or on weekdays: set, changed, cancelled; snooze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from core.messages import Language
from llm.schedule import Item
from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.days import date_of
from llm.skills.rescheduling import about, exchange, moved
from llm.skills.spoken import (
    join,
    say_about,
    say_day,
    say_day_of_month,
    say_duration,
    say_every,
    say_moment,
    say_time,
    say_weekdays,
)
from llm.skills.timers import add_time, clean_name, named
from llm.skills.when import OTHER_DAYS, When, clock_time, duration_s, moment
from llm.skills.which import by_place

_DAWN = (5.0, 6.0)
ONE_MORE = "one_more"
"""a slot of the second of two alarms in one breath; see `llm.skills.several`"""


def set_alarm(intent: Intent, context: Context) -> Reply:
    local, language = context.schedule.local, intent.language
    when = moment(intent, local, morning=bool(intent.word("wake")) or _at_dawn(intent))
    only_day = bool(intent.word("day") or intent.word("part_of_day")) and clock_time(intent) is None
    if when is None or only_day:
        begun = " ".join(intent.said.words) if only_day else ""
        return ask(
            intent,
            en=(
                "At what time?",
                f"{begun or 'set an alarm'} {{}}",
                f"{begun or 'set an alarm'} {'at' if begun else 'for'} {{}}",
            ),
            fr=("À quelle heure ?", f"{begun or 'mets une alarme'} {{}}", f"{begun or 'mets une alarme'} à {{}}"),
        )
    if intent.word(ONE_MORE):
        when = _in_the_same_half(when, intent, context)
    name = clean_name(intent.word("name"))
    item = context.schedule.add(Item("alarm", name, language, when.instant, wall=when.wall, weekdays=when.weekdays))
    undo = Undo(
        lambda: context.schedule.remove([item]),
        choose(language, "I cancelled the alarm.", "J'ai annulé l'alarme."),
    )
    said = title(item, context, language)
    return reply(intent, en=f"Alarm set: {said}.", fr=f"Alarme réglée : {said}.", undo=undo)


def _in_the_same_half(when: When, intent: Intent, context: Context) -> When:
    """Of two alarms in one breath, "7 and 7:30", the second is not twelve hours before the first."""
    clock, local = clock_time(intent), context.schedule.local
    first = max(context.schedule.items("alarm"), key=lambda item: item.id, default=None)
    if first is None or clock is None or not clock[1] or when.weekdays or when.instant >= first.due_at:
        return when
    return When(local.instant(local.at(when.instant) + timedelta(hours=12)))


def _at_dawn(intent: Intent) -> bool:
    """Whether it is to get up by: five or six of a day to come, without a half."""
    to_come = intent.slots.keys() & OTHER_DAYS or intent.word("day") not in ("", "today", "tonight")
    return bool(to_come) and intent.number("hour") in _DAWN and not intent.word("part_of_day")


def list_alarms(intent: Intent, context: Context) -> Reply:
    alarms = context.schedule.items("alarm")
    if not alarms:
        return no_alarm(intent)
    if intent.word("day"):
        day = _ringing_day(intent.word("day"), alarms, context)
        alarms = [item for item in alarms if context.schedule.rings_on(item, day)]
        if not alarms:
            return reply(intent, en="No alarm is set for that day.", fr="Aucune alarme n'est réglée ce jour-là.")
    listed = join([title(item, context, intent.language) for item in alarms], intent.language)
    if len(alarms) == 1:
        return reply(intent, en=f"Your alarm is set: {listed}.", fr=f"Votre alarme est réglée : {listed}.")
    return reply(
        intent, en=f"You have {len(alarms)} alarms: {listed}.", fr=f"Vous avez {len(alarms)} alarmes : {listed}."
    )


def next_alarm(intent: Intent, context: Context) -> Reply:
    """How long it is until the next one rings."""
    alarms = context.schedule.items("alarm")
    if not alarms:
        return no_alarm(intent)
    first = min(alarms, key=lambda item: item.due_at)
    length = say_about(first.left(context.schedule.now), intent.language)
    said = title(first, context, intent.language)
    return reply(intent, en=f"{length}: {said}.", fr=f"{length} : {said}.")


def cancel_alarm(intent: Intent, context: Context) -> Reply:
    alarms = context.schedule.items("alarm")
    if not alarms:
        return no_alarm(intent)
    language = intent.language
    chosen = alarms
    clock, name = clock_time(intent), clean_name(intent.word("name"))
    if name:
        chosen = named(alarms, name) or by_place(alarms, name)
        if not chosen:
            listed = join([title(item, context, language) for item in alarms], language)
            return reply(intent, en=f"I have no '{name}' alarm. What is set: {listed}.",
                         fr=f"Je n'ai pas d'alarme « {name} ». Sont réglées : {listed}.")  # fmt: skip
    elif intent.word("day"):
        day = _ringing_day(intent.word("day"), alarms, context)
        chosen = [item for item in alarms if context.schedule.rings_on(item, day)]
        if not chosen:
            return reply(intent, en="No alarm is set for that day.", fr="Aucune alarme n'est réglée ce jour-là.")
        if any(item.recurs for item in chosen):
            return _left_out(intent, context, chosen, day)
    elif clock is not None:
        hours = {clock[0].hour, (clock[0].hour + 12) % 24} if clock[1] else {clock[0].hour}
        walls = [(item, context.schedule.local.at(item.due_at)) for item in alarms]
        chosen = [item for item, wall in walls if wall.hour in hours and wall.minute == clock[0].minute]
        if not chosen:
            return reply(intent, en=f"I have no alarm at {say_time(clock[0], language)}.",
                         fr=f"Je n'ai pas d'alarme à {say_time(clock[0], language)}.")  # fmt: skip
    if len(chosen) > 1 and not intent.word("all"):
        listed = join([title(item, context, language) for item in chosen], language)
        return ask(
            intent,
            en=(f"Which one: {listed}?", "cancel the alarm {}", "cancel the {} alarm", "cancel {} alarms"),
            fr=(f"Laquelle : {listed} ?", "annule l'alarme à {}", "annule l'alarme {}", "annule {} les alarmes"),
        )
    context.schedule.remove(chosen)
    listed = join([title(item, context, language) for item in chosen], language)
    undo = Undo(
        lambda: context.schedule.restore(chosen),
        choose(language, f"The alarm is set again: {listed}.", f"L'alarme est remise : {listed}."),
    )
    return reply(intent, en=f"Alarm cancelled: {listed}.", fr=f"Alarme annulée : {listed}.", undo=undo)


def _ringing_day(name: str, alarms: Sequence[Item], context: Context) -> date:
    """The date that a day's name means: of a weekday whose alarm has rung today, the one in a week."""
    day = date_of(name, context.schedule.local)
    later = day + timedelta(days=7)
    rings = any(context.schedule.rings_on(item, day) for item in alarms)
    return later if name.isdigit() and not rings and day == context.schedule.local.wall.date() else day


def _left_out(intent: Intent, context: Context, items: Sequence[Item], day: date) -> Reply:
    """What rings on a day does not: once is cancelled, and what recurs leaves that day out."""
    schedule, language = context.schedule, intent.language
    schedule.remove([item for item in items if not item.recurs])
    for item in items:
        if item.recurs:
            schedule.skip(item, day)
    wall = schedule.local.wall
    when = say_day(datetime.combine(day, time()), wall, language) or choose(language, "today", "aujourd'hui")
    listed = join([title(replace(item, skipped=()), context, language) for item in items if item.recurs], language)
    undo = Undo(
        lambda: schedule.restore(items),
        choose(language, f"It rings {when} after all.", f"L'alarme sonnera quand même {when}."),
    )
    return reply(
        intent, en=f"No alarm {when}. It still rings {listed}.",
        fr=f"Pas d'alarme {when}. Elle sonne toujours {listed}.", undo=undo,
    )  # fmt: skip


def change_alarm(intent: Intent, context: Context) -> Reply:
    """An alarm rings at another time, on the days on which it rang."""
    alarms, language = context.schedule.items("alarm"), intent.language
    if not alarms:
        return no_alarm(intent)
    name = clean_name(intent.word("name"))
    chosen = about(alarms, name, lambda item: describe(item, context, language), language) if name else alarms
    if len(chosen) != 1:
        listed = join([title(item, context, language) for item in chosen or alarms], language)
        return reply(intent, en=f"Which one: {listed}? Say: move the alarm at seven to eight.",
                     fr=f"Laquelle : {listed} ? Dites : décale l'alarme de sept heures à huit heures.")  # fmt: skip
    later = shifted(chosen[0], intent, context) if intent.number("shift") else None
    after = later if intent.number("shift") else moved(chosen[0], intent, context.schedule)
    if after is None:
        return reply(intent, en="There is no such time.", fr="Cette heure n'existe pas.")
    item, put_back = exchange(chosen[0], after, context.schedule)
    said = title(item, context, language)
    earlier = title(chosen[0], context, language)
    undo = Undo(
        put_back, choose(language, f"The alarm is as it was: {earlier}.", f"L'alarme est comme avant : {earlier}.")
    )
    return reply(intent, en=f"Alarm set: {said}.", fr=f"Alarme réglée : {said}.", undo=undo)


def shifted(before: Item, intent: Intent, context: Context) -> Item | None:
    """The alarm or reminder so much later or earlier than it was; None where that is past."""
    schedule, seconds = context.schedule, (intent.number("shift") or 0.0) * (duration_s(intent) or 0.0)
    wall = schedule.local.at(before.due_at + seconds).time()
    if before.weekdays:
        return replace(before, due_at=schedule.local.next(wall, before.weekdays), first_due_at=0.0, wall=wall, id=0)
    due_at = before.due_at + seconds
    wall_kept = wall if before.wall is not None else None
    return replace(before, due_at=due_at, first_due_at=0.0, wall=wall_kept, id=0) if due_at > schedule.now else None


def snooze(intent: Intent, context: Context) -> Reply:
    if intent.word("or_timer") and context.schedule.items("timer"):
        return add_time(intent, context)
    seconds = duration_s(intent) or context.snooze_min * 60.0
    items = context.schedule.snooze(seconds)
    if not items and duration_s(intent) is not None and context.schedule.items("alarm"):
        return change_alarm(replace(intent, slots={**intent.slots, "shift": 1.0}), context)
    if not items:
        return reply(intent, en="Nothing has rung.", fr="Rien n'a sonné.")
    length = say_duration(seconds, intent.language)
    undo = Undo(
        lambda: context.schedule.remove(items), choose(intent.language, "It stays off.", "Je ne sonnerai plus.")
    )
    return reply(intent, en=f"Again in {length}.", fr=f"De nouveau dans {length}.", undo=undo)


def title(item: Item, context: Context, language: Language) -> str:
    """An alarm's name, if it has one, and when it rings."""
    when = describe(item, context, language)
    return choose(language, f"'{item.text}' {when}", f"« {item.text} » {when}") if item.text else when


def describe(item: Item, context: Context, language: Language) -> str:
    """When an item rings, as a reply says it."""
    if item.every_s:
        return say_every(item.every_s, language)
    if item.recurs and item.wall is not None:
        clock = say_time(item.wall, language)
        in_month = say_day_of_month(item.day, item.month, language) if item.day else ""
        days = in_month or say_weekdays(item.weekdays, language)
        said = f"{days} à {clock}" if language == "fr" else f"{days} at {clock}"
        wall = context.schedule.local.wall
        without = [
            say_day(datetime.combine(day, time()), wall, language) for day in sorted(item.skipped) if day > wall.date()
        ]
        if not without:
            return said
        return said + choose(language, f", but not {join(without, language)}", f", mais pas {join(without, language)}")
    local = context.schedule.local
    return say_moment(local.at(item.due_at), local.wall, language)


def no_alarm(intent: Intent) -> Reply:
    return reply(intent, en="No alarm is set.", fr="Aucune alarme n'est réglée.")


SKILL = Skill(
    "alarms",
    {
        "SetAlarm": set_alarm,
        "AskAlarmTime": set_alarm,
        "ListAlarms": list_alarms,
        "NextAlarm": next_alarm,
        "ChangeAlarm": change_alarm,
        "CancelAlarm": cancel_alarm,
        "Snooze": snooze,
    },
    for_models=("SetAlarm", "ListAlarms"),
)
