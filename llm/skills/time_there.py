"""The time in one place when it is a given time in another: "what time is it in Sydney when it's noon here"."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from llm.skills.base import Context, Intent, Reply, Skill, choose, reply
from llm.skills.spoken import say_time
from llm.skills.when import clock_time
from llm.skills.world_time import zone_of

_DAYTIME_FROM = 7
"""an English hour without AM or PM is one of the day: "when it's six here" is in the evening"""


def tell_time_there(intent: Intent, context: Context) -> Reply:
    """`place` is asked about and `origin` is where the hour said is; either is the user's own where it is not said."""
    clock = clock_time(intent)
    named = {slot: intent.word(slot).strip(" .,;:!?") for slot in ("place", "origin")}
    here = context.schedule.local.wall
    zones = {slot: ZoneInfo(zone) for slot, place in named.items() if place and (zone := zone_of(place))}
    unknown = next((place for slot, place in named.items() if place and slot not in zones), "")
    if unknown:
        return reply(intent, en=f"I don't know what time it is in {unknown}.",
                     fr=f"Je ne sais pas quelle heure il est à cet endroit : {unknown}.")  # fmt: skip
    if clock is None:
        return reply(intent, en="There is no such time.", fr="Cette heure n'existe pas.")
    wall, open_half = clock
    if open_half and wall.hour < _DAYTIME_FROM and intent.words_language == "en":
        wall = wall.replace(hour=wall.hour + 12)
    there = datetime.combine(here.date(), wall, zones.get("origin", here.tzinfo))
    asked = there.astimezone(zones.get("place", here.tzinfo))
    told = say_time(asked, intent.language)
    days = (asked.date() - there.date()).days
    day = choose(intent.language, " the next day", " le lendemain") if days > 0 else ""
    day = choose(intent.language, " the day before", " la veille") if days < 0 else day
    place = named["place"]
    title = place if place[:1].isupper() else place.title()
    english = f"{told}{day} in {title}." if place else f"{told}{day} here."
    french = f"{title} : {told}{day}." if place else f"Ici, {told}{day}."
    return Reply(choose(intent.language, english, french), intent.language)


SKILL = Skill("time_there", {"TellTimeThere": tell_time_there}, for_models=())
