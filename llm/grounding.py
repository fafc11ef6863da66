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
    | frozenset(words_of("all much take need some called plus sur dans tous temps prends appele appelee"))
    | frozenset(words_of("which first combien lequel laquelle premier"))
)
_PROMISE = re.compile(
    r"\b(?:i (?:will|have|could)|i[’'](?:ll|ve|d)|je (?:vais|te|vous|peux)|j[’']ai|c[’']est (?:fait|note))\b"
)
"""folded; what something is said to be done with"""
_QUESTION = re.compile(
    r"(?:(?:and|so|then|but|et|alors|mais) )?(?:who|whose|what|which|why|where|how(?! about)|qui|que|qu|"
    r"quel(?:le)?s?|pourquoi|comment|combien|ou|(?:tell me|parle[sz]?[- ]moi) (?:more |plus )?(?:about|of|de|du|des)|"
    r"explain|describe|explique[sz]?(?:[- ]moi)?|decri[st]|raconte[sz]?(?:[- ]moi)?)\b"
)
"""folded; it asks for words; "when" and "quand" begin commands too"""
_TELL = re.compile(r"(?:tell|give|show|teach) (?:me|us)\b|(?:dis|donne|raconte|apprends)[- ]moi\b")
"""folded; who says so wants to hear something, and tells nothing"""
_FORBIDS = re.compile(
    r"(?:(?:please|no|non|s[’']il (?:te|vous) plait)[, ]+)*"
    r"(?:(?:do not|don[’']?t|never) (?!forget|let me|you\b|we\b|i\b|know\b)"
    r"|n(?:e |[’'])(?!oublie)(?:\w+[-’' ]){1,3}?(?:pas|plus|jamais)\b)"
)
"""folded; what is asked for is that nothing be done"""
_OWN = re.compile(r"\b(?:my|me|mine|mon|ma|mes|moi)\b")
_CLAIM = re.compile(
    r"^(?:\w+[,.!] )?(?:(?:the|a|your|[’'\"].+[’'\"]) )?(?:timer|alarm|reminder)(?: is| has been)? set"
    r"(?: for| to| at|[:.!]|$)"
    r"|^added to your \w+(?: \w+)? ?(?:list|:)|^noted(?:[:.!]|$)"
    r"|^(?:\w+[,.!] )?(?:le |l[’']|votre |ton )?(?:minuteur|alarme|rappel)\b(?:(?! est ).)*(?: est)? (?:lance|regle)e?"
    r"(?: ?[:.!]|$)"
    r"|^ajoute a la liste|^c[’']est note(?: ?[:.!]|$)"
)
"""folded; how the skills tell what they have done, which a model that has seen it in the conversation copies"""
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d+")


def telling(texts: Iterable[str]) -> frozenset[str]:
    """The words of templates that only these hold, folded."""
    return frozenset(word for text in texts for word in _words(text) if word not in _TELLS_NOTHING)


def is_about(text: str, tool: frozenset[str]) -> bool:
    """Whether a word of the text is one of the tool's."""
    return any(_alike(word, other) for word in _words(text) for other in tool)


def words_about(text: str, tool: frozenset[str]) -> int:
    """How many words of the text are one of the tool's."""
    return sum(any(_alike(word, other) for other in tool) for word in set(_words(text)))


def asks(text: str) -> bool:
    """Whether words begin as a question does that is to be answered in words."""
    return _QUESTION.match(fold(text).strip()) is not None


def forbids(text: str) -> bool:
    """Whether words ask for something not to be done: "don't set a timer"."""
    return _FORBIDS.match(fold(text).strip()) is not None


def wants_to_hear(text: str) -> bool:
    """Whether words ask to be told something, "tell me a fact"."""
    return _TELL.match(fold(text).strip()) is not None


def is_question(text: str) -> bool:
    """Whether somebody asks about the world, and not for what is theirs."""
    folded = fold(text).strip()
    asked = _QUESTION.match(folded)
    return asked is not None and _OWN.search(folded, asked.end()) is None


def promises(unit: str, tool: frozenset[str]) -> bool:
    """Whether a sentence says that what a tool does is done, or will be."""
    return _PROMISE.search(fold(unit)) is not None and is_about(unit, tool)


def claims(unit: str) -> bool:
    """Whether a sentence is what a skill says once something is done."""
    return _CLAIM.search(fold(unit)) is not None


def numbers_in(text: str, language: Language) -> frozenset[float]:
    """Those that are said in a text, in words or in digits."""
    said = frozenset(float(token.value) for token in normalise(text, language).tokens if token.value is not None)
    return said | {float(number) for number in _NUMBER.findall(text)}


def comes_from(written: str, said: str, language: Language) -> bool:
    """Whether a text that a model gives to a tool is about what was said: a word in common, and no new number."""
    numbers = numbers_in(said, language)
    if any(float(number) not in numbers for number in _NUMBER.findall(written)):
        return False
    words = _words(written)
    return not words or is_about(said, frozenset(words))


def is_mostly_of(written: str, said: str) -> bool:
    """Whether at least half of the words of a text that a model gives to a tool were said."""
    words = _words(written)
    return 2 * words_about(written, frozenset(_words(said))) >= len(words)


def shares_number(written: str, said: str, language: Language) -> bool:
    """Whether a sum is at least partly about what was said."""
    return not numbers_in(written, language).isdisjoint(numbers_in(said, language))


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(fold(text)) if len(word) >= SHORTEST]


def _alike(one: str, other: str) -> bool:
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    shorter, longer = sorted((one, other), key=len)
    plural = shared == len(shorter) and longer in (shorter, f"{shorter}s")
    return plural or shared >= max(SHORTEST + 1, len(shorter) - 2)


def name_words(name: str) -> str:
    """Those that a tool's name is made of, `SetTimer`: set timer."""
    return " ".join(re.findall(r"[A-Z][a-z]+", name))
