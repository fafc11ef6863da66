"""How French says money: signs before and after the number, scales, cents."""

from __future__ import annotations

import re

from tts.normalise import french_words as words
from tts.normalise.forms import SIGN, SPACE, alternatives
from tts.normalise.french_numbers import cardinal
from tts.normalise.french_quantities import NUMBER, SIGN_WORDS, counted, parts, quantity
from tts.normalise.nouns import regular
from tts.normalise.rules import Rule


def _money(number: str, scale: str | None, symbol: str) -> str:
    currency = words.CURRENCIES[symbol]
    if scale:
        of = "" if scale == "k" else ("d'" if currency.unit.many[0] in "aeiouy" else "de ")
        said = words.SCALES[scale]
        if number.lstrip("-−+±") == "1":
            said = said.removesuffix("s")
        return f"{quantity(number)} {said} {of}{currency.unit.many}"
    whole, cents = parts(number.lstrip("-−+±"))
    if len(cents) != 2 or currency.cent is None:
        return counted(number, currency.unit)
    sign = f"{SIGN_WORDS[number[0]]} " if number[0] in SIGN_WORDS else ""
    if int(cents) == 0:
        return sign + counted(whole, currency.unit)
    small = cardinal(int(cents))
    if not whole.strip("0"):
        return f"{sign}{small} {currency.cent.many if int(cents) > 1 else currency.cent.one}"
    return f"{sign}{counted(whole, currency.unit)} {small}"


def _thousands(match: re.Match[str]) -> str:
    """1,2 k€ as mille deux cents."""
    whole, fraction = parts(match[1])
    return str(int(whole + fraction.ljust(3, "0"))) if len(fraction) <= 3 else match[1]


def _kilo(match: re.Match[str]) -> str:
    return counted(_thousands(match), words.CURRENCIES["€"].unit) if match[2] else cardinal(int(_thousands(match)))


def _money_before(match: re.Match[str]) -> str:
    return _money((match[1] or "") + match[3], None, match[2])


def _money_in_dollar_style(match: re.Match[str]) -> str:
    """ "$1,234.50" """
    cents = f",{match[3]}" if match[3] else ""
    return _money(match[2].replace(",", "") + cents, None, match[1])


def _money_after(match: re.Match[str]) -> str:
    return _money(match[1], match[2], match[3])


MONEY = (
    Rule(re.compile(rf"(\d+(?:[.,]\d{{1,3}})?){SPACE}?k(?:(€)|(?= [a-zà-ÿ]{{3}}))"), _kilo),
    Rule(
        re.compile(rf"(?<![\d.])([1-9]\d?\d?)\.(\d{{3}})(?={SPACE}?€(?!/))"),
        lambda match: cardinal(int(match[1] + match[2])),
    ),
    Rule(re.compile(r"(\d+)€(\d{2})(?!\d)"), lambda match: _money(f"{match[1]},{match[2]}", None, "€")),
    Rule(re.compile(r"(?<![\w.])([$£€]) ?(\d{1,3}(?:,\d{3})+)(?:\.(\d\d))?(?![\d.,])"), _money_in_dollar_style),
    Rule(re.compile(rf"((?<![\w)])[-−])?([$€£¥₹₿]){SPACE}?({NUMBER})"), _money_before),
    Rule(
        re.compile(
            rf"({SIGN}{NUMBER}){SPACE}?(?:({alternatives(words.SCALES)}){SPACE}?(?:d'|d’|de )?)?"
            rf"({alternatives(words.CURRENCIES)})(?!\w)"
        ),
        _money_after,
    ),
    Rule(re.compile(rf"({NUMBER}){SPACE}?cts?\b"), lambda match: counted(match[1], regular("centime"))),
)
