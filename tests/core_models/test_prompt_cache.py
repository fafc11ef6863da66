"""A prompt cache goes through a file from mlx-lm to us and from us to mlx-lm, and the text goes on as if it had not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from oracle import mlx_model, mlx_module
from tiny import tiny_model

from core.models.generation import generate_step
from core.models.kv_cache import KVCache
from core.models.loading import LoadOptions, load_model
from core.models.prompt_cache import load_prompt_cache, make_prompt_cache, save_prompt_cache, trim_prompt_cache
from core.models.rotating_cache import RotatingKVCache
from core.models.safetensors_file import SafetensorsFile, write_safetensors
from core.utils.errors import ModelLoadError

PROMPT, MORE, COUNT = [5, 9, 77, 300, 2, 41, 8, 8, 19, 64, 3, 120], [7, 31], 12
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rotating": {"max_kv_size": 10},
    "quantised": {"kv_bits": 8, "kv_group_size": 32, "quantized_kv_start": 0},
}
KEPT = {"model": "tiny", "note": "\u00e9"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The same weights in float32: ours, and mlx-lm's."""
    folder = tiny_model(tmp_path_factory.mktemp("tiny"), "qwen2", hidden_size=128, head_dim=32)
    return load_model(folder, LoadOptions(precision="float32"))[0], mlx_model(folder)[0]


def ours(model: Any, tokens: list[int], cache: Any, count: int = COUNT, **options: Any) -> list[int]:
    return [int(token) for token, _ in generate_step(tokens, model, max_tokens=count, prompt_cache=cache, **options)]


def theirs(model: Any, tokens: list[int], cache: Any, count: int = COUNT, **options: Any) -> list[int]:
    step = mlx_module("mlx_lm.generate").generate_step
    given = mlx_module("mlx.core").array(tokens)
    return [int(token) for token, _ in step(given, model, max_tokens=count, prompt_cache=cache, **options)]


def split(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What makes the cache, and what every step is told."""
    options = KINDS[kind]
    return ({"max_kv_size": options["max_kv_size"]}, {}) if kind == "rotating" else ({}, options)


@pytest.mark.parametrize("kind", list(KINDS))
def test_we_go_on_with_what_mlx_lm_has_read(kind: str, models: tuple[Any, Any], tmp_path: Path):
    mine, other = models
    their = mlx_module("mlx_lm.models.cache")
    make, step = split(kind)
    cache = their.make_prompt_cache(other, **make)
    began = theirs(other, PROMPT, cache, **step)
    their.save_prompt_cache(str(tmp_path / "kept.safetensors"), cache, KEPT)
    found, metadata = load_prompt_cache(tmp_path / "kept.safetensors", return_metadata=True)
    assert metadata == KEPT
    assert [type(one).__name__ for one in found] == [type(one).__name__ for one in cache]
    assert [one.offset for one in found] == [one.offset for one in cache] == [len(PROMPT) + len(began)] * len(found)
    assert ours(mine, MORE, found, **step) == theirs(other, MORE, cache, **step)


@pytest.mark.parametrize("kind", list(KINDS))
def test_mlx_lm_goes_on_with_what_we_have_read(kind: str, models: tuple[Any, Any], tmp_path: Path):
    mine, other = models
    their = mlx_module("mlx_lm.models.cache")
    make, step = split(kind)
    cache = make_prompt_cache(mine, **make)
    ours(mine, PROMPT, cache, **step)
    save_prompt_cache(tmp_path / "kept.safetensors", cache, KEPT)
    found, metadata = their.load_prompt_cache(str(tmp_path / "kept.safetensors"), return_metadata=True)
    assert metadata == KEPT
    assert [type(one).__name__ for one in found] == [type(one).__name__ for one in cache]
    assert theirs(other, MORE, found, **step) == ours(mine, MORE, cache, **step)


def test_without_anything_beside_it_and_empty_it_goes_both_ways(tmp_path: Path):
    their = mlx_module("mlx_lm.models.cache")
    path = tmp_path / "empty.safetensors"
    their.save_prompt_cache(str(path), [their.KVCache(), their.RotatingKVCache(8, keep=2)])
    found, metadata = load_prompt_cache(path, return_metadata=True)
    assert metadata == {}
    assert [one.empty() for one in found] == [True, True]
    assert (found[1].max_size, found[1].keep) == (8, 2)
    save_prompt_cache(path, [KVCache(), RotatingKVCache(8, keep=2)])
    again = their.load_prompt_cache(str(path))
    assert [one.empty() for one in again] == [True, True]
    assert (again[1].max_size, again[1].keep) == (8, 2)


@pytest.mark.parametrize("kind", ["plain", "rotating"])
def test_a_file_in_half_precision_serves_a_model_in_full(kind: str, models: tuple[Any, Any], tmp_path: Path):
    """As most files of mlx-lm are; what is added is of the model's own type, also where tokens were taken back."""
    mine, _ = models
    cache = make_prompt_cache(mine, **({"max_kv_size": 40} if kind == "rotating" else {}))
    ours(mine, PROMPT, cache)
    for one in cache:
        one.keys, one.values = one.keys.half(), one.values.half()
    save_prompt_cache(tmp_path / "kept.safetensors", cache)
    found = load_prompt_cache(tmp_path / "kept.safetensors")
    assert found[0].keys.dtype == torch.float16
    assert trim_prompt_cache(found, 3) == 3
    assert len(ours(mine, MORE[:1], found)) == COUNT
    assert {one.keys.dtype for one in found} == {torch.float32}


def test_what_is_no_cache_or_not_whole_is_told(tmp_path: Path):
    path = tmp_path / "kept.safetensors"
    cache = [KVCache()]
    cache[0].update_and_fetch(torch.ones(1, 2, 3, 4), torch.ones(1, 2, 3, 4))
    save_prompt_cache(path, cache)
    file = SafetensorsFile(path)
    tensors = {name: file.read(name) for name in file.tensors}
    refused(
        path, tensors, file.metadata | {"1.0": "ArraysCache"}, "caches of the kind ArraysCache; read here are KVCache"
    )
    refused(path, {"0.0": tensors["0.0"]}, file.metadata, "not whole .*write it again")
    refused(path, tensors, {}, "is no prompt cache")
    refused(path, tensors, {"cache": json.dumps([])}, "is no prompt cache")
    refused(path, tensors, file.metadata | {"2.1.1": "string"}, "is of the kind 'string'")


def refused(path: Path, tensors: dict[str, Any], header: dict[str, str], why: str) -> None:
    write_safetensors(path, tensors, header)
    with pytest.raises(ModelLoadError, match=why):
        load_prompt_cache(path)
