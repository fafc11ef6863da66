"""The tables of French: months, units with their gender, money and abbreviations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    """A word for one and for several, and its gender."""

    one: str
    many: str
    feminine: bool = False


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency; `cents` names its hundredth, empty when none is in use."""

    unit: Noun
    cents: str


MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
MONTH_FORMS = {
    **{month: month for month in MONTHS},
    **{month.capitalize(): month for month in MONTHS},
    "janv.": "janvier",
    "févr.": "février",
    "avr.": "avril",
    "juil.": "juillet",
    "sept.": "septembre",
    "oct.": "octobre",
    "nov.": "novembre",
    "déc.": "décembre",
}


def _regular(one: str, feminine: bool = False) -> Noun:
    return Noun(one, one + "s", feminine)


_KILOMETRES_PER_HOUR = Noun("kilomètre heure", "kilomètres heure")
_CELSIUS = Noun("degré Celsius", "degrés Celsius")
_FAHRENHEIT = Noun("degré Fahrenheit", "degrés Fahrenheit")
UNITS = {
    "km": _regular("kilomètre"),
    "m": _regular("mètre"),
    "cm": _regular("centimètre"),
    "mm": _regular("millimètre"),
    "µm": _regular("micromètre"),
    "nm": _regular("nanomètre"),
    "km²": Noun("kilomètre carré", "kilomètres carrés"),
    "m²": Noun("mètre carré", "mètres carrés"),
    "cm²": Noun("centimètre carré", "centimètres carrés"),
    "m³": Noun("mètre cube", "mètres cubes"),
    "cm³": Noun("centimètre cube", "centimètres cubes"),
    "ha": _regular("hectare"),
    "kg": _regular("kilogramme"),
    "g": _regular("gramme"),
    "mg": _regular("milligramme"),
    "µg": _regular("microgramme"),
    "t": _regular("tonne", feminine=True),
    "l": _regular("litre"),
    "L": _regular("litre"),
    "cl": _regular("centilitre"),
    "dl": _regular("décilitre"),
    "ml": _regular("millilitre"),
    "mL": _regular("millilitre"),
    "km/h": _KILOMETRES_PER_HOUR,
    "m/s": Noun("mètre par seconde", "mètres par seconde"),
    "h": _regular("heure", feminine=True),
    "min": _regular("minute", feminine=True),
    "mn": _regular("minute", feminine=True),
    "s": _regular("seconde", feminine=True),
    "sec": _regular("seconde", feminine=True),
    "ms": _regular("milliseconde", feminine=True),
    "Hz": Noun("hertz", "hertz"),
    "kHz": Noun("kilohertz", "kilohertz"),
    "MHz": Noun("mégahertz", "mégahertz"),
    "GHz": Noun("gigahertz", "gigahertz"),
    "o": _regular("octet"),
    "ko": _regular("kilooctet"),
    "Ko": _regular("kilooctet"),
    "Mo": _regular("mégaoctet"),
    "Go": _regular("gigaoctet"),
    "To": _regular("téraoctet"),
    "Mb/s": Noun("mégabit par seconde", "mégabits par seconde"),
    "Mbit/s": Noun("mégabit par seconde", "mégabits par seconde"),
    "W": _regular("watt"),
    "kW": _regular("kilowatt"),
    "kWh": Noun("kilowattheure", "kilowattheures"),
    "V": _regular("volt"),
    "mA": _regular("milliampère"),
    "mAh": Noun("milliampère heure", "milliampères heure"),
    "J": _regular("joule"),
    "kJ": _regular("kilojoule"),
    "cal": _regular("calorie", feminine=True),
    "kcal": _regular("kilocalorie", feminine=True),
    "hPa": _regular("hectopascal"),
    "kPa": _regular("kilopascal"),
    "bar": _regular("bar"),
    "dB": _regular("décibel"),
    "px": _regular("pixel"),
    "mi": _regular("mile"),
    "lb": _regular("livre", feminine=True),
    "oz": _regular("once", feminine=True),
    "°C": _CELSIUS,
    "° C": _CELSIUS,
    "℃": _CELSIUS,
    "°F": _FAHRENHEIT,
    "° F": _FAHRENHEIT,
    "℉": _FAHRENHEIT,
    "°": _regular("degré"),
}
UNITS_ALONE = ("km/h", "km", "cm", "kg", "kWh", "°C", "°F", "GHz", "MHz", "m²", "m³", "mAh")
"""Units no one mistakes for a word when no number stands before them."""

FEMININE_NOUNS = (
    "heure",
    "minute",
    "seconde",
    "semaine",
    "année",
    "fois",
    "page",
    "personne",
    "tonne",
    "livre",
    "tasse",
    "cuillère",
    "bouteille",
    "alarme",
    "note",
    "tâche",
    "question",
    "réponse",
    "calorie",
    "pomme",
    "demie",
)
"""Common feminine nouns: before them 1, 21, 31... end in "une"."""

CURRENCIES = {
    "€": Currency(_regular("euro"), "centimes"),
    "$": Currency(_regular("dollar"), "cents"),
    "£": Currency(_regular("livre", feminine=True), "pence"),
    "¥": Currency(Noun("yen", "yens"), ""),
    "EUR": Currency(_regular("euro"), "centimes"),
    "USD": Currency(Noun("dollar américain", "dollars américains"), "cents"),
    "GBP": Currency(Noun("livre sterling", "livres sterling", feminine=True), "pence"),
    "CHF": Currency(Noun("franc suisse", "francs suisses"), "centimes"),
}
SCALES = {
    "millions": "millions",
    "million": "million",
    "milliards": "milliards",
    "milliard": "milliard",
    "M": "millions",
    "k": "mille",
    "Md": "milliards",
}

TITLES = {
    "M.": "monsieur",
    "MM.": "messieurs",
    "Mme": "madame",
    "Mmes": "mesdames",
    "Mlle": "mademoiselle",
    "Mlles": "mesdemoiselles",
    "Dr": "docteur",
    "Pr": "professeur",
    "Me": "maître",
    "St": "saint",
    "Ste": "sainte",
}
"""Before a name only."""
ABBREVIATIONS = {
    "etc.": "et cetera",
    "env.": "environ",
    "p. ex.": "par exemple",
    "par ex.": "par exemple",
    "c.-à-d.": "c'est-à-dire",
    "av.": "avenue",
    "bd.": "boulevard",
    "boul.": "boulevard",
    "tél.": "téléphone",
    "Tél.": "téléphone",
    "max.": "maximum",
    "min.": "minimum",
    "lun.": "lundi",
    "mar.": "mardi",
    "mer.": "mercredi",
    "jeu.": "jeudi",
    "ven.": "vendredi",
    "sam.": "samedi",
    "dim.": "dimanche",
    "s.v.p.": "s'il vous plaît",
    "J.-C.": "Jésus-Christ",
    "av. J.-C.": "avant Jésus-Christ",
    "ap. J.-C.": "après Jésus-Christ",
}
"""Written with a dot, which may end the sentence as well."""
PLAIN_ABBREVIATIONS = {"svp": "s'il vous plaît", "càd": "c'est-à-dire", "rdv": "rendez-vous", "RDV": "rendez-vous"}
