"""Brings typed and spoken text to one form: lower-case words without accents or punctuation, and numbers as values.

Every token remembers where it came from, so free words can be given back exactly as the user wrote them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from core.messages import Language
from llm.skills.clock_words import in_full
from llm.skills.numbers import read_number, scale_of
from llm.skills.oaths import without_oaths
from llm.skills.written_short import IN_FULL

NUMBER_MARK = "1"
"""Stands for any number in the text that templates are matched with; every range list of the templates holds it."""

_TOKEN = re.compile(
    r"(?P<mixed>\d*[½¼¾]|\d+ [13]/[248](?![\d/]))"
    r"|(?P<number>\d{1,3}(?:[   ]\d{3})+(?![\d:])(?:,\d+)?|\d[\d.,]*\d|\d)"
    r"|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*['’]?)"
    r"|(?P<symbol>\*\*|[-+*/^%×÷√()°€$£=−])"
)
_SYMBOLS: dict[str, dict[Language, str]] = {
    "+": {"en": "plus", "fr": "plus"},
    "-": {"en": "minus", "fr": "moins"},
    "−": {"en": "minus", "fr": "moins"},
    "*": {"en": "times", "fr": "fois"},
    "×": {"en": "times", "fr": "fois"},
    "/": {"en": "divided by", "fr": "divise par"},
    "÷": {"en": "divided by", "fr": "divise par"},
    "^": {"en": "to the power of", "fr": "puissance"},
    "**": {"en": "to the power of", "fr": "puissance"},
    "%": {"en": "percent", "fr": "pour cent"},
    "√": {"en": "square root of", "fr": "racine carree de"},
    "°": {"en": "degrees", "fr": "degres"},
    "€": {"en": "euros", "fr": "euros"},
    "$": {"en": "dollars", "fr": "dollars"},
    "£": {"en": "pounds", "fr": "livres"},
    "(": {"en": "(", "fr": "("},
    ")": {"en": ")", "fr": ")"},
    "=": {"en": "", "fr": ""},
}
_AFTER_NUMBER: dict[Language, dict[str, str]] = {
    "en": {
        "h": "hours",
        "hr": "hours",
        "hrs": "hours",
        "min": "minutes",
        "mins": "minutes",
        "sec": "seconds",
        "secs": "seconds",
        "s": "seconds",
        "x": "times",
    },
    "fr": {"h": "heures", "min": "minutes", "mn": "minutes", "sec": "secondes", "s": "secondes", "x": "fois"},
}
_FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75}
_MINUS = {"en": ("minus", "negative"), "fr": ("moins",)}
_NOT_SIGNED_AFTER = {"heure", "heures", "midi", "minuit", "hours", ")", "squared", "cubed", "carre", "cube", "cent"}
_T_BEFORE_HE = frozenset(("reste", "restera", "sera"))
"""French verbs that a "t" follows in a question, "reste-t-il", which is often neither typed nor transcribed"""
_TENS, _ONES = re.compile("[2-9]0"), re.compile("[1-9]")
_DEGREES = re.compile(r"degre|celsius|fahrenheit|kelvin")
_ONE = {"un", "une", "one"}
_FR_ONE_BEFORE = re.compile(
    r"(minute|heure|seconde|jour|semaine|an|annee|metre|kilometre|centimetre|millimetre|kilo|kilogramme|gramme|litre|"
    r"mille|million|milliard|mile|pied|pouce|degre|livre|once|octet|tonne|gallon|tasse|nœud)s?$|"
    r"(mois|plus|moins|fois|pour|divise|sur|virgule|puissance|km|kg)$"
)
_FR_ONE_AFTER = {"plus", "moins", "fois", "par", "font", "fait"}
_LITERAL_NUMBER = re.compile(r"\b(one|two|three)\b(?![^{]*\})")
_EN_NOT_ONE_AFTER = {"that", "this", "which", "last", "first", "next", "the", "no", "another"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a number, and the span of the original text it was read from."""

    text: str
    start: int
    end: int
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """A text as tokens. `matching` is what templates see; `source(start, end)` gives the user's own words back."""

    original: str
    tokens: tuple[Token, ...]

    @property
    def matching(self) -> str:
        """Tokens joined by spaces, every number as NUMBER_MARK."""
        return " ".join(NUMBER_MARK if token.value is not None else token.text for token in self.tokens)

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(token.text for token in self.tokens)

    def between(self, start: int, end: int) -> tuple[Token, ...]:
        """The tokens within characters start..end of `matching`."""
        found, position = [], 0
        for token in self.tokens:
            length = len(NUMBER_MARK if token.value is not None else token.text)
            if position < end and position + length > start:
                found.append(token)
            position += length + 1
        return tuple(found)

    def source(self, start: int, end: int) -> str:
        """The original text behind characters start..end of `matching`."""
        tokens = self.between(start, end)
        if not tokens:
            return ""
        return self.original[tokens[0].start : tokens[-1].end].strip()

    def without(self, first: int, last: int) -> Utterance:
        """The same without the `first` leading and the `last` trailing tokens."""
        return replace(self, tokens=self.tokens[first : len(self.tokens) - last])


