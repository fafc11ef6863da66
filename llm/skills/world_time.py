"""The time in another city or country, from the machine's own table of time zones (IANA); asks no network."""

from __future__ import annotations

import re
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from llm.skills.base import Context, Intent, Reply, Skill, choose
from llm.skills.normalise import fold
from llm.skills.spoken import WEEKDAYS, say_time

_ZONES = {
    "America/New_York": "boston, washington, miami, atlanta, philadelphia",
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
    "Europe/London": "londres, england, angleterre, scotland, ecosse, edinburgh, edimbourg, manchester, great britain",
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
    """The time in each of the places that are named."""
    places = [place for piece in _BETWEEN.split(intent.word("place")) if (place := piece.strip(" .,;:!?"))]
    told = [_told(place, intent, context) for place in places]
    return Reply(" ".join(told), intent.language, understood=bool(told))


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


SKILL = Skill("world_time", {"TellTimeIn": tell_time_in}, for_models=())
