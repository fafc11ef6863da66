"""English times, numbers and abbreviations in the words that MeloTTS's English voices were trained on.

Made for text that has figures left in it; what comes through `tts.normalise` has none, and is only put in lower case.
Where the reference runs words together ("a mtomorrow") there is a space here, and half past midnight is "a m".
"""

from __future__ import annotations

import re

from tts.normalise.english_numbers import ONES, TENS, digits, ordinal

_SCALES = [
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
]
_LONGEST = 3 * (len(_SCALES) + 1)
"""digits of the longest number that is said as one"""
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound sterling", "pounds sterling", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
}
_ABBREVIATIONS = {
    "mrs": "misess",
    "mr": "mister",
    "dr": "doctor",
    "drs": "doctors",
    "st": "saint",
    "co": "company",
    "jr": "junior",
    "maj": "major",
    "gen": "general",
    "rev": "reverend",
    "lt": "lieutenant",
    "hon": "honorable",
    "sgt": "sergeant",
    "capt": "captain",
    "esq": "esquire",
    "ltd": "limited",
    "col": "colonel",
    "ft": "fort",
}

_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?!\d)(?:\s*([ap])(?:m\b|\.m\b\.?))?", re.ASCII)
_GROUPED = re.compile(r"\d[\d,]+\d", re.ASCII)
_MONEY = re.compile(r"([£$€¥])([\d,.]*\d)", re.ASCII)
_DECIMAL = re.compile(r"(?<!\d)(\d+)\.(\d+)", re.ASCII)
_ORDINAL = re.compile(r"(?<!\d)(\d+)(?:st|nd|rd|th)(?![a-z])", re.ASCII)
_NUMBER = re.compile(r"(?:(?<!\w)-)?\d+", re.ASCII)
_ABBREVIATION = re.compile(rf"\b({'|'.join(_ABBREVIATIONS)})\.")


def read(text: str) -> str:
    """`text` in lower case, its times, numbers and abbreviations in words."""
    text = _TIME.sub(_time, text.lower())
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    text = _MONEY.sub(_money, text)
    text = _DECIMAL.sub(r"\1 point \2", text)
    text = _ORDINAL.sub(lambda match: _apart(match, _ordinal(match[1])), text)
    text = _NUMBER.sub(lambda match: _apart(match, _number(match[0])), text)
    return _ABBREVIATION.sub(lambda match: _ABBREVIATIONS[match[1]], text)


def cardinal(digits_text: str, link: str = " ") -> str:
    """ "one million, two hundred fifty thousand": commas between the groups, none before a last one below a hundred.

    `link` comes before what is below a hundred.
    """
    plain = digits_text.lstrip("0") or "0"
    if len(plain) > _LONGEST:
        return digits(plain)
    number = int(plain)
    words: list[str] = []
    for power in range((len(plain) - 1) // 3, -1, -1):
        group, number = divmod(number, 1000**power)
        if not group and (power or words):
            continue
        joint = "" if not words else ", " if power or group >= 100 else link
        scale = f" {_SCALES[power - 1]}" if power else ""
        words.append(f"{joint}{_below_thousand(group, link)}{scale}")
    return "".join(words)


def _below_thousand(number: int, link: str) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest)
    return f"{ONES[hundreds]} hundred" + (link + _below_hundred(rest) if rest else "")


def _below_hundred(number: int) -> str:
    if number < 20:
        return ONES[number]
    tens, one = divmod(number, 10)
    return TENS[tens - 2] + (f"-{ONES[one]}" if one else "")


def _number(text: str) -> str:
    sign, plain = ("minus ", text[1:]) if text[0] == "-" else ("", text)
    number = int(plain) if len(plain) < 5 else 0
    return sign + (_year(number) if 1000 < number < 3000 else cardinal(plain))


def _year(number: int) -> str:
    """ "nineteen ninety-nine", "two thousand nine", "twelve hundred": any number between 1000 and 3000 is read so."""
    century, rest = divmod(number, 100)
    if number == 2000:
        return "two thousand"
    if 2000 < number < 2010:
        return f"two thousand {ONES[rest]}"
    if not rest:
        return f"{_below_hundred(century)} hundred"
    return f"{_below_hundred(century)} {'oh ' if rest < 10 else ''}{_below_hundred(rest)}"


def _ordinal(plain: str) -> str:
    """ "one hundred and first": the only reading with an "and"."""
    words = cardinal(plain, link=" and ")
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in ONES:
        return words[:cut] + ordinal(ONES.index(last))
    return words[:cut] + (last[:-1] + "ie" if last.endswith("y") else last) + "th"


def _time(match: re.Match[str]) -> str:
    hour, minute, half = int(match[1]), int(match[2]), match[3]
    words = [ONES[hour - 12 if hour > 12 else hour or 12]]
    if minute:
        words += [*(["oh"] if minute < 10 else []), _below_hundred(minute)]
    words += [half or ("p" if hour >= 12 else "a"), "m"]
    return " ".join(words)


def _money(match: re.Match[str]) -> str:
    unit, units, cent, cents = _CURRENCIES[match[1]]
    whole, _, rest = match[2].replace(",", "").partition(".")
    if "." in rest:
        return f"{match[2]} {units}"
    whole, small = whole.lstrip("0"), int(rest[:2].ljust(2, "0") or "0")
    spoken = [f"{whole} {unit if whole == '1' else units}"] if whole else []
    if small:
        spoken.append(f"{small} {cent if small == 1 else cents}")
    return " ".join(spoken) or f"zero {units}"


def _apart(match: re.Match[str], words: str) -> str:
    """Words for a number, with a space where a letter touches it."""
    text = match.string
    before = " " if match.start() and text[match.start() - 1].isalpha() else ""
    after = " " if match.end() < len(text) and text[match.end()].isalpha() else ""
    return f"{before}{words}{after}"
