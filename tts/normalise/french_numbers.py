"""French number words: cardinals with gender, ordinals, decimals, digits. Usage of France, traditional hyphens."""

from __future__ import annotations

ONES = [
    "zéro",
    "un",
    "deux",
    "trois",
    "quatre",
    "cinq",
    "six",
    "sept",
    "huit",
    "neuf",
    "dix",
    "onze",
    "douze",
    "treize",
    "quatorze",
    "quinze",
    "seize",
    "dix-sept",
    "dix-huit",
    "dix-neuf",
]
TENS = {2: "vingt", 3: "trente", 4: "quarante", 5: "cinquante", 6: "soixante"}
SCALES = ("million", "milliard", "billion")
LONGEST = 3 * (len(SCALES) + 2)
"""digits of the longest number that is said as one"""


def cardinal(number: int, feminine: bool = False) -> str:
    """ "vingt et un", "quatre-vingts", "mille deux cent trente-quatre"; digit by digit beyond billions."""
    if number < 0:
        return f"moins {cardinal(-number, feminine)}"
    if number < 1_000_000:
        words = _below_million(number)
    elif number >= 10**LONGEST:
        return digits(str(number))
    else:
        words = _with_scales(number)
    if feminine and (words == "un" or words.endswith((" un", "-un"))):
        words += "e"
    return words


def ordinal(number: int, feminine: bool = False) -> str:
    """ "premier", "première", "vingt et unième" """
    if number == 1:
        return "première" if feminine else "premier"
    words = cardinal(number)
    if words.endswith(("quatre-vingts", "cents")):
        words = words[:-1]
    if words.endswith("neuf"):
        return words[:-1] + "vième"
    if words.endswith("cinq"):
        return words + "uième"
    return (words[:-1] if words.endswith("e") else words) + "ième"


def digits(text: str) -> str:
    """Each digit by its name; anything else separates."""
    return " ".join(ONES[int(character)] for character in text if character.isdecimal())


def decimal(whole: str, fraction: str) -> str:
    """ "douze virgule cinq", "trois virgule quatorze", "zéro virgule zéro cinq" """
    zeros = len(fraction) - len(fraction.lstrip("0"))
    rest = fraction[zeros:]
    after = [ONES[0]] * zeros
    if rest:
        after.append(cardinal(int(rest)) if len(rest) <= 3 else digits(rest))
    return f"{integer(whole or '0')} virgule {' '.join(after)}"


def integer(text: str, feminine: bool = False) -> str:
    """Digits as a number, or one by one when they begin with zero or are too many to be a quantity."""
    plain = "".join(character for character in text if character.isdecimal())
    if len(plain) > LONGEST or (len(plain) > 1 and int(plain[0]) == 0):
        return digits(plain)
    return cardinal(int(plain or "0"), feminine)


def _with_scales(number: int) -> str:
    number, rest = divmod(number, 1_000_000)
    words = [_below_million(rest)] if rest else []
    for scale in SCALES:
        number, group = divmod(number, 1000)
        if group:
            words.append(f"{_below_thousand(group)} {scale}{'s' if group > 1 else ''}")
    return " ".join(reversed(words))


def _below_million(number: int) -> str:
    thousands, rest = divmod(number, 1000)
    words = []
    if thousands:
        # "cent" and "vingt" lose their plural before "mille".
        before = "" if thousands == 1 else _below_thousand(thousands)
        words.append(f"{before.removesuffix('s') if before.endswith(('cents', 'vingts')) else before} mille".strip())
    if rest or not thousands:
        words.append(_below_thousand(rest))
    return " ".join(words)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest)
    words = "cent" if hundreds == 1 else f"{ONES[hundreds]} cent"
    if rest:
        return f"{words} {_below_hundred(rest)}"
    return words if hundreds == 1 else words + "s"


def _below_hundred(number: int) -> str:
    if number < 20:
        return ONES[number]
    if number >= 80:
        return "quatre-vingts" if number == 80 else f"quatre-vingt-{ONES[number - 80]}"
    tens, one = divmod(number, 10)
    if tens == 7:
        tens, one = 6, one + 10
    if one == 0:
        return TENS[tens]
    return f"{TENS[tens]} et {ONES[one]}" if one in (1, 11) else f"{TENS[tens]}-{ONES[one]}"
