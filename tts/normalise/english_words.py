"""The tables of English: months, units, money and abbreviations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    """A word for one and for several."""

    one: str
    many: str


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency and its hundredth; no cents means it has none in use."""

    unit: Noun
    cent: Noun | None


MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
MONTH_FORMS = {
    **{month: month for month in MONTHS},
    **{month[:3]: month for month in MONTHS if month != "May"},
    **{f"{month[:3]}.": month for month in MONTHS if month != "May"},
    "Sept": "September",
    "Sept.": "September",
}
WEEKDAY_FORMS = {
    "Mon": "Monday",
    "Tue": "Tuesday",
    "Tues": "Tuesday",
    "Wed": "Wednesday",
    "Thu": "Thursday",
    "Thurs": "Thursday",
    "Fri": "Friday",
    "Sat": "Saturday",
    "Sun": "Sunday",
}


def _regular(one: str) -> Noun:
    return Noun(one, one + "s")


UNITS = {
    "km": _regular("kilometer"),
    "m": _regular("meter"),
    "cm": _regular("centimeter"),
    "mm": _regular("millimeter"),
    "µm": _regular("micrometer"),
    "nm": _regular("nanometer"),
    "km²": _regular("square kilometer"),
    "m²": _regular("square meter"),
    "cm²": _regular("square centimeter"),
    "m³": _regular("cubic meter"),
    "cm³": _regular("cubic centimeter"),
    "ha": _regular("hectare"),
    "kg": _regular("kilogram"),
    "g": _regular("gram"),
    "mg": _regular("milligram"),
    "µg": _regular("microgram"),
    "t": _regular("ton"),
    "l": _regular("liter"),
    "L": _regular("liter"),
    "cl": _regular("centiliter"),
    "dl": _regular("deciliter"),
    "ml": _regular("milliliter"),
    "mL": _regular("milliliter"),
    "km/h": Noun("kilometer per hour", "kilometers per hour"),
    "kph": Noun("kilometer per hour", "kilometers per hour"),
    "mph": Noun("mile per hour", "miles per hour"),
    "m/s": Noun("meter per second", "meters per second"),
    "h": _regular("hour"),
    "hr": _regular("hour"),
    "hrs": _regular("hour"),
    "min": _regular("minute"),
    "mins": _regular("minute"),
    "s": _regular("second"),
    "sec": _regular("second"),
    "secs": _regular("second"),
    "ms": _regular("millisecond"),
    "Hz": Noun("hertz", "hertz"),
    "kHz": Noun("kilohertz", "kilohertz"),
    "MHz": Noun("megahertz", "megahertz"),
    "GHz": Noun("gigahertz", "gigahertz"),
    "B": _regular("byte"),
    "KB": _regular("kilobyte"),
    "kB": _regular("kilobyte"),
    "MB": _regular("megabyte"),
    "GB": _regular("gigabyte"),
    "TB": _regular("terabyte"),
    "Mb/s": Noun("megabit per second", "megabits per second"),
    "W": _regular("watt"),
    "kW": _regular("kilowatt"),
    "kWh": _regular("kilowatt hour"),
    "V": _regular("volt"),
    "mA": _regular("milliampere"),
    "mAh": _regular("milliampere hour"),
    "J": _regular("joule"),
    "kJ": _regular("kilojoule"),
    "cal": _regular("calorie"),
    "kcal": _regular("kilocalorie"),
    "hPa": _regular("hectopascal"),
    "kPa": _regular("kilopascal"),
    "bar": _regular("bar"),
    "dB": _regular("decibel"),
    "px": _regular("pixel"),
    "ft": Noun("foot", "feet"),
    "yd": _regular("yard"),
    "mi": _regular("mile"),
    "lb": _regular("pound"),
    "lbs": _regular("pound"),
    "oz": _regular("ounce"),
    "tsp": _regular("teaspoon"),
    "tbsp": _regular("tablespoon"),
    "°C": Noun("degree Celsius", "degrees Celsius"),
    "°F": Noun("degree Fahrenheit", "degrees Fahrenheit"),
    "° C": Noun("degree Celsius", "degrees Celsius"),
    "° F": Noun("degree Fahrenheit", "degrees Fahrenheit"),
    "°": _regular("degree"),
    "℃": Noun("degree Celsius", "degrees Celsius"),
    "℉": Noun("degree Fahrenheit", "degrees Fahrenheit"),
}
UNITS_ALONE = ("km/h", "km", "cm", "kg", "mph", "kWh", "°C", "°F", "GHz", "MHz", "m²", "m³", "mAh")
"""Units no one mistakes for a word when no number stands before them."""

_CENT = Noun("cent", "cents")
CURRENCIES = {
    "$": Currency(Noun("dollar", "dollars"), _CENT),
    "€": Currency(Noun("euro", "euros"), _CENT),
    "£": Currency(Noun("pound", "pounds"), Noun("penny", "pence")),
    "¥": Currency(Noun("yen", "yen"), None),
    "USD": Currency(Noun("US dollar", "US dollars"), _CENT),
    "EUR": Currency(Noun("euro", "euros"), _CENT),
    "GBP": Currency(Noun("pound", "pounds"), Noun("penny", "pence")),
    "CHF": Currency(Noun("Swiss franc", "Swiss francs"), None),
}
SCALES = {
    "thousand": "thousand",
    "million": "million",
    "billion": "billion",
    "trillion": "trillion",
    "k": "thousand",
    "K": "thousand",
    "M": "million",
    "m": "million",
    "bn": "billion",
    "B": "billion",
}

TITLES = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Miz",
    "Dr": "Doctor",
    "Prof": "Professor",
    "St": "Saint",
    "Mt": "Mount",
    "Gov": "Governor",
    "Sen": "Senator",
    "Rep": "Representative",
    "Capt": "Captain",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Gen": "General",
    "approx": "approximately",
    "vs": "versus",
}
"""Abbreviations after which a sentence never ends."""
ABBREVIATIONS = {
    "etc": "et cetera",
    "Jr": "Junior",
    "Sr": "Senior",
    "Inc": "Incorporated",
    "Ltd": "Limited",
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Rd": "Road",
    "dept": "department",
    "Dept": "Department",
    "e.g": "for example",
    "i.e": "that is",
    "a.k.a": "also known as",
    "a.m": "a m",
    "p.m": "p m",
    "A.M": "a m",
    "P.M": "p m",
    "Ph.D": "P H D",
}
"""Abbreviations whose dot may end the sentence as well."""
