"""Whose words count: the grammar's if its path fits the sound well enough, else the n-gram model's, else nobody's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.messages import FREE_WORDS
from core.utils.config import SttConfig
from stt.hypothesis import Hypothesis, command_margin, fill_open_slots

GRAMMAR = "grammar"


@dataclass(frozen=True, slots=True)
class Understood:
    """Words, and how far they are to be trusted."""

    text: str
    source: str
    """GRAMMAR or core.messages.FREE_WORDS"""
    confidence: float
    """0..1"""
    margin: float
    """by how many nats per frame the grammar's path passes its threshold; below 0 it does not"""


def understand(
    command: Hypothesis | None, words: Hypothesis | None, config: SttConfig, alone: bool = False
) -> Understood:
    """`command` is the grammar's hypothesis, `words` the n-gram model's; `alone`: there is no such model yet."""
    margin = _margin(command, words, config, alone)
    if command is not None and margin >= 0.0:
        confidence = 1.0 / (1.0 + math.exp(-4.0 * margin))
        return Understood(fill_open_slots(command, words), GRAMMAR, confidence, margin)
    if words is not None and words.is_speech(config.word_max_ms):
        return Understood(words.text, FREE_WORDS, math.exp(min(words.score, 0.0)), margin)
    return Understood("", FREE_WORDS, 0.0, margin)


def _margin(command: Hypothesis | None, words: Hypothesis | None, config: SttConfig, alone: bool) -> float:
    if command is None:
        return -math.inf
    if alone:
        return command.score - config.command_score
    return -math.inf if words is None else command_margin(command, words) - config.command_margin
