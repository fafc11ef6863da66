"""What the guard costs: its look at texts as a user says them, and at one that loops."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence

from benchmarks.corpora.commands import HELD_OUT
from benchmarks.figures import Figure
from core.utils.whisper.guard import GuardLimits, suspicion
from core.utils.whisper.results import Decoded, ShortTranscript
from core.utils.whisper.short_context import MAX_TOKENS

CALLS = 200
ROUNDS = 5
_TOKENS_A_WORD = 1.3
_SPOKEN = " ".join(HELD_OUT).split()
_WORDS = (1, 8, 25, 75)
"""yes; what is said in 3, 10 and 30 s at 150 words a minute"""
LIMITS = GuardLimits()


def figures() -> list[Figure]:
    """Microseconds of one look, by the text's length."""
    lines = [Figure(f"guard, {words} words", look_us([typical(words)]), "us", "lower") for words in _WORDS]
    return [*lines, Figure("guard, a loop of 224 tokens", look_us([_loop()]), "us", "lower")]


def look_us(texts: Sequence[Decoded]) -> float:
    """One look at one text, on average over `texts`: the median of five rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            for decoded in texts:
                suspicion(decoded, LIMITS, MAX_TOKENS + 1)
        rounds.append((time.perf_counter() - began) / (CALLS * len(texts)))
    return 1e6 * statistics.median(rounds)


def looked_at(heard: Iterable[ShortTranscript]) -> list[Decoded]:
    """What the guard was shown of these."""
    return [
        Decoded(h.text, h.tokens, h.avg_logprob, h.no_speech_prob, h.language, h.language_probability) for h in heard
    ]


def typical(words: int) -> Decoded:
    """A believable text of so many words: nothing ends the look early. Which tokens they are does not matter."""
    tokens = tuple(range(1000, 1000 + round(words * _TOKENS_A_WORD)))
    return Decoded(" ".join(_SPOKEN[:words]), tokens, -0.2, 0.01, "en", 1.0)


def _loop() -> Decoded:
    return Decoded("no " * MAX_TOKENS, (572,) * MAX_TOKENS, -0.2, 0.01, "en", 1.0)
