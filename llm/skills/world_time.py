"""The time in another city or country, from the machine's own table of time zones (IANA); asks no network."""

from __future__ import annotations

import re
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from llm.apologies import NOT_UNDERSTOOD
from llm.skills.base import Context, Intent, Reply, Skill, choose, reply
from llm.skills.normalise import fold
from llm.skills.spoken import WEEKDAYS, join, say_duration, say_time

_ZONES = {
    "America/New_York": "boston, washington, washington dc, new york city, nyc, miami, atlanta, philadelphia",
    "America/Chicago": "dallas, houston, austin, texas, new orleans, nouvelle-orleans",
    "America/Los_Angeles": "california, californie, san francisco, seattle, las vegas, san diego, silicon valley",
    "America/Mexico_City": "mexico, mexique",
    "America/Toronto": "montreal, ottawa, quebec",
    "America/Lima": "perou, peru",
    "America/Sao_Paulo": "rio, rio de janeiro, brasilia, brazil, bresil",
    "America/Argentina/Buenos_Aires": "argentina, argentine",
    "Asia/Tokyo": "japan, japon, osaka, kyoto",
    "Asia/Shanghai": "china, chine, beijing, pekin",
    "Asia/Kolkata": "india, inde, mumbai, bombay, delhi, new delhi, bangalore",
    "Asia/Seoul": "korea, south korea, coree, coree du sud",
    "Asia/Bangkok": "thailand, thailande",
    "Asia/Ho_Chi_Minh": "hanoi, vietnam, saigon",
    "Asia/Jakarta": "indonesie, indonesia",
    "Asia/Singapore": "singapour",
    "Asia/Jerusalem": "israel, tel aviv",
    "Asia/Dubai": "abu dhabi, emirates, emirats",
    "Australia/Sydney": "canberra",
    "Pacific/Auckland": "new zealand, nouvelle-zelande, wellington",
    "Pacific/Honolulu": "hawaii",
    "Europe/London": "londres, england, angleterre, scotland, ecosse, edinburgh, edimbourg, manchester, great britain, "
    "uk, united kingdom, royaume-uni",
    "Europe/Paris": "france, lyon, marseille, toulouse, bordeaux, lille, nice, nantes, strasbourg",
    "Europe/Berlin": "germany, allemagne, munich, hamburg, hambourg, frankfurt, francfort, cologne",
    "Europe/Vienna": "austria, autriche, vienne",
    "Europe/Rome": "italy, italie, milan, venice, venise, florence, naples",
    "Europe/Madrid": "spain, espagne, barcelona, barcelone, seville",
    "Europe/Lisbon": "portugal, lisbonne, porto",
    "Europe/Brussels": "belgium, belgique, bruxelles",
    "Europe/Athens": "greece, grece, athenes",
    "Europe/Amsterdam": "netherlands, holland, pays-bas, hollande",
    "Europe/Zurich": "switzerland, suisse, geneva, geneve, lausanne, bern, berne",
    "Europe/Dublin": "ireland, irlande",
    "Europe/Warsaw": "poland, pologne, varsovie, krakow, cracovie",
    "Europe/Prague": "czech republic",
    "Europe/Copenhagen": "denmark, danemark, copenhague",
    "Europe/Stockholm": "sweden, suede",
    "Europe/Oslo": "norway, norvege",
    "Europe/Helsinki": "finland, finlande",
    "Europe/Moscow": "moscou, saint petersburg, saint-petersbourg",
    "Europe/Kyiv": "kiev, ukraine",
    "Africa/Cairo": "egypt, egypte, le caire",
    "Africa/Johannesburg": "south africa, afrique du sud, cape town, le cap",
    "Africa/Casablanca": "morocco, maroc, rabat",
    "Africa/Algiers": "alger, algerie, algeria",
    "Africa/Tunis": "tunisie, tunisia",
    "Africa/Dakar": "senegal",
    "Africa/Nairobi": "kenya",
    "Africa/Lagos": "nigeria",
    "Africa/Abidjan": "cote d'ivoire, ivory coast",
    "Indian/Reunion": "la reunion",
    "UTC": "utc, greenwich",
}
"""places that name no zone themselves, or not in this language"""
_LEADING = ("the ", "la ", "le ", "les ", "l ", "downtown ")
_BETWEEN = re.compile(r",|\s(?:and|et)(?:\s+(?:in|à|au|en))?\s", re.IGNORECASE)
_GOES_ON = frozenset(("TellTime", "TellTimeIn", "TimeDifference"))
_AREAS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def _plain(name: str) -> str:
    return " ".join(fold(name).replace("-", " ").replace("'", " ").replace("_", " ").split())


