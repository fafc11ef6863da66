"""Written forms that English and French share: numbers, addresses, dates and the parts of a sentence's end.

Every pattern is anchored or bounded, so that matching takes time in proportion to the text.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

SPACE = "[ \u00a0\u202f]"
SIGN = r"(?:(?<![\w)\]€$£%°])[-−+±])?"
"""A sign, not a hyphen: nothing that could be its left operand stands before it."""
NOT_AT_END = r"(?!\s*$|\s+[A-ZÀ-Ý])"
"""The dot before this belongs to an abbreviation; otherwise it ends the sentence too and stays."""
VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"

URL = r"(?i:https?://|www\.)[^\s<>\"'«»]*[\w/]"
EMAIL = r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}"
_TOP_DOMAINS = "com|org|net|edu|gov|io|dev|ai|app|fr|eu|uk|de|ca|be|ch"
_PORT = r"(?::\d{2,5}(?![\w:]))"
DOMAIN = (
    rf"(?<![\w.@-])(?:[A-Za-z0-9-]{{1,63}}\.){{1,8}}(?:{_TOP_DOMAINS})\b{_PORT}?(?:/[\w./-]*\w)?"
    rf"|(?<![\w.@-])localhost{_PORT}(?:/[\w./-]*\w)?"
)
HOST_PORT = r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})(?![\d:])"
COLONS = (
    r"(?<![\w:])(?=[\dA-Fa-f:]{1,24}::|(?:[\dA-Fa-f]{1,4}:){3})(?:[\dA-Fa-f]{1,4}:{1,2}){1,8}[\dA-Fa-f]{1,4}(?![\w:])"
)
"""an address of IPv6 or of a network card"""
RATIO = r"(?<![\d:.,])(\d{1,9}):(\d{1,9})(?![\d:])"
"""that no clock shows: 16:9"""
CARD = r"(?<![\d.,])\d{4}(?:[ -]\d{4}){3}(?![\d.,]\d|\d)"
"""the number of a bank card"""
IBAN = (
    r"(?<![\w-])[A-Z]{2}\d{2}(?: [A-Z\d]{4}){3,7}(?: [A-Z\d]{1,3})?(?![\w-])"
    r"|(?<![\w-])[A-Z]{2}\d{2}[A-Z\d]{4}\d{7}[A-Z\d]{0,16}(?![\w-])"
)
"""the number of a bank account"""
VERSION = r"\d+(?:\.\d+){2,}"
VERSIONED = (
    *(
        "Android",
        "Bluetooth",
        "CUDA",
        "Debian",
        "Django",
        "Fedora",
        "GPT",
        "HDMI",
        "HTTP",
        "Java",
        "JavaScript",
        "Linux",
    ),
    *("Llama", "Node", "PHP", "Perl", "PyTorch", "Python", "Qwen", "Ruby", "Rust", "TLS", "Ubuntu", "USB", "USB-C"),
    *("Version", "Windows", "iOS", "macOS", "release", "version"),
)
"""A number behind one of these is of a version: 3.10 is no decimal."""
ISO_DATE = r"(\d{4})-(\d{2})-(\d{2})(?![-\d])(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?(Z\b)?(?!\d))?"
CODE = r"(?<![\w-])\d{1,15}(?:[-–]\d{1,15}){2,}(?![\w-])"
"""a number of parts, of an order or a book: no range"""
SUPERSCRIPT = "[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+"
"""an exponent; a lone ² or ³ has a name of its own"""
LAST_OF_THIS_CENTURY = 68
"""a year in two digits; those above are of the last century, as POSIX has it"""
ACCENTED_LETTER = "[^\\W\\d_][\u0300-\u036f]{1,8}"


def alternatives(words: Iterable[str]) -> str:
    """A pattern for any of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def compose(match: re.Match[str]) -> str:
    """A letter joined with the accents that follow it as characters of their own."""
    return unicodedata.normalize("NFC", match[0])


def exponent(match: re.Match[str]) -> str | None:
    """The plain sign and digits of a `SUPERSCRIPT`; None for one with a name of its own."""
    return None if match[0] in ("²", "³") else unicodedata.normalize("NFKC", match[0]).replace("−", "-")


def is_date(year: int, month: int, day: int) -> bool:
    """Whether such a day exists."""
    return 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


def is_clock(hour: int, minute: int, second: int = 0) -> bool:
    """Whether a clock can show that; 24:00 counts."""
    return minute < 60 and second < 60 and (hour < 24 or (hour == 24 and minute == 0))


def spell_code(code: str, number: Callable[[str], str], digits: Callable[[str], str]) -> str:
    """The parts of a `CODE`: those of one or two digits as numbers, longer ones digit by digit."""
    return ", ".join(number(part) if len(part) < 3 else digits(part) for part in re.findall(r"\d+", code))


def spell_account(account: str, digits: Callable[[str], str]) -> str:
    """The letters and digits of an `IBAN` one by one, in fours."""
    signs = account.replace(" ", "")
    fours = (signs[begin : begin + 4] for begin in range(0, len(signs), 4))
    return ", ".join(" ".join(digits(sign) if sign.isdigit() else sign for sign in four) for four in fours)


def spell_colons(address: str, colon: str, digits: Callable[[str], str]) -> str:
    """The letters, digits and colons of a `COLONS`, one by one."""
    return " ".join(colon if sign == ":" else digits(sign) if sign.isdigit() else sign for sign in address)


def spell_address(address: str, names: Mapping[str, str], number: Callable[[str], str]) -> str:
    """A web or mail address in words: its signs by name, its figures as numbers, the scheme left out."""
    address = re.sub(r"^(?i:https?://)", "", address).rstrip("/")
    words = []
    for part in re.findall(r"\d+|[^\W\d_]+|.", address):
        if part[0].isdecimal():
            words.append(number(part))
        elif part.lower() == "www":
            words.append("w w w")
        else:
            words.append(part if part.isalpha() else names.get(part, " "))
    return " ".join(words)
