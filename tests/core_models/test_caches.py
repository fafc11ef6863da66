"""Each cache holds what mlx-lm's class of the same name holds after the same calls, and comes back from a file."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from oracle import mlx_module

from core.models.kv_cache import KVCache, causal_mask
from core.models.prompt_cache import (
    can_trim_prompt_cache,
    load_prompt_cache,
    save_prompt_cache,
    trim_prompt_cache,
)
from core.models.quantized_cache import QuantizedKVCache, dequantize, dequantized, quantize
from core.models.rotating_cache import RotatingKVCache
from core.utils.errors import ModelLoadError

HEADS, DIM = 2, 32


def pair(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, HEADS, count, DIM, generator=generator), torch.randn(
        1, HEADS, count, DIM, generator=generator
    )


def theirs(x: torch.Tensor) -> Any:
    return mlx_module("mlx.core").array(x.numpy())


def back(x: Any) -> torch.Tensor:
    return torch.tensor(x.tolist())


def random_calls(seed: int) -> list[int]:
    """Appends of 1 to 20 tokens, and trims as negative numbers."""
    source = random.Random(seed)
    return [source.choice([1, 1, 1, 2, 7, 20, -1, -3]) for _ in range(40)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("max_size", "keep"), [(16, 0), (16, 4), (40, 4), (300, 4)])
def test_a_rotating_cache_goes_through_the_same_states(max_size: int, keep: int, seed: int):
    cache = mlx_module("mlx_lm.models.cache")
    mine, other = RotatingKVCache(max_size, keep=keep), cache.RotatingKVCache(max_size, keep=keep)
    for turn, count in enumerate(random_calls(seed)):
        if count < 0:
            assert mine.is_trimmable() == other.is_trimmable()
            if mine.is_trimmable():
                assert mine.trim(-count) == other.trim(-count)
        else:
            _same_mask(mine.make_mask(count), other.make_mask(count))
            keys, values = pair(count, turn)
            found, expected = mine.update_and_fetch(keys, values), other.update_and_fetch(theirs(keys), theirs(values))
            assert torch.equal(found[0], back(expected[0]))
            assert torch.equal(found[1], back(expected[1]))
        assert (mine.offset, mine.size(), mine.empty()) == (other.offset, other.size(), other.empty())
        assert mine.state[2:] == other.state[2:]
        assert mine.nbytes == other.nbytes


@pytest.mark.parametrize("window", [4, 12])
def test_a_rotating_cache_masks_a_narrower_window_alike(window: int):
    cache = mlx_module("mlx_lm.models.cache")
    mine, other = RotatingKVCache(16), cache.RotatingKVCache(16)
    for turn in range(40):
        _same_mask(mine.make_mask(1, window_size=window), other.make_mask(1, window_size=window))
        keys, values = pair(1, turn)
        mine.update_and_fetch(keys, values)
        other.update_and_fetch(theirs(keys), theirs(values))


def _same_mask(mine: Any, other: Any) -> None:
    if other is None or isinstance(other, str):
        assert mine == other
    else:
        assert torch.equal(mine.reshape(-1), back(other).reshape(-1))


@pytest.mark.parametrize("seed", range(3))
def test_a_plain_cache_holds_the_same(seed: int):
    cache = mlx_module("mlx_lm.models.cache")
    mine, other = KVCache(), cache.KVCache()
    for turn, count in enumerate([*random_calls(seed), 300, 1]):
        if count < 0:
            assert mine.trim(-count) == other.trim(-count)
        else:
            keys, values = pair(count, turn)
            found, expected = mine.update_and_fetch(keys, values), other.update_and_fetch(theirs(keys), theirs(values))
            assert torch.equal(found[0], back(expected[0]))
            assert torch.equal(found[1], back(expected[1]))
        assert (mine.offset, mine.size(), mine.empty()) == (other.offset, other.size(), other.empty())
    assert mine.make_mask(1) is None
    assert mine.make_mask(3) == "causal"


def test_room_that_is_reserved_is_used_without_moving():
    cache = KVCache()
    with pytest.raises(ValueError, match="no shape yet"):
        cache.reserve(10)
    cache.reserve_like(600, *pair(0, 0))
    assert cache.keys is not None
    assert (cache.keys.shape[2], cache.offset) == (768, 0)
    at = cache.keys.data_ptr()
    for turn in range(3):
        cache.update_and_fetch(*pair(200, turn))
    cache.reserve(168)
    assert cache.keys.data_ptr() == at
    cache.reserve(169)
    assert cache.keys.shape[2] == 1024
    assert cache.keys.is_contiguous()
    assert torch.equal(cache.keys[:, :, 400:600], pair(200, 2)[0])


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("group_size", [32, 64])
def test_numbers_are_quantised_as_mlx_does(bits: int, group_size: int):
    mx = mlx_module("mlx.core")
    x = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(bits))
    x[0, 0] = 0.0
    x[0, 1] = x[0, 1].abs()
    mine = dequantize(quantize(x, group_size, bits), group_size, bits, torch.float32)
    packed = mx.quantize(theirs(x), group_size=group_size, bits=bits)
    other = back(mx.dequantize(*packed, group_size=group_size, bits=bits))
    assert torch.allclose(mine, other, atol=1e-5)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_cache_holds_the_same(bits: int):
    cache, mx = mlx_module("mlx_lm.models.cache"), mlx_module("mlx.core")
    mine, other = QuantizedKVCache(group_size=32, bits=bits), cache.QuantizedKVCache(group_size=32, bits=bits)
    for turn, count in enumerate([*random_calls(5), 300, 1]):
        if count < 0:
            assert mine.trim(-count) == other.trim(-count)
        else:
            keys, values = pair(count, turn)
            mine.update_and_fetch(keys, values)
            other.update_and_fetch(theirs(keys), theirs(values))
        assert mine.offset == other.offset
    found = dequantized(mine, torch.float32)
    for one, quantized in zip(found, other.keys_and_values(), strict=True):
        assert torch.allclose(one, back(mx.dequantize(*quantized, group_size=32, bits=bits)), atol=1e-5)
    assert mine.state[2:] == other.state[2:]


def test_a_plain_cache_becomes_a_quantised_one():
    plain = KVCache()
    assert plain.to_quantized(group_size=32, bits=4).empty()
    keys, values = pair(10, 0)
    plain.update_and_fetch(keys, values)
    quantized = plain.to_quantized(group_size=32, bits=8)
    assert (quantized.offset, quantized.size(), quantized.bits, quantized.group_size) == (10, 10, 8, 32)
    assert (dequantized(quantized, torch.float32)[0] - keys).abs().max() < 0.05
    assert quantized.nbytes < plain.nbytes / 3


@pytest.mark.parametrize("arguments", [{"bits": 3}, {"group_size": 48}])
def test_odd_bits_and_groups_are_refused(arguments: dict[str, int]):
    with pytest.raises(ValueError, match="QuantizedKVCache"):
        QuantizedKVCache(**arguments)


def test_a_group_that_does_not_divide_a_head_is_refused():
    with pytest.raises(ValueError, match="kv_group_size 64 does not divide a head of 32; take 32"):
        QuantizedKVCache().update_and_fetch(*pair(1, 0))


def test_a_cache_made_in_inference_mode_is_changed_outside():
    for cache in (KVCache(), RotatingKVCache(16), QuantizedKVCache(group_size=32)):
        with torch.inference_mode():
            cache.update_and_fetch(*pair(3, 0))
        cache.update_and_fetch(*pair(1, 1))
        cache.update_and_fetch(*pair(2, 2))
        with torch.inference_mode():
            cache.update_and_fetch(*pair(1, 3))
        assert cache.offset == 7


def made(kind: str) -> list[Any]:
    caches = {
        "plain": lambda: KVCache(),
        "rotating": lambda: RotatingKVCache(16, keep=4),
        "quantized": lambda: QuantizedKVCache(group_size=32, bits=4),
    }
    cache = [caches[kind]() for _ in range(2)]
    for layer, one in enumerate(cache):
        for turn, count in enumerate((7, 1, 1)):
            one.update_and_fetch(*pair(count, 10 * layer + turn))
    return cache


@pytest.mark.parametrize("kind", ["plain", "rotating", "quantized"])
def test_a_cache_comes_back_from_a_file(kind: str, tmp_path: Path):
    cache = made(kind)
    save_prompt_cache(tmp_path / "cache.safetensors", cache, {"model": "tiny", "note": "é"})
    found, metadata = load_prompt_cache(tmp_path / "cache.safetensors", return_metadata=True)
    assert metadata == {"model": "tiny", "note": "é"}
    assert [type(one) for one in found] == [type(one) for one in cache]
    for both in range(2):
        assert [one.offset for one in found] == [9 + both, 9 + both]
        for mine, loaded in zip(cache, found, strict=True):
            keys = mine.update_and_fetch(*pair(1, 99))[0]
            again = loaded.update_and_fetch(*pair(1, 99))[0]
            assert _equal(keys, again)
    assert trim_prompt_cache(found, 4) == trim_prompt_cache(cache, 4) == 4
    assert _equal(cache[1].update_and_fetch(*pair(2, 7)), found[1].update_and_fetch(*pair(2, 7)))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return all(_equal(one, other) for one, other in zip(a, b, strict=True))
    return torch.equal(a, b)


def test_an_empty_cache_comes_back_empty(tmp_path: Path):
    save_prompt_cache(str(tmp_path / "cache.safetensors"), [KVCache(), RotatingKVCache(8)])
    found = load_prompt_cache(str(tmp_path / "cache.safetensors"))
    assert [one.empty() for one in found] == [True, True]


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    with pytest.raises(ModelLoadError, match=r"other\.safetensors is missing; give the file"):
        load_prompt_cache(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelLoadError, match="is no prompt cache; give the file that save_prompt_cache wrote"):
        load_prompt_cache(path)
    with pytest.raises(ValueError, match="a str cannot be kept"):
        save_prompt_cache(path, ["nothing"])


def test_trimming_as_a_whole():
    cache = made("plain")
    assert can_trim_prompt_cache(cache)
    assert trim_prompt_cache(cache, 4) == 4
    assert trim_prompt_cache(cache, 40) == 5
    assert [one.offset for one in cache] == [0, 0]
    assert trim_prompt_cache([], 1) == 0
    full = made("rotating")
    for one in full:
        one.update_and_fetch(*pair(20, 5))
    assert not can_trim_prompt_cache(full)
    assert trim_prompt_cache(full, 1) == 0


def test_a_copy_is_independent():
    cache = made("plain")
    other = copy.deepcopy(cache)
    other[0].update_and_fetch(*pair(1, 0))
    assert (cache[0].offset, other[0].offset) == (9, 10)


def test_the_causal_mask():
    assert causal_mask(2, 1).tolist() == [[True, True, False], [True, True, True]]
    assert causal_mask(2, 2, window_size=2).tolist() == [[False, True, True, False], [False, False, True, True]]