@cache
def _places() -> dict[str, str]:
    """Places by their plain names: the cities that zones are named after, then those of `_ZONES`."""
    known = available_timezones()
    named = [zone for zone in sorted(known) if zone.split("/")[0] in _AREAS]
    found = {_plain(zone.rsplit("/", 1)[1]): zone for zone in named}
    found.update({_plain(name): zone for zone, names in _ZONES.items() if zone in known for name in names.split(",")})
    return found


def zone_of(place: str) -> str | None:
    """The zone of a city or country, in either language; None where it is not known or the machine has no table."""
    name = _plain(place.strip(" .,;:!?"))
    for lead in _LEADING:
        name = name.removeprefix(lead)
    return _places().get(name)


def tell_time_in(intent: Intent, context: Context) -> Reply:
    """The time in each of the places that are named; "and in Tokyo" only goes on from another place."""
    if intent.word("follow_up") and context.session.last not in _GOES_ON:
        return Reply(choose(intent.language, *NOT_UNDERSTOOD), intent.language, understood=False)
    places = _named(intent)
    told = [_told(place, intent, context) for place in places]
    return Reply(" ".join(told), intent.language, understood=bool(told))


def time_difference(intent: Intent, context: Context) -> Reply:
    """How many hours one place is before another, or before the user's own; now, as daylight saving differs."""
    places, language = _named(intent), intent.language
    zones = [zone_of(place) for place in places]
    unknown = [place for place, zone in zip(places, zones, strict=True) if zone is None]
    if unknown or not 1 <= len(places) <= 2:
        named = join(unknown or places, language)
        return reply(intent, en=f"I don't know what time it is in {named}.",
                     fr=f"Je ne sais pas quelle heure il est à cet endroit : {named}.")  # fmt: skip
    now = context.clock.now()
    walls = [now.astimezone(ZoneInfo(zone or "UTC")).replace(tzinfo=None) for zone in zones]
    here = context.schedule.local.wall.replace(tzinfo=None)
    first, second = (here, walls[0]) if len(walls) == 1 else (walls[0], walls[1])
    seconds = round((second - first).total_seconds() / 60) * 60.0
    titles = [place if place[:1].isupper() else place.title() for place in places]
    target, origin = titles[-1], titles[0] if len(titles) > 1 else "here"
    than = f"qu'à {origin}" if len(titles) > 1 else "qu'ici"
    if not seconds:
        return reply(intent, en=f"None: it's the same time in {target}.", fr=f"Aucun : il est la même heure, {target}.")
    length = say_duration(abs(seconds), language)
    return reply(
        intent,
        en=f"{target} is {length} {'ahead of' if seconds > 0 else 'behind'} {origin}.",
        fr=f"{target} : {length} de {'plus' if seconds > 0 else 'moins'} {than}.",
    )


def _named(intent: Intent) -> list[str]:
    return [place for piece in _BETWEEN.split(intent.word("place")) if (place := piece.strip(" .,;:!?"))]


def _told(place: str, intent: Intent, context: Context) -> str:
    zone = zone_of(place)
    if zone is None:
        return choose(intent.language, f"I don't know what time it is in {place}.",
                      f"Je ne sais pas quelle heure il est à cet endroit : {place}.")  # fmt: skip
    there = context.clock.now().astimezone(ZoneInfo(zone))
    clock = say_time(there, intent.language)
    day = ""
    if there.date() != context.schedule.local.wall.date():
        day = (" on " if intent.language == "en" else " ") + WEEKDAYS[intent.language][there.weekday()]
    named = place if place[:1].isupper() else place.title()
    return choose(intent.language, f"It's {clock}{day} in {named}.", f"{named} : il est {clock}{day}.")


SKILL = Skill("world_time", {"TellTimeIn": tell_time_in, "TimeDifference": time_difference}, for_models=())