def fold(text: str) -> str:
    """Lower case, without accents, ligatures or typographic apostrophes."""
    text = text.replace("’", "'").replace("œ", "oe").replace("Œ", "oe").casefold()
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def fold_template(text: str, language: Language) -> str:
    """A template's text in the form that `normalise` gives to what users say."""
    text = fold(text)
    if language == "fr":
        return text.replace("'", " ").replace("-", " ")
    return _LITERAL_NUMBER.sub(rf"(\1|{NUMBER_MARK})", text)


def normalise(text: str, language: Language) -> Utterance:
    """Read a text in one language."""
    said = _in_one(_split(text, language), text)
    tokens = _meridiem(_numbers(_expand(without_oaths(said, language), language), language))
    return Utterance(text, tuple(_signs(in_full(tokens, language), language)))


def _split(text: str, language: Language) -> list[Token]:
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if match["mixed"]:
            value = _mixed(match["mixed"])
            tokens.append(Token(f"{value:g}", start, end, value))
        elif match["number"]:
            tokens.extend(_digits(match["number"], start, language))
        elif match["word"]:
            tokens.extend(_word(match["word"], start, language))
        elif match["symbol"] == "-" and _joins_words(text, start):
            continue
        else:
            tokens.extend(Token(word, start, end) for word in _SYMBOLS[match["symbol"]][language].split())
    return tokens


def _in_one(tokens: list[Token], text: str) -> list[Token]:
    """A number that its speaker paused in is one again: recognisers write "40. 5 minutes" then."""
    joined: list[Token] = []
    for token in tokens:
        before = joined[-1] if joined else None
        paused = before is not None and text[before.end : token.start] == ". "
        if paused and before is not None and _TENS.fullmatch(before.text) and _ONES.fullmatch(token.text):
            value = (before.value or 0.0) + (token.value or 0.0)
            joined[-1] = Token(f"{value:g}", before.start, token.end, value)
        else:
            joined.append(token)
    return joined


def _word(word: str, start: int, language: Language) -> list[Token]:
    """A French elision is two words, "l" and "heure"."""
    if language == "en":
        return [Token(fold(word).rstrip("'"), start, start + len(word))]
    pieces = re.finditer(r"[^'’]+['’]?", word)
    return [Token(fold(piece.group()).rstrip("'"), start + piece.start(), start + piece.end()) for piece in pieces]


def _mixed(text: str) -> float:
    """ "2½" and "2 1/2" are 2.5."""
    if text[-1] in _FRACTIONS:
        return float(text[:-1] or 0) + _FRACTIONS[text[-1]]
    whole, fraction = text.split()
    above, below = fraction.split("/")
    return float(whole) + int(above) / int(below)


def _joins_words(text: str, position: int) -> bool:
    before = text[position - 1 : position]
    after = text[position + 1 : position + 2]
    return before.isalpha() or (after.isalpha() and not before.isspace())


def _digits(text: str, start: int, language: Language) -> list[Token]:
    end = start + len(text)
    plain = re.sub(r"\s", "", text)
    if language == "en" and re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    plain = plain.replace(",", ".")
    if plain.count(".") <= 1:
        return [Token(plain, start, end, float(plain))]
    return [Token(part, start, end, float(part)) for part in plain.split(".") if part]


