"""Spanish figures and signs in words: times, money, decimals, units, ordinals, abbreviations. Usage of Spain.

`tts.normalise` has no Spanish, so this stands before the Spanish voice alone; plain words pass unchanged.
"""

from __future__ import annotations

import re
from functools import cache

_GROUPED = r"\d{1,3}(?:[. ]\d{3}){1,6}(?!\d)|\d+"
_NUMBER = rf"(?:{_GROUPED})(?:,\d+)?"
_UNITS = {
    "km/h": ("kilómetro por hora", "kilómetros por hora"),
    "km": ("kilómetro", "kilómetros"),
    "cm": ("centímetro", "centímetros"),
    "mm": ("milímetro", "milímetros"),
    "m": ("metro", "metros"),
    "kg": ("kilo", "kilos"),
    "g": ("gramo", "gramos"),
    "ml": ("mililitro", "mililitros"),
    "l": ("litro", "litros"),
    "min": ("minuto", "minutos"),
    "h": ("hora", "horas"),
    "s": ("segundo", "segundos"),
    "°C": ("grado", "grados"),
    "º": ("grado", "grados"),
    "°": ("grado", "grados"),
    "GB": ("gigabyte", "gigabytes"),
    "MB": ("megabyte", "megabytes"),
    "€": ("euro", "euros"),
    "$": ("dólar", "dólares"),
    "£": ("libra", "libras"),
    "%": ("por ciento", "por ciento"),
}
_FEMININE = frozenset({"hora", "libra"})
_CENTS = {"€": ("céntimo", "céntimos"), "$": ("centavo", "centavos"), "£": ("penique", "peniques")}
_NO_NOUNS = frozenset(
    {"a", "al", "con", "de", "del", "e", "en", "entre", "es", "hasta", "más", "menos", "o", "para", "por", "que", "y"}
)
_ABBREVIATIONS = {
    "sr": "señor",
    "sra": "señora",
    "srta": "señorita",
    "dr": "doctor",
    "dra": "doctora",
    "ud": "usted",
    "uds": "ustedes",
    "etc": "etcétera",
    "pág": "página",
    "núm": "número",
    "av": "avenida",
    "p. ej": "por ejemplo",
    "ee. uu": "estados unidos",
}
_ORDINALS = ["primero", "segundo", "tercero", "cuarto", "quinto", "sexto", "séptimo", "octavo", "noveno", "décimo"]
_SIGNS = {
    "+": "más",
    "=": "igual a",
    "×": "por",
    "÷": "entre",
    "@": "arroba",
    "%": "por ciento",
    "€": "euros",
    "$": "dólares",
    "£": "libras",
    "°": "grados",
    "/": "barra",
    "\\": "barra invertida",
    "_": "guion bajo",
    "#": "almohadilla",
    "*": "asterisco",
}

_ABBREVIATION = re.compile(rf"\b({'|'.join(map(re.escape, _ABBREVIATIONS))})\.", re.IGNORECASE)
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::\d\d)?\b(?:\s?h\b)?", re.ASCII)
_MONEY_BEFORE = re.compile(rf"([€$£])\s?({_NUMBER})", re.ASCII)
_QUANTITY = re.compile(
    rf"(?<![\w,.])({_NUMBER})\s?({'|'.join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))})(?!\w)", re.ASCII
)
_ORDINAL = re.compile(r"\b(\d{1,2})(?:\.?([ºª])|\.?([oa])\b)", re.ASCII)
_NOUN = re.compile(r"\s([^\W\d_]+)")
_MINUS = re.compile(r"(?<![\w)])[-−](?=\d)", re.ASCII)
_PLAIN = re.compile(_NUMBER, re.ASCII)
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))


def read(text: str) -> str:
    """`text` with every figure and sign in words."""
    text = _ABBREVIATION.sub(lambda match: _ABBREVIATIONS[match[1].lower()], text)
    text = _MONEY_BEFORE.sub(r"\2 \1", text)
    text = _TIME.sub(_time, text)
    text = _ORDINAL.sub(_ordinal, text)
    text = _MINUS.sub("menos ", text)
    text = _QUANTITY.sub(_quantity, text)
    text = _PLAIN.sub(_plain, text)
    return _SIGN.sub(lambda match: f" {_SIGNS[match[0]]} ", text)


def number(written: str) -> str:
    """ "1.250,5" as "mil doscientos cincuenta coma cinco" """
    whole, comma, fraction = re.sub("[. ]", "", written).partition(",")
    if not comma:
        return cardinal(whole)
    zeros = len(fraction) - len(fraction.lstrip("0"))
    rest = fraction[zeros:]
    words = ["cero"] * zeros + ([cardinal(rest)] if len(rest) < 4 and rest else [cardinal(digit) for digit in rest])
    return f"{cardinal(whole)} coma {' '.join(words)}"


@cache
def cardinal(digits: str) -> str:
    """ "veintiuno", "ciento cinco"; digit by digit with a zero in front or beyond what has a name."""
    from num2words import num2words

    if len(digits) > 18 or (len(digits) > 1 and digits[0] == "0"):
        return " ".join(map(cardinal, digits))
    return str(num2words(int(digits), lang="es"))


def _shortened(words: str, feminine: bool) -> str:
    """Before a noun: "un euro", "veintiún euros", "una hora", "veintiuna horas"."""
    if not words.endswith("uno"):
        return words
    if feminine:
        return words[:-1] + "a"
    return words[:-3] + "ún" if words.endswith("veintiuno") else words[:-1]


def _quantity(match: re.Match[str]) -> str:
    one, many = _UNITS[match[2]]
    whole, _, cents = match[1].partition(",")
    if match[2] in _CENTS and len(cents) == 2:
        small = _shortened(cardinal(str(int(cents))), feminine=False)
        rest = f" con {small} {_CENTS[match[2]][int(cents) != 1]}" if int(cents) else ""
        return f"{_shortened(number(whole), feminine=one in _FEMININE)} {one if whole == '1' else many}{rest}"
    words = number(match[1])
    if one != many:
        words = _shortened(words, one.split()[0] in _FEMININE)
    return f"{words} {one if match[1] == '1' else many}"


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    words = _shortened(cardinal(str(hour)), feminine=True)
    if not minute:
        return f"{words} en punto"
    return f"{words} y {'cuarto' if minute == 15 else 'media' if minute == 30 else cardinal(str(minute))}"


def _ordinal(match: re.Match[str]) -> str:
    place = int(match[1])
    if not 1 <= place <= len(_ORDINALS):
        return match[0]
    words = _ORDINALS[place - 1]
    if (match[2] or match[3]) in ("ª", "a"):
        return words[:-1] + "a"
    return words[:-1] if place in (1, 3) and _NOUN.match(match.string, match.end()) else words


def _plain(match: re.Match[str]) -> str:
    """A number alone, or before what it counts: "veintiún libros", "una manzana", "veintiuno de enero"."""
    text, words = match.string, number(match[0])
    noun = _NOUN.match(text, match.end())
    if noun and noun[1].lower() not in _NO_NOUNS:
        words = _shortened(words, noun[1].lower().endswith(("a", "as")))
    before = " " if match.start() and text[match.start() - 1].isalpha() else ""
    after = " " if match.end() < len(text) and text[match.end()].isalpha() else ""
    return f"{before}{words}{after}"
