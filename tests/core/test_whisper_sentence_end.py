"""How likely a sentence ends: where the last word is, and what the logits behind it say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from core.utils.whisper.sentence_end import NEITHER, ends_of, probability, words_of

VOCABULARY = (" it", " is", " ten", ".", "?", "!", ",", '"', " ?", " !", "...", "<end>")


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


def test_all_marks_that_end_a_sentence_count_together_and_against_those_that_do_not() -> None:
    plain = likely(**{".": 0.5, "?": 0.2, ",": 0.3})
    assert plain == pytest.approx((0.7 + NEITHER) / (1.0 + 2 * NEITHER), abs=1e-6)
    assert likely(**{".": 0.7, ",": 0.3}) == pytest.approx(plain, abs=1e-6)


def test_a_french_question_mark_counts_with_its_space() -> None:
    french, english = likely(**{" ?": 0.8, " it": 0.2}), likely(**{"?": 0.8, " it": 0.2})
    assert french == pytest.approx(english, abs=1e-6)
    assert french > 0.9


def test_dots_tell_half_as_much_of_going_on_as_a_comma() -> None:
    dots, comma, none = (likely(**{".": 0.5, mark: 0.4, " it": 0.1}) for mark in ("...", ",", " is"))
    assert comma < dots < none


def test_a_word_or_the_end_of_the_text_says_nothing() -> None:
    for other in (" it", "<end>"):
        assert likely(**{other: 1.0}) == pytest.approx(0.5, abs=1e-6)
    assert likely(**{".": 0.01, " it": 0.99}) < 0.6
