"""Which language a window is decoded in, from what the model takes it for. Pure; the same for both backends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanguageRule:
    """Only `candidates` count. `keep` stays unless another reaches `switch_at` among them."""

    candidates: tuple[str, ...]
    """Whisper's codes, at least one"""
    keep: str | None = None
    switch_at: float = 0.5
    """probability, 0 to 1, after all others were left out; above 1 never switches"""


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """What was decided."""

    language: str
    probability: float
    """of that language"""
    detected: tuple[tuple[str, float], ...]
    """likeliest first; under a rule its candidates alone, adding up to 1"""


def pick_language(probabilities: Iterable[tuple[str, float]], rule: LanguageRule | None) -> LanguageGuess:
    """The language to decode in. `probabilities`: of all languages that the model knows, in any order.

    Raises ValueError where the model knows none of the candidates.
    """
    every = sorted(probabilities, key=lambda pair: -pair[1])
    if rule is not None:
        every = [(code, value) for code, value in every if code in rule.candidates]
        if not every:
            raise ValueError(f"this model knows none of the languages {', '.join(rule.candidates)}; take another model")
        total = sum(value for _, value in every)
        every = [(code, value / total if total > 0.0 else 1.0 / len(every)) for code, value in every]
    known = dict(every)
    best, probability = every[0]
    if rule is not None and rule.keep in known and probability < rule.switch_at:
        best = rule.keep
    return LanguageGuess(best, known[best], tuple(every))
