"""How likely a sentence ends: where the last word is, and what the logits behind it say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from core.utils.whisper.sentence_end import marks_of, probability, words_of

VOCABULARY = (" it", " is", " ten", ".", "?", "!", ",", '"')


class Tokenizer:
    """Whole words."""

    def encode(self, text: str) -> list[int]:
        return [VOCABULARY.index(text)]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(VOCABULARY[token] for token in tokens)


@pytest.mark.parametrize(
    ("tokens", "count"),
    [((), 0), ((3,), 0), ((0, 1), 2), ((0, 1, 3), 2), ((0, 6, 1, 5, 7), 3), ((0, 3, 3, 3), 1), ((0,) * 224, 0)],
)
def test_the_marks_behind_the_last_word_do_not_count(tokens: tuple[int, ...], count: int) -> None:
    assert words_of(Tokenizer(), tokens) == tokens[:count]


def test_all_marks_that_end_a_sentence_count_together() -> None:
    logits = np.full(len(VOCABULARY), -30.0, np.float32)
    logits[[3, 4, 6]] = np.log([0.5, 0.2, 0.3])
    assert probability(logits, marks_of(Tokenizer())) == pytest.approx(0.7, abs=1e-6)
    assert probability(logits + 500, marks_of(Tokenizer())) == pytest.approx(0.7, abs=1e-4)
