"""Converts lengths, masses, volumes, speeds, temperatures, times, areas, amounts of data, pressure, energy and power.

The international definitions; gallon, pint, quart, cup and fluid ounce are the US ones. Kilobytes are 1000 bytes, a
calorie is that of food, 1000 of the small ones, and a month the twelfth part of a year.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from llm.skills.base import Context, Intent, Reply, Skill, choose, reply
from llm.skills.spoken import say_number

Dimension = Literal[
    "length", "mass", "volume", "speed", "temperature", "time", "area", "data", "pressure", "energy", "power"
]


@dataclass(frozen=True, slots=True)
class Unit:
    """value in the dimension's base unit = number * factor + offset."""

    dimension: Dimension
    factor: float
    symbol: str
    """as a reply writes it after the number"""
    symbol_fr: str = ""
    offset: float = 0.0


UNITS: dict[str, Unit] = {
    "km": Unit("length", 1000.0, "km"),
    "m": Unit("length", 1.0, "m"),
    "cm": Unit("length", 0.01, "cm"),
    "mm": Unit("length", 0.001, "mm"),
    "mi": Unit("length", 1609.344, "miles"),
    "yd": Unit("length", 0.9144, "yards"),
    "ft": Unit("length", 0.3048, "feet", "pieds"),
    "in": Unit("length", 0.0254, "inches", "pouces"),
    "nmi": Unit("length", 1852.0, "nautical miles", "milles marins"),
    "kg": Unit("mass", 1.0, "kg"),
    "g": Unit("mass", 0.001, "g"),
    "mg": Unit("mass", 1e-6, "mg"),
    "t": Unit("mass", 1000.0, "tonnes"),
    "lb": Unit("mass", 0.45359237, "pounds", "livres"),
    "oz": Unit("mass", 0.028349523125, "ounces", "onces"),
    "st": Unit("mass", 6.35029318, "stone", "stones"),
    "l": Unit("volume", 1.0, "liters", "litres"),
    "ml": Unit("volume", 0.001, "ml"),
    "cl": Unit("volume", 0.01, "cl"),
    "gal": Unit("volume", 3.785411784, "gallons"),
    "pt": Unit("volume", 0.473176473, "pints", "pintes"),
    "qt": Unit("volume", 0.946352946, "quarts"),
    "cup": Unit("volume", 0.2365882365, "cups", "tasses"),
    "tbsp": Unit("volume", 0.01478676478125, "tablespoons", "cuillères à soupe"),
    "tsp": Unit("volume", 0.00492892159375, "teaspoons", "cuillères à café"),
    "floz": Unit("volume", 0.0295735295625, "fluid ounces", "onces liquides"),
    "degC": Unit("temperature", 1.0, "°C", offset=273.15),
    "degF": Unit("temperature", 5 / 9, "°F", offset=459.67 * 5 / 9),
    "K": Unit("temperature", 1.0, "K"),
    "km/h": Unit("speed", 1 / 3.6, "km/h"),
    "mph": Unit("speed", 0.44704, "mph"),
    "m/s": Unit("speed", 1.0, "m/s"),
    "kn": Unit("speed", 1852 / 3600, "knots", "nœuds"),
    "s": Unit("time", 1.0, "seconds", "secondes"),
    "min": Unit("time", 60.0, "minutes"),
    "h": Unit("time", 3600.0, "hours", "heures"),
    "d": Unit("time", 86_400.0, "days", "jours"),
    "wk": Unit("time", 604_800.0, "weeks", "semaines"),
    "yr": Unit("time", 31_557_600.0, "years", "ans"),
    "B": Unit("data", 1.0, "bytes", "octets"),
    "kB": Unit("data", 1e3, "KB", "Ko"),
    "MB": Unit("data", 1e6, "MB", "Mo"),
    "GB": Unit("data", 1e9, "GB", "Go"),
    "TB": Unit("data", 1e12, "TB", "To"),
    "m2": Unit("area", 1.0, "square meters", "mètres carrés"),
    "ft2": Unit("area", 0.09290304, "square feet", "pieds carrés"),
    "km2": Unit("area", 1e6, "square kilometers", "kilomètres carrés"),
    "ha": Unit("area", 1e4, "hectares"),
    "ac": Unit("area", 4046.8564224, "acres"),
    "bar": Unit("pressure", 1e5, "bar", "bars"),
    "psi": Unit("pressure", 6894.757293168, "psi"),
    "kPa": Unit("pressure", 1e3, "kPa"),
    "hPa": Unit("pressure", 100.0, "hPa"),
    "atm": Unit("pressure", 101_325.0, "atmospheres", "atmosphères"),
    "J": Unit("energy", 1.0, "joules"),
    "kJ": Unit("energy", 1e3, "kJ"),
    "kcal": Unit("energy", 4184.0, "kcal"),
    "kWh": Unit("energy", 3.6e6, "kWh"),
    "Wh": Unit("energy", 3600.0, "Wh"),
    "W": Unit("power", 1.0, "watts"),
    "kW": Unit("power", 1e3, "kW"),
    "hp": Unit("power", 745.69987158227, "horsepower", "hp"),
    "ch": Unit("power", 735.49875, "metric horsepower", "chevaux"),
    "m3": Unit("volume", 1000.0, "cubic meters", "mètres cubes"),
    "ft3": Unit("volume", 28.316846592, "cubic feet", "pieds cubes"),
    "ly": Unit("length", 9_460_730_472_580_800.0, "light-years", "années-lumière"),
    "mo": Unit("time", 2_629_800.0, "months", "mois"),
}
_SINGULAR = {
    "cuillères à soupe": "cuillère à soupe", "cuillères à café": "cuillère à café",
    "miles": "mile", "yards": "yard", "feet": "foot", "inches": "inch", "pounds": "pound", "ounces": "ounce",
    "liters": "liter", "gallons": "gallon", "pints": "pint", "quarts": "quart", "cups": "cup",
    "tablespoons": "tablespoon", "teaspoons": "teaspoon", "seconds": "second", "minutes": "minute", "hours": "hour",
    "days": "day", "weeks": "week", "years": "year", "bytes": "byte", "knots": "knot", "tonnes": "tonne",
    "months": "month", "light-years": "light-year", "atmospheres": "atmosphere", "joules": "joule", "watts": "watt",
    "bars": "bar", "chevaux": "cheval", "mètres cubes": "mètre cube", "cubic meters": "cubic meter",
    "cubic feet": "cubic foot", "années-lumière": "année-lumière", "atmosphères": "atmosphère",
    "hectares": "hectare", "acres": "acre", "pieds": "pied", "pouces": "pouce", "livres": "livre", "onces": "once",
    "litres": "litre", "pintes": "pinte", "tasses": "tasse", "secondes": "seconde", "heures": "heure",
    "jours": "jour", "semaines": "semaine", "ans": "an", "octets": "octet", "nœuds": "nœud",
    "mètres carrés": "mètre carré", "kilomètres carrés": "kilomètre carré", "pieds carrés": "pied carré",
    "pieds cubes": "pied cube", "square meters": "square meter", "square feet": "square foot",
    "square kilometers": "square kilometer",
}  # fmt: skip
_ABSOLUTE_ZERO = -1e-9
_INCHES_A_FOOT = 12
_ROUNDING = 1e-9


