"""Which language a window is decoded in, from what the model takes it for, the same for both backends; and which
languages a model does not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_ENGLISH_WORDS = 51_864
"""in the vocabulary of every Whisper that knows English alone; the others have one or two more"""


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


def not_understood(model: str, wanted: Sequence[str], known: Sequence[str]) -> str:
    """Which of the `wanted` languages a model does not know, with the cure; empty when it knows all."""
    foreign = [language for language in wanted if language not in known]
    if not foreign:
        return ""
    cure = "take a multilingual model, e.g. `--set stt.model=whisper-base`"
    if known:
        cure += f", or say that these are enough: `--set stt.languages='{json.dumps(list(known))}'`"
    return f"{model} does not understand {', '.join(foreign)}, which stt.languages asks for; {cure}"


def knows_only_english(path: Path) -> bool:
    """Whether a model's files, unloaded, tell that it is an English one: by its vocabulary, else by its name."""
    for name, read in (("vocabulary.json", json.loads), ("vocabulary.txt", str.splitlines)):
        file = path / name
        if file.is_file():
            return len(read(file.read_text(encoding="utf-8"))) == _ENGLISH_WORDS
    return path.stem.endswith(".en") or path.name.endswith(".en")
