"""What a grammar leaves out because it would fit any speech."""

from __future__ import annotations

import pytest

from stt.automaton import OPEN, Chain, Choice, Token, optional, phrase
from stt.openness import too_open

SLOT = Token(OPEN)


@pytest.mark.parametrize(
    "sentence",
    [
        SLOT,
        Chain((phrase("note"), SLOT)),
        Chain((optional(phrase("please")), SLOT, phrase("on my list"))),
        Choice((phrase("take a note"), Chain((phrase("note"), SLOT)))),
        Chain((phrase("add"), optional(phrase("now")), SLOT)),
    ],
)
def test_a_slot_at_the_beginning_or_beside_one_word_is_too_open(sentence: Chain):
    assert list(too_open([sentence, sentence])) == [True, True]


@pytest.mark.parametrize(
    "sentence",
    [
        phrase("stop"),
        Chain((phrase("remember that"), SLOT)),
        Chain((phrase("add"), SLOT, phrase("please"))),
        Chain((phrase("take a note"), optional(SLOT))),
    ],
)
def test_two_fixed_words_or_no_slot_at_all_are_enough(sentence: Chain):
    assert list(too_open([sentence, sentence])) == [False, False]
