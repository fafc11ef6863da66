"""Tells a text that a short window may have spoilt: repetition, high compression, low probability, no speech, no end.

Pure functions. The limits on compression, probability and no speech are Whisper's own (Radford et al. 2022, 4.5).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from core.utils.whisper.results import Decoded

_LONGEST_PHRASE = 8
"""tokens of a phrase that is looked for in repetitions"""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """From where on a text is not believed."""

    max_repeats: int = 4
    """how often a phrase may follow upon itself: "no no no no" passes"""
    max_compression_ratio: float = 2.4
    min_avg_logprob: float = -1.0
    max_no_speech_prob: float = 0.6


def suspicion(decoded: Decoded, limits: GuardLimits, token_limit: int) -> str:
    """What speaks against the text, in plain words; empty when nothing does.

    `token_limit`: how many tokens the pass might give: one that gave so many did not end by itself.
    """
    repeats = most_repeats(decoded.tokens)
    if repeats > limits.max_repeats:
        return f"a phrase follows upon itself {repeats} times"
    ratio = compression_ratio(decoded.text)
    if ratio > limits.max_compression_ratio:
        return f"the text compresses {ratio:.1f} times"
    if len(decoded.tokens) >= token_limit:
        return f"the text did not end within {token_limit} tokens"
    if decoded.avg_logprob < limits.min_avg_logprob:
        return f"the average log-probability is {decoded.avg_logprob:.2f}"
    if decoded.no_speech_prob > limits.max_no_speech_prob:
        return f"the probability of no speech is {decoded.no_speech_prob:.2f}"
    return ""


def most_repeats(tokens: Sequence[int]) -> int:
    """How often the phrase of at most eight tokens that most often follows upon itself is there; 0 for no tokens."""
    most = 1 if tokens else 0
    for length in range(1, min(_LONGEST_PHRASE, len(tokens) // 2) + 1):
        same = 0
        for index in range(length, len(tokens)):
            same = same + 1 if tokens[index] == tokens[index - length] else 0
            most = max(most, same // length + 1)
    return most


def compression_ratio(text: str) -> float:
    """Bytes of the stripped text over its bytes under zlib, as both backends reckon it; 0 for no text."""
    data = text.strip().encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0
