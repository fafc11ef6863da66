"""How French reads figures, times, dates, units, money, signs and abbreviations. Usage of France.

Ambiguous forms take the commoner reading: 3/4/2026 is April 3rd, a tight hyphen between numbers is "à".
"""

from __future__ import annotations

import re

from tts.normalise import french_symbols as symbols
from tts.normalise import french_words as words
from tts.normalise import roman
from tts.normalise.forms import (
    ACCENTED_LETTER,
    DOMAIN,
    EMAIL,
    ISO_DATE,
    NOT_AT_END,
    SIGN,
    SPACE,
    URL,
    VERSION,
    VULGAR,
    alternatives,
    compose,
    is_clock,
    is_date,
    spell_address,
)
from tts.normalise.french_numbers import cardinal, decimal, integer, ordinal
from tts.normalise.nouns import Noun
from tts.normalise.rules import LanguageRules, Rule
from tts.normalise.symbols import SymbolNames

_GROUPED = r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)"
_DOTTED = r"\d{1,3}(?:\.\d{3})+(?=,\d)"
_NUMBER = rf"(?:(?:{_GROUPED}|{_DOTTED}|\d+)(?:[.,]\d+)?[{VULGAR}]?|(?<![\w.,])[.,]\d+)"
_QUANTITY = rf"(?:{SIGN}{_NUMBER}|[{VULGAR}])"
_MONTH = f"({alternatives(words.MONTH_FORMS)})"
_SIGN_WORDS = {"-": "moins", "−": "moins", "+": "plus", "±": "plus ou moins"}
_DENOMINATORS = frozenset({*range(2, 11), 12, 16, 20, 100})


def _quantity(text: str, feminine: bool = False) -> str:
    """Any text that `_QUANTITY` matches, in words."""
    if text[0] in _SIGN_WORDS:
        return f"{_SIGN_WORDS[text[0]]} {_quantity(text[1:], feminine)}"
    if text[-1] in symbols.FRACTIONS:
        fraction = symbols.FRACTIONS[text[-1]]
        return f"{_quantity(text[:-1], feminine)} et {fraction}" if text[:-1] else fraction
    whole, fraction = _parts(text)
    return decimal(whole, fraction) if fraction else integer(whole, feminine)


def _parts(text: str) -> tuple[str, str]:
    """Whole part and decimals, both of plain digits."""
    match = re.fullmatch(r"(.*?)(?:[.,](\d+))?", text)
    assert match is not None
    return re.sub(r"\D", "", match[1]), match[2] or ""


def _counted(number: str, noun: Noun) -> str:
    # French is plural from two on: "1,5 kilomètre", "zéro heure".
    whole, _ = _parts(number.lstrip("-−+±").rstrip(VULGAR))
    many = len(whole.lstrip("0")) > 1 or whole.lstrip("0") not in ("", "1")
    return f"{_quantity(number, noun.feminine)} {noun.many if many else noun.one}"


def _address(match: re.Match[str]) -> str:
    return spell_address(match[0], symbols.ADDRESS_SIGNS, integer)


def _day(day: int) -> str:
    return "premier" if day == 1 else cardinal(day)


def _date(year: int, month: int, day: int) -> str | None:
    return f"{_day(day)} {words.MONTHS[month - 1]} {cardinal(year)}" if is_date(year, month, day) else None


def _iso_date(match: re.Match[str]) -> str | None:
    spoken = _date(int(match[1]), int(match[2]), int(match[3]))
    if spoken is None or match[4] is None:
        return spoken
    clock = _clock(int(match[4]), int(match[5]), int(match[6] or 0))
    return None if clock is None else f"{spoken}, à {clock}"


def _slashed_date(match: re.Match[str]) -> str | None:
    year = int(match[3])
    if year < 100:
        year += 2000
    return _date(year, int(match[2]), int(match[1])) or _date(year, int(match[1]), int(match[2]))


def _day_month(match: re.Match[str]) -> str | None:
    day = int(match[1])
    return f"{_day(day)} {words.MONTH_FORMS[match[2]]}" if 1 <= day <= 31 else None


def _clock(hour: int, minute: int, second: int = 0) -> str | None:
    if not is_clock(hour, minute, second):
        return None
    spoken = _counted(str(hour), words.UNITS["h"])
    if minute or second:
        spoken += f" {cardinal(minute, feminine=True)}"
    if second:
        spoken += f" et {_counted(str(second), words.UNITS['s'])}"
    return spoken


def _clock_time(match: re.Match[str]) -> str | None:
    return _clock(int(match[1]), int(match[2]), int(match[3] or 0))


def _hour_minute(match: re.Match[str]) -> str | None:
    return _clock(int(match[1]), int(match[2]))


def _hours_minutes(match: re.Match[str]) -> str:
    return f"{_counted(match[1], words.UNITS['h'])} {_counted(str(int(match[2])), words.UNITS['min'])}"


