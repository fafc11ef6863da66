"""English number words: cardinals, ordinals, years, decimals, digits. American usage, no "and", no commas."""

from __future__ import annotations

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SCALES = ("", " thousand", " million", " billion", " trillion")
LONGEST = 3 * len(SCALES)
"""digits of the longest number that is said as one"""

_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def cardinal(number: int) -> str:
    """ "one thousand two hundred thirty-four"; digit by digit beyond trillions."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number >= 10**LONGEST:
        return digits(str(number))
    groups = []
    for scale in SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(_below_thousand(group) + scale)
        if not number:
            break
    return " ".join(reversed(groups)) or "zero"


def ordinal(number: int) -> str:
    """ "twenty-first" """
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    regular = (last[:-1] + "ie" if last.endswith("y") else last) + "th"
    return words[:cut] + _IRREGULAR.get(last, regular)


def year(number: int) -> str:
    """ "nineteen eighty-four", "twenty twenty-six", "two thousand five" """
    century, rest = divmod(number, 100)
    if not 1000 <= number <= 2999 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(text: str) -> str:
    """Each digit by its name; anything else separates."""
    return " ".join(ONES[int(character)] for character in text if character.isdecimal())


def decimal(whole: str, fraction: str) -> str:
    """ "twelve point zero five" """
    return f"{integer(whole or '0')} point {digits(fraction)}"


def integer(text: str) -> str:
    """Digits as a number, or one by one when they begin with zero or are too many to be a quantity."""
    plain = "".join(character for character in text if character.isdecimal())
    if len(plain) > LONGEST or (len(plain) > 1 and int(plain[0]) == 0):
        return digits(plain)
    return cardinal(int(plain or "0"))


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{ONES[hundreds]} hundred"] if hundreds else []
    if rest:
        words.append(_below_hundred(rest))
    return " ".join(words)


def _below_hundred(number: int) -> str:
    if number < 20:
        return ONES[number]
    tens, one = divmod(number, 10)
    return TENS[tens - 2] + (f"-{ONES[one]}" if one else "")
