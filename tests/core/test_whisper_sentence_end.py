"""How likely a sentence ends: where the last word is, and what the logits behind it say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from core.utils.whisper.sentence_end import NO_MORE, ends_of, probability, words_of

VOCABULARY = (" it", " is", " ten", ".", "?", "!", ",", '"', " ?", " !", "<end>")


class Tokenizer:
    """Whole words."""

    eot = VOCABULARY.index("<end>")

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


def likely(**shares: float) -> float:
    """What it makes of these tokens' probabilities."""
    logits = np.full(len(VOCABULARY), -30.0, np.float32)
    logits[[VOCABULARY.index(token) for token in shares]] = np.log(list(shares.values()))
    assert probability(logits + 500, ends_of(Tokenizer())) == pytest.approx(
        probability(logits, ends_of(Tokenizer())), abs=1e-4
    )
    return probability(logits, ends_of(Tokenizer()))


def test_all_marks_that_end_a_sentence_count_together() -> None:
    assert likely(**{".": 0.5, "?": 0.2, ",": 0.3}) == pytest.approx(0.7, abs=1e-6)


def test_a_french_question_mark_counts_with_its_space() -> None:
    assert likely(**{" ?": 0.6, "?": 0.2, " it": 0.2}) == pytest.approx(0.8, abs=1e-6)


def test_where_nothing_more_comes_the_sentence_may_have_ended() -> None:
    assert likely(**{"?": 0.4, "<end>": 0.4, ",": 0.2}) == pytest.approx(0.4 + 0.4 * NO_MORE, abs=1e-6)
