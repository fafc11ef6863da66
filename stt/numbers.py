"""Spoken English whole numbers as phrases composed of word classes, never a list of every number."""

from __future__ import annotations

from stt.automaton import Chain, Node, Token, choice, optional, phrase

# fmt: off
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on

CLASSES: dict[str, tuple[str, ...]] = {"#ones": _SMALL[1:10], "#teens": _SMALL[10:], "#tens": _TENS[2:]}
"""Tokens that stand for any one of several words: an automaton with them is several times smaller."""
DIGIT: Node = choice([Token("zero"), Token("#ones")])
"""One digit, as in the decimals of a number."""
WORDS = frozenset((*_SMALL, *_TENS, "hundred", "thousand", "and", "a", "minus", "negative", "point", "half"))
"""Every word these phrases use."""


def number_words(value: int) -> str:
    """The English words of 0..999999, without "and"."""
    if value < 20:
        return _SMALL[value]
    if value < 100:
        return _TENS[value // 10] + (f" {_SMALL[value % 10]}" if value % 10 else "")
    if value < 1000:
        return f"{_SMALL[value // 100]} hundred" + (f" {number_words(value % 100)}" if value % 100 else "")
    return f"{number_words(value // 1000)} thousand" + (f" {number_words(value % 1000)}" if value % 1000 else "")


def number_phrases(start: int, stop: int) -> Node:
    """Phrases for `start`..`stop`: exactly below 100, rounded up to whole hundreds and thousands above."""
    options: list[Node] = []
    if start < 0:
        options.append(Chain((choice([Token("minus"), Token("negative")]), number_phrases(1, -start))))
        start = 0
    options += _below_100(start, min(stop, 99))
    if stop >= 100:
        options.append(_hundreds(max(start // 100, 1), min(stop, 999) // 100, stop > 100))
    if stop >= 1000:
        count = choice([Token("a"), number_phrases(1, min(stop // 1000, 999))])
        options.append(_scale(count, "thousand", number_phrases(1, 999) if stop > 1000 else None))
    return choice(options)


def _below_100(start: int, stop: int) -> list[Node]:
    """Whole decades by classes, what is left of others one by one."""
    options: list[Node] = []
    whole = [d for d in range(2, 10) if start <= d * 10 and d * 10 + 9 <= stop]
    classes = {1: "#ones", 10: "#teens"}
    for value in range(start, stop + 1):
        if value // 10 in whole:
            continue
        if start <= 1 and stop >= 9 and value < 10 and value > 0:
            options += [Token(classes[value])] if value == 1 else []
        elif start <= 10 and stop >= 19 and 10 <= value < 20:
            options += [Token(classes[value])] if value == 10 else []
        else:
            options.append(phrase(number_words(value)))
    if whole:
        tens = Token("#tens") if len(whole) == 8 else choice([Token(_TENS[decade]) for decade in whole])
        options.append(Chain((tens, optional(Token("#ones")))))
    return options


def _hundreds(low: int, high: int, may_go_on: bool) -> Node:
    count = choice([*_below_100(low, high), *([Token("a")] if low == 1 else [])])
    return _scale(count, "hundred", number_phrases(1, 99) if may_go_on else None)


def _scale(count: Node, word: str, rest: Node | None) -> Node:
    tail = optional(Chain((optional(Token("and")), rest))) if rest is not None else Chain(())
    return Chain((count, Token(word), tail))