def _expand(tokens: list[Token], language: Language) -> list[Token]:
    """Contractions, and abbreviations that follow a number, in full."""
    expanded: list[Token] = []
    minutes_missing = False
    for position, token in enumerate(tokens):
        text = IN_FULL[language].get(token.text, token.text)
        previous = expanded[-1] if expanded else None
        if previous is not None and previous.value is not None:
            text = _AFTER_NUMBER[language].get(text, text)
        if previous is not None and previous.text.startswith("degre"):
            text = {"c": "celsius", "f": "fahrenheit"}.get(text, text)
        if language == "fr" and text in ("il", "elle", "on") and previous is not None and previous.text in _T_BEFORE_HE:
            text = f"t {text}"
        expanded.extend(replace(token, text=word) for word in text.split())
        if minutes_missing:
            expanded.append(Token("minutes", token.end, token.end))
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        glued = following is not None and following.value is not None and following.start == token.end
        minutes_missing = language == "en" and token.text == "h" and glued
    return expanded


def _numbers(tokens: list[Token], language: Language) -> list[Token]:
    words = [token.text for token in tokens]
    merged: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        number = None
        if token.value is None and not _is_article(words, position, language):
            position, token = _skip_oh(words, tokens, position, merged)
            number = read_number(words, position, language)
        if number is None:
            scale = 1 if token.value is None else scale_of(words, position + 1, language)
            if scale > 1 and token.value is not None:
                value = token.value * scale
                merged.append(Token(f"{value:g}", token.start, tokens[position + 1].end, value))
                position += 2
                continue
            merged.append(_with_typed_half(words, position, token, language))
            position += 1 + (3 if merged[-1].value != token.value else 0)
            continue
        end = tokens[position + number.length - 1].end
        merged.append(Token(f"{number.value:g}", token.start, end, number.value))
        position += number.length
    return merged


def _with_typed_half(words: list[str], position: int, token: Token, language: Language) -> Token:
    """ "2 and a half" is one number too."""
    if language == "en" and token.value is not None and words[position + 1 : position + 4] == ["and", "a", "half"]:
        return replace(token, value=token.value + 0.5)
    return token


def _skip_oh(words: list[str], tokens: list[Token], position: int, merged: list[Token]) -> tuple[int, Token]:
    """The "oh" of "seven oh five" is no word of its own."""
    after_number = bool(merged) and merged[-1].value is not None
    if words[position] in ("oh", "o") and after_number and position + 1 < len(words):
        return position + 1, tokens[position + 1]
    return position, tokens[position]


def _is_article(words: list[str], position: int, language: Language) -> bool:
    """Whether "un", "une", "one" or the "cent" of "pour cent" is not a number here."""
    word = words[position]
    if word == "cent" and language == "fr":
        return words[max(0, position - 1)] == "pour"
    if word not in _ONE:
        return False
    before = words[position - 1] if position else ""
    after = words[position + 1] if position + 1 < len(words) else ""
    if language == "en":
        return before in _EN_NOT_ONE_AFTER
    return not (_FR_ONE_BEFORE.match(after) or before in _FR_ONE_AFTER or (not after and not before))


def _meridiem(tokens: list[Token]) -> list[Token]:
    """ "p m" after a number is one word."""
    joined: list[Token] = []
    for token in tokens:
        previous = joined[-1] if joined else None
        if token.text == "m" and previous is not None and previous.text in ("a", "p") and len(joined) > 1:
            joined[-1] = Token(previous.text + "m", previous.start, token.end)
        else:
            joined.append(token)
    return joined


def _signs(tokens: list[Token], language: Language) -> list[Token]:
    """A minus that no number precedes belongs to the number after it."""
    signed: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        before = signed[-1] if signed else None
        operator = before is not None and (before.value is not None or before.text in _NOT_SIGNED_AFTER)
        degrees = position + 2 < len(tokens) and _DEGREES.match(tokens[position + 2].text) is not None
        first = before is None and token.text != "negative" and token.end - token.start > 1 and not degrees
        if (
            token.text in _MINUS[language]
            and following is not None
            and following.value is not None
            and not operator
            and not first
            and not (before is not None and before.text in ("and", "et"))
        ):
            signed.append(Token(f"-{following.text}", token.start, following.end, -following.value))
            position += 2
            continue
        signed.append(token)
        position += 1
    return signed
