"""Calls of tools are kept out of a reply: what may begin it, what it may hold; the rest is weighed as before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from llm.in_words import Restricted, WordsOnly, is_small

VOCABULARY = ["{", 'Ġ{"', "<tool_call>", "```", "Ċ", "Hello", "Ġthere", "end", ">{", '("', "Ġ-", "beyond the logits"]


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


@pytest.mark.parametrize(("wanted", "chosen"), [((">{", '("', "end"), "end"), (("Ġ-", "end"), "Ġ-")])
def test_nothing_that_opens_an_object_begins_a_reply_whatever_sign_stands_before(
    wanted: tuple[str, ...], chosen: str
) -> None:
    """A real model wrote ">{" where it could not write "{", and its call was read aloud."""
    assert VOCABULARY[int(WordsOnly(Vocabulary()).sampler(None)(logprobs(*wanted)))] == chosen


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


class Pieces:
    """A tokenizer of a few pieces."""

    pieces = ('{"name": "', "Set", "Tell", "Timer", "Time", "Alarm", '", "', "hello")

    def get_vocab(self) -> dict[str, int]:
        return {text: token for token, text in enumerate(self.pieces)}

    def decode(self, tokens: list[int]) -> str:
        return "".join(self.pieces[token] for token in tokens)


def written(callable: frozenset[str] | None, *wanted: str) -> str:
    """What is chosen where a model wants these pieces one after the other, and the others in their order."""
    tokenizer = Pieces()
    choose = Restricted(tokenizer).sampler(lambda given: given.argmax(dim=-1), callable)
    assert choose is not None
    chosen: list[int] = []
    for piece in wanted:
        logits = -torch.arange(float(len(Pieces.pieces)))[None]
        logits[0, Pieces.pieces.index(piece)] = 9.0
        chosen.append(int(choose(torch.log_softmax(logits, dim=-1))))
    return tokenizer.decode(chosen)


def test_a_call_is_of_one_of_the_tools_and_all_else_is_free() -> None:
    head = Pieces.pieces[0]
    some = frozenset({"SetTimer", "SetAlarm"})
    assert written(some, head, "Tell", "Tell", '", "') == head + "SetTimer" + '", "'
    assert written(some, head, "Set", "Alarm", "hello", "Tell") == head + 'SetAlarm", "Tell'
    assert written(some, "hello", "Tell") == "helloTell"
    assert written(None, head, "Tell") == head + "Tell"
    assert written(frozenset(), head, "Tell") == "SetTell"
