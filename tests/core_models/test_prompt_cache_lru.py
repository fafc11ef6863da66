"""The store of prompt caches finds, cuts back and gives up what mlx-lm's does."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from oracle import mlx_module

from core.models.kv_cache import KVCache
from core.models.prompt_cache_lru import LRUPromptCache


def filled(count: int) -> list[Any]:
    cache = KVCache()
    cache.update_and_fetch(torch.ones(1, 1, count, 4), torch.ones(1, 1, count, 4))
    return [cache]


def mlx_filled(count: int) -> list[Any]:
    mx = mlx_module("mlx.core")
    cache = mlx_module("mlx_lm.models.cache").KVCache()
    cache.update_and_fetch(mx.ones((1, 1, count, 4)), mx.ones((1, 1, count, 4)))
    return [cache]


@pytest.mark.parametrize("seed", range(8))
def test_it_answers_as_mlx_lm_does(seed: int):
    source = random.Random(seed)
    mine, theirs = LRUPromptCache(max_size=4), mlx_module("mlx_lm.models.cache").LRUPromptCache(max_size=4)
    for _ in range(60):
        model = source.choice(["a", "b"])
        tokens = [source.randint(1, 2) for _ in range(source.randint(2, 7))]
        if source.random() < 0.5:
            kind = source.choice(["assistant", "user", "system"])
            mine.insert_cache(model, tokens, filled(len(tokens)), cache_type=kind)
            theirs.insert_cache(model, tokens, mlx_filled(len(tokens)), cache_type=kind)
        else:
            cache, rest = mine.fetch_nearest_cache(model, tokens)
            other, their_rest = theirs.fetch_nearest_cache(model, tokens)
            assert rest == their_rest
            assert (cache is None) == (other is None)
            if cache is not None:
                assert cache[0].offset == other[0].offset == len(tokens) - len(rest)
        assert (len(mine), mine.nbytes) == (len(theirs), theirs.nbytes)
        assert mine.stats_by_type() == theirs.stats_by_type()


def test_what_is_handed_out_is_a_copy():
    store = LRUPromptCache()
    store.insert_cache("a", [1, 2, 3], filled(3))
    cache, rest = store.fetch_nearest_cache("a", [1, 2, 3, 4])
    assert cache is not None
    assert rest == [4]
    cache[0].trim(2)
    again, _ = store.fetch_nearest_cache("a", [1, 2, 3])
    assert again is not None
    assert again[0].offset == 3


def test_bytes_are_bounded():
    one = filled(1)[0].nbytes
    store = LRUPromptCache(max_bytes=2 * one)
    for first in (1, 2, 3):
        store.insert_cache("a", [first, 9], filled(2))
    assert (len(store), store.nbytes) == (2, 2 * one)
    assert store.fetch_nearest_cache("a", [1, 9])[0] is None
    store.trim_to(n_bytes=0)
    assert len(store) == 0
    with pytest.raises(ValueError, match="cache_type 'tool'"):
        store.insert_cache("a", [1], filled(1), cache_type="tool")
