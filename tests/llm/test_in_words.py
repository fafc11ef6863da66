"""Calls of tools are kept out of a reply: what may begin it, what it may hold; the rest is weighed as before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from llm.in_words import WordsOnly, is_small

VOCABULARY = ["{", 'Ġ{"', "<tool_call>", "```", "Ċ", "Hello", "Ġthere", "end", "beyond the logits"]


class Vocabulary:
    def get_vocab(self) -> dict[str, int]:
        return {text: token for token, text in enumerate(VOCABULARY)}


def logprobs(*best: str) -> torch.Tensor:
    logits = torch.zeros(1, len(VOCABULARY) - 1)
    for place, text in enumerate(best):
        logits[0, VOCABULARY.index(text)] = 9.0 - place
    return torch.log_softmax(logits, dim=-1)


def test_a_reply_begins_with_a_word_and_holds_no_call() -> None:
    choose = WordsOnly(Vocabulary()).sampler(None)
    chosen = [
        int(choose(logprobs("{", 'Ġ{"', "<tool_call>", "```", "Ċ", "Hello"))),
        int(choose(logprobs("<tool_call>", "{"))),
        int(choose(logprobs("Ċ", "Hello"))),
    ]
    assert [VOCABULARY[token] for token in chosen] == ["Hello", "{", "Ċ"]


def test_the_rest_is_a_distribution_and_what_was_given_stays_as_it_was() -> None:
    seen: list[torch.Tensor] = []

    def inner(given: torch.Tensor) -> torch.Tensor:
        seen.append(given)
        return given.argmax(dim=-1)

    given = logprobs("{", "Hello")
    before = given.clone()
    WordsOnly(Vocabulary()).sampler(inner)(given)
    assert torch.equal(given, before)
    assert torch.isclose(seen[0].exp().sum(), torch.tensor(1.0))


@pytest.mark.parametrize(
    ("config", "small"), [({"hidden": 896}, True), ({"hidden_size": 1024}, True), ({"hidden": 1536}, False), ({}, True)]
)
def test_a_model_is_small_by_its_width(config: dict[str, int], small: bool) -> None:
    assert is_small(SimpleNamespace(config=SimpleNamespace(**config))) is small
