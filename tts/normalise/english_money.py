"""How English says money: signs before and after the number, scales, ranges, cents."""

from __future__ import annotations

import re

from tts.normalise import english_words as words
from tts.normalise.english_quantities import NUMBER, counted, quantity
from tts.normalise.forms import SIGN, SPACE, alternatives
from tts.normalise.rules import Rule


def _money(number: str, scale: str | None, symbol: str) -> str:
    currency = words.CURRENCIES[symbol]
    if scale:
        return f"{quantity(number)} {words.SCALES[scale]} {currency.unit.many}"
    whole, point, cents = number.partition(".")
    if not point or len(cents) != 2 or currency.cent is None:
        return counted(number, currency.unit)
    if int(cents) == 0:
        return counted(whole, currency.unit)
    small = counted(str(int(cents)), currency.cent)
    return small if whole.strip("0") == "" else f"{counted(whole, currency.unit)} and {small}"


def _money_before(match: re.Match[str]) -> str:
    number = match[3].lstrip("-−")
    sign = "minus " if match[1] or number != match[3] else ""
    return sign + _money(number, match[4], match[5] or words.CURRENCIES_BEFORE[match[2]])


def _money_apart(match: re.Match[str]) -> str:
    number, symbol = match[3], words.CURRENCIES_BEFORE[match[1]]
    return f"{quantity(match[2])} to {_money(number, match[4], symbol)}"


def _money_after(match: re.Match[str]) -> str:
    return _money(match[1], match[2], match[3])


def _money_after_in_euro_style(match: re.Match[str]) -> str:
    """ "1.234,50 €" """
    return _money(f"{match[1].replace('.', '')}.{match[2]}", None, match[3])


def _money_in_euro_style(match: re.Match[str]) -> str:
    """ "€1.234,50" """
    return _money(f"{match[2].replace('.', '')}.{match[3]}", None, match[1])


MONEY = (
    Rule(re.compile(rf"(?<![\w.,])(\d{{1,3}}(?:\.\d{{3}})+),(\d\d){SPACE}?([€£$])(?!\w)"), _money_after_in_euro_style),
    Rule(re.compile(r"(?<![\w.])([€£$]) ?(\d{1,3}(?:\.\d{3})+),(\d\d)(?!\d)"), _money_in_euro_style),
    Rule(
        re.compile(
            rf"(?<![\w.])({alternatives(words.CURRENCIES_BEFORE)})({NUMBER}) ?[-–] ?({NUMBER})(?![\w/–-]*[/–-]\d)"
            rf"(?:{SPACE}?({alternatives(words.SCALES)})(?!\w|-[a-z]))?(?!\w)"
        ),
        _money_apart,
    ),
    Rule(
        re.compile(
            rf"((?<![\w)])[-−])?(?<![A-Za-z])({alternatives(words.CURRENCIES_BEFORE)}){SPACE}?((?:(?<!\s)[-−])?{NUMBER})"
            rf"(?:{SPACE}?({alternatives(words.SCALES)})(?!\w|-[a-z]))?(?:{SPACE}?(USD|AUD|CAD)\b)?"
        ),
        _money_before,
    ),
    Rule(
        re.compile(
            rf"({SIGN}{NUMBER}){SPACE}?(?:(thousand|million|billion|trillion) )?"
            rf"({alternatives(words.CURRENCIES)})(?!\w)"
        ),
        _money_after,
    ),
)
