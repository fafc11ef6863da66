"""Tells the time, the date and the weekday."""

from __future__ import annotations

from datetime import timedelta

from llm.skills.base import Context, Intent, Reply, Skill, reply
from llm.skills.spoken import MONTHS, WEEKDAYS, say_date, say_time


def tell_time(intent: Intent, context: Context) -> Reply:
    clock = say_time(context.schedule.local.wall, intent.language)
    return reply(intent, en=f"It's {clock}.", fr=f"Il est {clock}.")


def tell_date(intent: Intent, context: Context) -> Reply:
    ahead = intent.number("days_ahead") or 0
    day = context.schedule.local.wall + timedelta(days=ahead)
    date = f"{say_date(day, intent.language)}{',' if intent.language == 'en' else ''} {day.year}"
    if ahead == 1:
        return reply(intent, en=f"Tomorrow is {date}.", fr=f"Demain, ce sera le {date}.")
    if ahead == -1:
        return reply(intent, en=f"Yesterday was {date}.", fr=f"Hier, c'était le {date}.")
    return reply(intent, en=f"It's {date}.", fr=f"Nous sommes le {date}.")


def tell_time_and_date(intent: Intent, context: Context) -> Reply:
    time_said, date_said = tell_time(intent, context), tell_date(intent, context)
    return Reply(f"{time_said.text} {date_said.text}", intent.language)


def tell_weekday(intent: Intent, context: Context) -> Reply:
    ahead = intent.number("days_ahead") or 0
    day = WEEKDAYS[intent.language][(context.schedule.local.wall + timedelta(days=ahead)).weekday()]
    if ahead == 1:
        return reply(intent, en=f"Tomorrow is {day}.", fr=f"Demain, c'est {day}.")
    if ahead == -1:
        return reply(intent, en=f"Yesterday was {day}.", fr=f"Hier, c'était {day}.")
    return reply(intent, en=f"It's {day}.", fr=f"Nous sommes {day}.")


def tell_year(intent: Intent, context: Context) -> Reply:
    now = context.schedule.local.wall
    month = MONTHS[intent.language][now.month - 1]
    return reply(intent, en=f"It's {month} {now.year}.", fr=f"Nous sommes en {month} {now.year}.")


def tell_week(intent: Intent, context: Context) -> Reply:
    week = context.schedule.local.wall.isocalendar().week
    return reply(intent, en=f"It's week {week}.", fr=f"Nous sommes en semaine {week}.")


SKILL = Skill(
    "time",
    {
        "TellTime": tell_time,
        "TellDate": tell_date,
        "TellTimeAndDate": tell_time_and_date,
        "TellWeekday": tell_weekday,
        "TellYear": tell_year,
        "TellWeek": tell_week,
    },
    for_models=("TellTime",),
)