def convert_value(value: float, source: Unit, target: Unit) -> float:
    """The number of `target` units that `value` `source` units are. Both must be of one dimension."""
    return (value * source.factor + source.offset - target.offset) / target.factor


def convert(intent: Intent, context: Context) -> Reply:
    source, target = UNITS.get(intent.word("source")), UNITS.get(intent.word("target"))
    amount = intent.number("amount")
    amount = 1.0 if amount is None else amount
    amount += (intent.number("inches") or 0.0) / _INCHES_A_FOOT + (intent.number("centimetres") or 0.0) / 100.0
    measured = context.session.measured
    if source is None and measured is not None:
        amount, source = measured[0], UNITS[measured[1]]
    if source is None:
        return reply(intent, en="Say it in one go: convert 5 miles to kilometers.",
                     fr="Dites-le d'un trait : convertis 5 miles en kilomètres.")  # fmt: skip
    if target is None or source.dimension != target.dimension:
        return reply(intent, en="Those two units don't convert into each other.",
                     fr="Ces deux unités ne se convertissent pas l'une dans l'autre.")  # fmt: skip
    if source.dimension == "temperature" and amount * source.factor + source.offset < _ABSOLUTE_ZERO:
        return reply(intent, en="That's below absolute zero.", fr="C'est en dessous du zéro absolu.")
    value = convert_value(amount, source, target)
    digits = 5 if source.dimension != "temperature" else (2 + len(str(abs(int(value)))))
    said, given = with_unit(value, target, intent, digits), with_unit(amount, source, intent, 10)
    if intent.number("inches") is not None:
        given = feet_and_inches(amount, intent)
    elif target is UNITS["ft"] and abs(value - round(value)) > _ROUNDING:
        said += choose(intent.language, ", about ", ", environ ") + feet_and_inches(value, intent)
    name = next(name for name, unit in UNITS.items() if unit is source)
    told = reply(intent, en=f"{given} is {said}.", fr=f"{given}, c'est {said}.", result=value)
    return replace(told, measured=(amount, name))


def feet_and_inches(feet: float, intent: Intent) -> str:
    """A length as people tell their height, to the inch."""
    whole, inches = divmod(round(feet * _INCHES_A_FOOT), _INCHES_A_FOOT)
    parts = [with_unit(whole, UNITS["ft"], intent, 10)] if whole else []
    return " ".join([*parts, with_unit(inches, UNITS["in"], intent, 10)] if inches or not whole else parts)


def with_unit(value: float, unit: Unit, intent: Intent, digits: int) -> str:
    """A number and its unit, singular where the language wants it."""
    french = intent.language == "fr"
    symbol = (unit.symbol_fr or unit.symbol) if french else unit.symbol
    if (abs(value) < 2) if french else (value == 1):
        symbol = _SINGULAR.get(symbol, symbol)
    return f"{say_number(value, intent.language, digits)} {symbol}"


SKILL = Skill("units", {"Convert": convert})
