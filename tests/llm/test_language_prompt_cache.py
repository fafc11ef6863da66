"""What a cache holds after prompts, replies and corrections: always a prefix, token by token."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm.aside import Ahead
from llm.prompt_cache import PromptCache

MODEL = SimpleNamespace()
Tokens = st.lists(st.integers(0, 2), min_size=1, max_size=8)


class Layers:
    """Keys and values as tokens. `trims` is false of a cache that cannot be cut."""

    trims = True

    def make_prompt_cache(self, model: Any) -> list[Any]:
        return [SimpleNamespace(offset=0, nbytes=0, held=[])]

    def trim_prompt_cache(self, cache: list[Any], count: int) -> int:
        if not self.trims:
            return 0
        cache[0].offset -= count
        del cache[0].held[len(cache[0].held) - count :]
        return count


def make(trims: bool = True) -> PromptCache:
    runtime = Layers()
    runtime.trims = trims
    cache = PromptCache(lambda: runtime)  # type: ignore[arg-type,return-value]
    cache.reset(MODEL)
    return cache


def read(cache: PromptCache, tokens: list[int]) -> list[int]:
    """As a model does it; what was computed."""
    left = cache.align(MODEL, tokens)
    cache.layers[0].held += left
    cache.layers[0].offset += len(left)
    cache.remember(MODEL, tokens)
    return left


@given(st.lists(Tokens, min_size=1, max_size=6), st.booleans())
def test_it_holds_the_last_prompt_and_computes_what_is_new(prompts: list[list[int]], trims: bool) -> None:
    cache = make(trims)
    before: list[int] = []
    for tokens in prompts:
        left = read(cache, tokens)
        assert cache.tokens == cache.layers[0].held == tokens
        assert 1 <= len(left) <= len(tokens)
        if trims and tokens[: len(before)] == before and len(tokens) > len(before):
            assert len(left) == len(tokens) - len(before)
        before = tokens


def test_one_token_more_than_was_told_is_taken_back() -> None:
    cache = make()
    read(cache, [1, 2, 3])
    cache.layers[0].held.append(4)
    cache.layers[0].offset += 1
    cache.remember(MODEL, [1, 2, 3])
    assert (cache.tokens, cache.layers[0].offset) == ([1, 2, 3], 3)


def test_what_was_read_ahead_serves_once_and_for_its_own_words_alone() -> None:
    cache = make()
    for tokens, serves in (([1, 2], True), ([1, 3], False)):
        cache.ahead = Ahead([1, 2], "logits")
        found = cache.take_ahead(tokens)
        assert (found is not None) == serves
        assert cache.take_ahead([1, 2]) is None


def test_a_prompt_beside_the_conversation_leaves_it_as_it_was() -> None:
    cache = make()
    read(cache, [1, 2, 3])
    cache.ahead = ahead = Ahead([1, 2, 3], "logits")
    with cache.place(True, [1, 9]):
        read(cache, [1, 9])
    assert (cache.tokens, cache.layers[0].held, cache.ahead) == ([1, 2, 3], [1, 2, 3], ahead)
    with cache.place(True, [1, 9, 9]):
        assert read(cache, [1, 9, 9]) == [9]


def test_what_is_forgotten() -> None:
    cache = make()
    read(cache, [1, 2, 3])
    cache.ahead = Ahead([1, 2, 3], "logits")
    cache.forget(conversation=False)
    assert (cache.tokens, cache.ahead) == ([1, 2, 3], None)
    cache.forget(conversation=True)
    assert (cache.tokens, cache.layers, cache.nbytes) == ([], [], 0)
