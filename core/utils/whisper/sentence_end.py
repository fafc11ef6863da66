"""How likely a sentence ends behind the last word that was heard, by the decoder's own choice of punctuation.

Whisper hears how a sentence is spoken: where a voice stays up at a pause its full stop is a guess, and where a sentence
is over it can think of nothing else. The text alone does not show which it was. Its marks that end a sentence are
weighed against those that do not (chosen by benchmarks/endpoint_parts/fit.py). It is asked without the silence behind
a short window (silence.py), which says by itself that all is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MARKS = (".", "?", "!", " ?", " !")
"""French ones have a space before them"""
GOING_ON = {",": 1.0, "...": 0.5}
"""What would stand there instead, and how much of it counts. That the decoder would stop or go on with a word counts
for nothing: it stops where the sound does."""
NEITHER = 0.03
"""added to both sides, so that two marks of which neither is likely say little"""
LONGEST = 223
"""tokens before the one that is asked for: half of the decoder's context"""


def ends_of(tokenizer: Any) -> dict[int, float]:
    """The tokens that end a sentence (1.0) and those that stand where one goes on (below 0), of either backend."""
    going_on = {int(tokenizer.encode(mark)[-1]): -share for mark, share in GOING_ON.items()}
    return going_on | {int(tokenizer.encode(mark)[-1]): 1.0 for mark in MARKS}


def words_of(tokenizer: Any, tokens: Sequence[int]) -> tuple[int, ...]:
    """The tokens up to the end of the last word; none where there is no word, or are too many."""
    count = len(tokens)
    while count and not any(letter.isalnum() for letter in tokenizer.decode([tokens[count - 1]])):
        count -= 1
    return tuple(tokens[:count]) if count <= LONGEST else ()


def by_ctranslate2(
    generate: Callable[..., Any], encoded: Any, tokenizer: Any, prompt: Sequence[int], tokens: Sequence[int]
) -> float | None:
    """0..1 by one step of CTranslate2's Whisper.generate; None without words."""
    import ctranslate2

    words = words_of(tokenizer, tokens)
    if not words:
        return None
    length = len(words) + 1
    found = generate(
        encoded,
        [[*prompt, *words]],
        beam_size=1,
        max_length=max(2 * length, length + len(prompt) - 1),  # as in faster.py
        return_logits_vocab=True,
        suppress_blank=False,
        suppress_tokens=[],
    )
    logits = found[0].logits[0][len(words)].to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32)
    return probability(np.array(logits), ends_of(tokenizer))


def probability(logits: NDArray[np.float32], ends: Mapping[int, float]) -> float:
    """0..1 of [vocabulary] logits that a mark which ends a sentence comes next, where one that does not might."""
    flat = logits.reshape(-1).astype(np.float64)
    likely = np.exp(flat - flat.max())
    likely /= likely.sum()
    over, going_on = (
        NEITHER + sum(abs(share) * likely[token] for token, share in ends.items() if (share > 0) is ending)
        for ending in (True, False)
    )
    return float(over / (over + going_on))
