"""Whether the user's words ask for a tool at all, and whether what a call holds comes from them: models invent both.

Words are compared by their beginnings, whatever their endings; numbers by value, however they were said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

from core.messages import Language
from llm.skills.languages import COMMON_WORDS
from llm.skills.normalise import fold, normalise
from llm.skills.numbers import words_of

SHORTEST = 3
"""letters of a word that tells anything"""
_TELLS_NOTHING = (
    COMMON_WORDS["en"]
    | COMMON_WORDS["fr"]
    | frozenset(words_of("all for much take called plus sur dans mon tous temps prends mets appele appelee"))
)
_ALSO = frozenset(words_of("forget oublie buy achete"))
"""what asks for a tool in many a sentence that no template begins with"""
_LIKE_NUMBERS = frozenset(
    words_of(
        "half quarter noon midnight midday dozen couple few several hour minute second day week tomorrow "
        "demi demie quart midi minuit douzaine heure seconde jour journee semaine demain"
    )
)
"""words that a model may rightly make a number of"""
_PROMISE = re.compile(
    r"\b(?:i (?:will|have|could)|i[’'](?:ll|ve|d)|je (?:vais|te|vous|peux)|j[’']ai|c[’']est (?:fait|note))\b"
)
"""folded; what something is said to be done with"""
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d+")


def telling(texts: Iterable[str]) -> frozenset[str]:
    """The words of templates that only these hold, folded."""
    return frozenset(word for text in texts for word in _words(text) if word not in _TELLS_NOTHING)


def asks_for(text: str, language: Language, tools: Iterable[frozenset[str]]) -> bool:
    """Whether words may ask for one of the tools with such words in their templates; a number may mean any of them."""
    return _numbers(text, language) != frozenset() or is_about(text, frozenset().union(_ALSO, *tools))


def is_about(text: str, tool: frozenset[str]) -> bool:
    """Whether a word of the text is one of the tool's."""
    return any(_alike(word, other) for word in _words(text) for other in tool)


def promises(unit: str, tool: frozenset[str]) -> bool:
    """Whether a sentence says that what a tool does is done, or will be."""
    return _PROMISE.search(fold(unit)) is not None and is_about(unit, tool)


def gives_numbers(text: str, language: Language) -> bool:
    """Whether there is anything in the text that a number could stand for."""
    return bool(_numbers(text, language)) or not _LIKE_NUMBERS.isdisjoint(_words(text))


def comes_from(written: str, said: str, language: Language) -> bool:
    """Whether a text that a model gives to a tool is about what was said: a word in common, and no new number."""
    numbers = _numbers(said, language)
    if any(float(number) not in numbers for number in _NUMBER.findall(written)):
        return False
    words = _words(written)
    return not words or is_about(said, frozenset(words))


def shares_number(written: str, said: str, language: Language) -> bool:
    """Whether a sum is at least partly about what was said."""
    return not _numbers(written, language).isdisjoint(_numbers(said, language))


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(fold(text)) if len(word) >= SHORTEST]


def _numbers(text: str, language: Language) -> frozenset[float]:
    said = frozenset(float(token.value) for token in normalise(text, language).tokens if token.value is not None)
    return said | {float(number) for number in _NUMBER.findall(text)}


def _alike(one: str, other: str) -> bool:
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    shorter, longer = sorted((len(one), len(other)))
    return shared >= max(SHORTEST + 1, shorter - 2) or (shared == shorter and longer - shorter <= 1)


def name_words(name: str) -> str:
    """Those that a tool's name is made of, `SetTimer`: set timer."""
    return " ".join(re.findall(r"[A-Z][a-z]+", name))
