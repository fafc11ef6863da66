"""Compact JSGF for spoken English whole numbers: rules composed of word classes, never a list of every number."""

from __future__ import annotations

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()

DIGIT = f"({' | '.join(_SMALL[:10])})"
"""One digit, as in the decimals of a number."""


def number_words(value: int) -> str:
    """The English words of 0..999999, without "and"."""
    if value < 20:
        return _SMALL[value]
    if value < 100:
        return _TENS[value // 10] + (f" {_SMALL[value % 10]}" if value % 10 else "")
    if value < 1000:
        return f"{_SMALL[value // 100]} hundred" + (f" {number_words(value % 100)}" if value % 100 else "")
    return f"{number_words(value // 1000)} thousand" + (f" {number_words(value % 1000)}" if value % 1000 else "")


def number_rule(start: int, stop: int) -> str:
    """JSGF alternatives that cover `start`..`stop`: exactly below 100, rounded up to whole hundreds above."""
    options: list[str] = []
    if start < 0:
        options.append(f"(minus | negative) ({number_rule(1, -start)})")
        start = 0
    options += _below_100(start, min(stop, 99))
    if stop >= 100:
        options += _hundreds(max(start // 100, 1), min(stop, 999) // 100)
    if stop >= 1000:
        thousands = number_rule(1, min(stop // 1000, 999))
        options.append(f"(a | {thousands}) thousand [[and] ({number_rule(1, 999)})]")
    return " | ".join(options)


def _below_100(start: int, stop: int) -> list[str]:
    options = _SMALL[start : min(stop, 19) + 1]
    whole = []
    for decade in range(max(start // 10, 2), stop // 10 + 1):
        low, high = max(start, decade * 10), min(stop, decade * 10 + 9)
        if (low, high) == (decade * 10, decade * 10 + 9):
            whole.append(_TENS[decade])
        else:
            options = options + [number_words(value) for value in range(low, high + 1)]
    if whole:
        options = [*options, f"({' | '.join(whole)}) [{' | '.join(_SMALL[1:10])}]"]
    return list(options)


def _hundreds(low: int, high: int) -> list[str]:
    count = " | ".join((["a"] if low == 1 else []) + _SMALL[low : high + 1])
    if high == 1 and low == 1:
        count = "a | one"
    return [f"({count}) hundred [[and] ({' | '.join(_below_100(1, 99))})]"]
