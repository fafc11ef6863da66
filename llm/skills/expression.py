"""Reads a sum out of tokens: a recursive-descent parser for numbers, operators in words, and parentheses.

Precedence: powers and roots, then "percent of", times and divided by, then plus and minus; left to right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.messages import Language
from llm.skills.normalise import Token

_OPERATORS: dict[Language, dict[str, str]] = {
    "en": {
        "plus": "+", "added to": "+", "and": "+", "add": "+", "minus": "-", "take away": "-", "less": "-",
        "subtract": "-",
        "times": "*", "time": "*", "multiplied by": "*", "multiply by": "*", "x": "*", "by": "*",
        "divided by": "/", "divide by": "/", "over": "/", "modulo": "%", "mod": "%",
        "to the power of": "^", "to the power": "^", "raised to the power of": "^", "to the": "^",
    },
    "fr": {
        "plus": "+", "et": "+", "ajoute": "+", "moins": "-", "fois": "*", "multiplie par": "*", "x": "*",
        "divise par": "/", "sur": "/", "modulo": "%", "puissance": "^", "a la puissance": "^", "exposant": "^",
    },
}  # fmt: skip
_POSTFIX: dict[Language, dict[str, str]] = {
    "en": {"squared": "^2", "cubed": "^3", "percent": "%", "per cent": "%", "factorial": "!"},
    "fr": {"au carre": "^2", "au cube": "^3", "pour cent": "%", "pourcent": "%", "factorielle": "!"},
}
_PREFIX: dict[Language, dict[str, str]] = {
    "en": {
        "the square root of": "sqrt", "square root of": "sqrt", "root of": "sqrt", "sqrt of": "sqrt", "sqrt": "sqrt",
        "the cube root of": "cbrt", "cube root of": "cbrt", "half of": "half", "a half of": "half",
        "a quarter of": "quarter", "a third of": "third", "twice": "twice", "double": "twice", "square root": "sqrt",
        "the square of": "square", "the double of": "twice",
        **dict.fromkeys(("the log of", "log of", "log", "the logarithm of", "logarithm of"), "log"),
        **dict.fromkeys(("the log base", "log base", "the logarithm base", "logarithm base"), "log_base"),
        **dict.fromkeys(("the natural log of", "natural log of", "the natural logarithm of", "natural logarithm of",
                         "ln of", "ln", "natural log"), "ln"),
    },
    "fr": {
        "la racine carree de": "sqrt", "racine carree de": "sqrt", "racine de": "sqrt", "racine carree": "sqrt",
        "la racine de": "sqrt", "la racine cubique de": "cbrt", "racine cubique de": "cbrt",
        "la moitie de": "half", "moitie de": "half", "le quart de": "quarter", "le tiers de": "third",
        "le double de": "twice", "le carre de": "square", "sqrt": "sqrt",
        **dict.fromkeys(("le logarithme de", "logarithme de", "le log de", "log de", "log", "logarithme decimal de",
                         "le logarithme decimal de"), "log"),
        **dict.fromkeys(("le logarithme en base", "logarithme en base", "log en base", "log base", "logarithme base"),
                        "log_base"),
        **dict.fromkeys(("le logarithme neperien de", "logarithme neperien de", "le logarithme naturel de",
                         "logarithme naturel de", "ln de", "ln", "log neperien de"), "ln"),
    },
}  # fmt: skip
_FACTORS = {"half": 0.5, "quarter": 0.25, "third": 1 / 3, "twice": 2.0}
_PARTS: dict[Language, dict[str, int]] = {
    "en": {
        "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
        "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8,
        "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
    },
    "fr": {
        "demi": 2, "demis": 2, "tiers": 3, "quart": 4, "quarts": 4, "cinquieme": 5, "cinquiemes": 5, "sixieme": 6,
        "sixiemes": 6, "septieme": 7, "septiemes": 7, "huitieme": 8, "huitiemes": 8, "neuvieme": 9, "neuviemes": 9,
        "dixieme": 10, "dixiemes": 10,
    },
}  # fmt: skip
"""what a number before them is divided by"""
_ONE_PART = {"en": ("a", "one"), "fr": ("un", "une")}
_OFF: dict[Language, tuple[str, ...]] = {
    "en": ("off", "off of"),
    "fr": ("de reduction sur", "de remise sur", "de rabais sur"),
}
_IN_BASE = {"en": ("base", "in base", "to base", "to the base"), "fr": ("base", "en base")}
_OF = {"en": ("of",), "fr": ("de", "du", "des")}
_LARGEST_FACTORIAL = 170
LONGEST = 100
"""words and numbers; bounds how deep parentheses can nest"""


class NotASum(ValueError):
    """The tokens are no expression."""


@dataclass(frozen=True, slots=True)
class Sum:
    """The value of an expression, and whether it went on from the last result."""

    value: float
    continued: bool


def evaluate(tokens: Sequence[Token], language: Language, last: float | None = None) -> Sum:
    """The value of an expression; one that begins with an operator goes on from `last`, where there is one.

    Raises NotASum when the tokens are no expression, ZeroDivisionError and OverflowError as Python does.
    """
    if len(tokens) > LONGEST:
        raise NotASum(f"it has more than {LONGEST} words")
    reader = _Reader(tokens, language)
    continued = False
    if last is not None and reader.begins_with_operator():
        value, continued = reader.rest_of_sum(reader.rest_of_product(last)), True
    else:
        value = reader.sum()
    if not reader.ended:
        raise NotASum(f"cannot read {reader.rest}")
    if isinstance(value, complex) or math.isnan(value):
        raise NotASum("the result is not a real number")
    if math.isinf(value):
        raise OverflowError("too large")
    return Sum(value, continued)


class _Reader:
    """Position in the tokens, and one method a rule of the grammar."""

    def __init__(self, tokens: Sequence[Token], language: Language) -> None:
        self._tokens = tokens
        self._words = [token.text for token in tokens]
        self._language = language
        self._position = 0

    @property
    def ended(self) -> bool:
        return self._position >= len(self._tokens)

    @property
    def rest(self) -> str:
        return " ".join(self._words[self._position :])

    def begins_with_operator(self) -> bool:
        operators = _OPERATORS[self._language]
        if self._take({"and": "", "et": ""}) is not None and self._peek(operators) is None:
            self._position = 0
        sign = self._peek({"minus": "", "moins": ""})
        return self._peek(operators) is not None or (sign is not None and len(self._tokens) > 1)

    def sum(self) -> float:
        return self.rest_of_sum(self._product())

    def rest_of_sum(self, value: float) -> float:
        while (operator := self._take_operator("+-")) is not None:
            start = self._position
            right = self._product()
            percent = self._words[self._position - 1] in ("percent", "pourcent", "cent") and start < self._position
            if percent:
                right = value * right
            value = value + right if operator == "+" else value - right
        return value

    def rest_of_product(self, value: float) -> float:
        while (operator := self._take_operator("*/%^")) is not None:
            right = self._power()
            if operator == "*":
                value *= right
            elif operator == "/":
                value /= right
                if self._take(dict.fromkeys(_OF[self._language], "")) is not None:
                    value *= self._power()
            elif operator == "^":
                value = _power(value, right)
            else:
                value %= right
        return value

    def _product(self) -> float:
        return self.rest_of_product(self._power())

    def _power(self) -> float:
        value = self._atom()
        while not self.ended:
            if (postfix := self._take(_POSTFIX[self._language])) is not None:
                value = self._apply_postfix(value, postfix)
            elif (parts := self._take_parts()) is not None:
                value = (
                    value / parts * (self._power() if self._take(dict.fromkeys(_OF[self._language], "")) == "" else 1)
                )
            elif self._take_operator("^") is not None:
                exponent = self._atom()
                self._take({"power": "", "th": "", "eme": ""})
                value = _power(value, exponent)
            else:
                break
        return value

    def _apply_postfix(self, value: float, postfix: str) -> float:
        if postfix == "%":
            if self._take(dict.fromkeys(_OFF[self._language], "")) is not None:
                return (1 - value / 100) * self._power()
            self_of = self._take(dict.fromkeys(_OF[self._language], ""))
            return value / 100 * self._power() if self_of is not None else value / 100
        if postfix == "!":
            if value != int(value) or not 0 <= value <= _LARGEST_FACTORIAL:
                raise OverflowError("too large")
            return float(math.factorial(int(value)))
        return _power(value, float(postfix[1:]))

    def _atom(self) -> float:
        if self.ended:
            raise NotASum("it ends too early")
        prefix = self._take(_PREFIX[self._language])
        if prefix is not None:
            if prefix in ("log", "log_base"):
                return self._logarithm(prefix)
            return _apply_prefix(prefix, self._atom())
        if self._words[self._position] == "(":
            self._position += 1
            value = self.sum()
            if self.ended or self._words[self._position] != ")":
                raise NotASum("a parenthesis is not closed")
            self._position += 1
            return value
        if self._take({"minus": "", "negative": "", "moins": ""}) is not None:
            return -self._power()
        if self._words[self._position] in _ONE_PART[self._language] and self._parts_at(self._position + 1):
            self._position += 1
            return 1.0
        value_of = self._tokens[self._position].value
        if value_of is None:
            raise NotASum(f"'{self._words[self._position]}' is not a number")
        self._position += 1
        return value_of

    def _logarithm(self, prefix: str) -> float:
        """To base 10, or the one that is named before or behind its number."""
        if prefix == "log_base":
            base = self._atom()
            self._take(dict.fromkeys(_OF[self._language], ""))
            return _log(self._atom(), base)
        value = self._atom()
        named = self._take(dict.fromkeys(_IN_BASE[self._language], "")) is not None
        return _log(value, self._atom()) if named else _log(value, 10.0)

    def _parts_at(self, position: int) -> int | None:
        """What a fraction's second word divides by: 3 for "thirds"."""
        return _PARTS[self._language].get(self._words[position]) if position < len(self._words) else None

    def _take_parts(self) -> int | None:
        parts = self._parts_at(self._position)
        self._position += parts is not None
        return parts

    def _peek(self, phrases: dict[str, str]) -> tuple[str, int] | None:
        for length in (5, 4, 3, 2, 1):
            phrase = " ".join(self._words[self._position : self._position + length])
            if phrase in phrases and self._position + length <= len(self._words):
                return phrases[phrase], length
        return None

    def _take(self, phrases: dict[str, str]) -> str | None:
        found = self._peek(phrases)
        if found is None:
            return None
        self._position += found[1]
        return found[0]

    def _take_operator(self, kinds: str) -> str | None:
        found = self._peek(_OPERATORS[self._language])
        if found is None or found[0] not in kinds:
            return None
        self._position += found[1]
        return found[0]


def _apply_prefix(prefix: str, value: float) -> float:
    if prefix == "sqrt":
        if value < 0:
            raise NotASum("a negative number has no real root")
        return math.sqrt(value)
    if prefix == "cbrt":
        return math.cbrt(value)
    if prefix == "square":
        return value * value
    if prefix == "ln":
        return _log(value, math.e)
    return value * _FACTORS[prefix]


def _log(value: float, base: float) -> float:
    if value <= 0 or base <= 0 or base == 1:
        raise NotASum("it has no logarithm")
    exact = {10.0: math.log10, 2.0: math.log2, math.e: math.log}.get(base)
    return exact(value) if exact is not None else math.log(value, base)


def _power(base: float, exponent: float) -> float:
    value = base**exponent
    if isinstance(value, complex):
        raise NotASum("the result is not a real number")
    return float(value)