def _money(number: str, scale: str | None, symbol: str) -> str:
    currency = words.CURRENCIES[symbol]
    if scale:
        of = "" if scale == "k" else ("d'" if currency.unit.many[0] in "aeiouy" else "de ")
        return f"{_quantity(number)} {words.SCALES[scale]} {of}{currency.unit.many}"
    whole, cents = _parts(number.lstrip("-−+±"))
    if len(cents) != 2 or currency.cent is None:
        return _counted(number, currency.unit)
    sign = f"{_SIGN_WORDS[number[0]]} " if number[0] in _SIGN_WORDS else ""
    if int(cents) == 0:
        return sign + _counted(whole, currency.unit)
    small = cardinal(int(cents))
    if not whole.strip("0"):
        return f"{sign}{small} {currency.cent.many if int(cents) > 1 else currency.cent.one}"
    return f"{sign}{_counted(whole, currency.unit)} {small}"


def _money_before(match: re.Match[str]) -> str:
    return _money((match[1] or "") + match[3], None, match[2])


def _money_after(match: re.Match[str]) -> str:
    return _money(match[1], match[2], match[3])


def _fraction(match: re.Match[str]) -> str | None:
    if match[0] in ("24/7", "7/7"):
        return "vingt-quatre heures sur vingt-quatre" if match[0] == "24/7" else "sept jours sur sept"
    top, bottom = int(match[2]), int(match[3])
    if not 0 < top < bottom or bottom not in _DENOMINATORS:
        return None if match[1] else f"{integer(match[2])} sur {integer(match[3])}"
    part = {2: "demi", 3: "tiers", 4: "quart"}.get(bottom, ordinal(bottom))
    spoken = f"{cardinal(top)} {part if top == 1 or part.endswith('s') else part + 's'}"
    return f"{integer(match[1])} et {spoken}" if match[1] else spoken


def _ordinal(match: re.Match[str]) -> str | None:
    number, ending = int(match[1]), match[2]
    if ending in ("er", "ers", "re", "ère", "ères"):
        if number != 1:
            return None
        return ordinal(1, feminine="r" in ending and ending not in ("er", "ers")) + "s" * ending.endswith("s")
    if ending in ("nd", "nde", "d", "de"):
        return ("seconde" if ending.endswith("e") else "second") if number == 2 else None
    return ordinal(number) + "s" * ending.endswith("s")


def _century(match: re.Match[str]) -> str | None:
    number = roman.number(match[1])
    return None if number is None else ordinal(number)


def _numbered(match: re.Match[str]) -> str | None:
    number = roman.number(match[2])
    return None if number is None else f"{match[1]} {cardinal(number)}"


def _reign(match: re.Match[str]) -> str | None:
    return None if roman.is_a_size(match[2]) else _numbered(match)


def _ten_digits(match: re.Match[str]) -> str:
    return ", ".join(integer(match[0][begin : begin + 2]) for begin in range(0, 10, 2))


def _phone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(integer(group) for group in groups)


def _before_feminine(match: re.Match[str]) -> str:
    return _quantity(match[0], feminine=True)


def _rule(pattern: str, speak: str) -> Rule:
    return Rule(re.compile(pattern), lambda match: speak)


FRENCH = LanguageRules(
    (
        Rule(re.compile(URL), _address),
        Rule(re.compile(EMAIL), _address),
        Rule(re.compile(DOMAIN), _address),
        Rule(re.compile(ACCENTED_LETTER), compose, within_word=True),
        Rule(re.compile(ISO_DATE), _iso_date),
        Rule(re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![/\d])"), _slashed_date),
        Rule(re.compile(rf"(\d{{1,2}})(?:er)? {_MONTH}(?!\w)"), _day_month),
        Rule(re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?!\d)"), _clock_time),
        Rule(re.compile(rf"(\d+){SPACE}?h{SPACE}?([0-5]?\d){SPACE}?(?:min|mn)\b"), _hours_minutes),
        Rule(re.compile(rf"(\d{{1,2}}){SPACE}?[hH]{SPACE}?(\d{{2}})(?!\d)"), _hour_minute),
        Rule(re.compile(rf"(?:\+\d{{2}}{SPACE}?\d|0\d)(?:[ .\u00a0\u202f]\d{{2}}){{4}}(?!\d)"), _phone),
        Rule(re.compile(r"(?<![\d.,])0[1-9]\d{8}(?!\d)"), _ten_digits),
        Rule(re.compile(rf"((?<![\w)])[-−])?([$€£¥]){SPACE}?({_NUMBER})"), _money_before),
        Rule(
            re.compile(
                rf"({SIGN}{_NUMBER}){SPACE}?(?:({alternatives(words.SCALES)}){SPACE}?(?:d'|d’|de )?)?"
                rf"({alternatives(words.CURRENCIES)})(?!\w)"
            ),
            _money_after,
        ),
        Rule(re.compile(VERSION), lambda match: " point ".join(integer(part) for part in match[0].split("."))),
        Rule(re.compile(r"(?:(\d{1,15}) )?(\d{1,15})/(\d{1,15})(?![/\d])"), _fraction),
        Rule(re.compile(r"(\d{1,15})(ers|er|ères|ère|re|èmes|ème|es|e|nde|nd|de|d)\b"), _ordinal),
        Rule(re.compile(r"\b([IVXLC]{1,9})(?:er|ème|e)(?=\s+siècle)"), _century),
        Rule(re.compile(r"\b([IVX]{2,6}|V|X)(?:ème|e)\b"), _century),
        Rule(re.compile(rf"\b({alternatives(words.NUMBERED)}) ([IVXL]{{1,8}})\b"), _numbered),
        Rule(re.compile(r"\b([A-ZÀ-Ý][\w-]+) ([IVXL]{2,8})\b"), _reign),
        _rule(r"\bIer\b", "premier"),
        _rule(r"\bI(?:re|ère)\b", "première"),
        Rule(
            re.compile(rf"({_QUANTITY}){SPACE}?({alternatives(words.UNITS)})(?![\w²³]|/\w)"),
            lambda match: _counted(match[1], words.UNITS[match[2]]),
        ),
        Rule(
            re.compile(rf"(?<![\w/])({alternatives(words.UNITS_ALONE)})(?![\w²³/])"),
            lambda match: words.UNITS[match[1]].many,
        ),
        _rule(rf"(?:#|№|\b[Nn][°ºo]){SPACE}?(?=\d)", "numéro"),
        _rule(rf"\b[Nn][°º]s?{SPACE}?(?=\w)", "numéro "),
        _rule(r"(?<=\d)x(?=\d)", "par"),
        _rule(r"(?<=\d) x (?=\d)|(?<=\d) ?\* ?(?=\d)", " fois "),
        _rule(r"(?<=[\d)]) / (?=[\d(])", " divisé par "),
        _rule(r"(?<=[\d)]) - (?=[\d(])", " moins "),
        _rule(r"(?<=[\d)])\^(?=[-−]?[\d(])", "puissance"),
        _rule(r"(?<=[\dA-Z€])/(?=(?:mois|an|semaine|jour|nuit|heure|minute|seconde|personne)\b)", " par "),
        _rule(r"\bet/ou\b", "et ou"),
        _rule(r"\bpp?\.(?= ?\d)", "page"),
        _rule(r"\bfig\.(?= ?\d)", "figure"),
        _rule(r"\bart\.(?= ?\d)", "article"),
        _rule(r"\bapr\.(?= J\.)", "après"),
        _rule(r"\b[Aa]v\.(?= [A-ZÀ-Ý](?!\.))", "avenue"),
        _rule(r"\b[Bb](?:d|oul)\.?(?= [A-ZÀ-Ý])", "boulevard"),
        _rule(r"\bSt(?=-[A-ZÀ-Ý])", "Saint"),
        _rule(r"\bSte(?=-[A-ZÀ-Ý])", "Sainte"),
        _rule(r"(?<=[\dh])-(?=\d)|(?<=[\d%°CFh]) ?– ?(?=[\d$€£])", " à "),
        Rule(re.compile(rf"{SIGN}{_NUMBER}(?= (?:{alternatives(words.FEMININE_NOUNS)})s?\b)"), _before_feminine),
        Rule(re.compile(rf"({_NUMBER})[x×](?!\w)(?! ?\d)"), lambda match: f"{_quantity(match[1], True)} fois"),
        Rule(re.compile(_QUANTITY), lambda match: _quantity(match[0])),
        Rule(
            re.compile(rf"(?<!\w)({alternatives(words.TITLES)})(?=\s+[A-ZÀ-Ý])"),
            lambda match: words.TITLES[match[1]],
        ),
        Rule(
            re.compile(rf"(?<!\w)({alternatives(word[:-1] for word in words.ABBREVIATIONS)})(?:\.{NOT_AT_END}|(?=\.))"),
            lambda match: words.ABBREVIATIONS[match[1] + "."],
        ),
        Rule(
            re.compile(rf"\b({alternatives(words.PLAIN_ABBREVIATIONS)})\b"),
            lambda match: words.PLAIN_ABBREVIATIONS[match[1]],
        ),
        Rule(
            re.compile(rf"\b((?:[A-Z]\.){{1,7}}[A-Z])(?:\.{NOT_AT_END}|(?=\.))"),
            lambda match: match[1].replace(".", " "),
        ),
        _rule(r"(?<=[a-z\d])\.(?=[a-z])", "point"),
    ),
    SymbolNames(symbols.SYMBOLS, "symbole inconnu", cardinal, speaks_unicode_names=False),
)
