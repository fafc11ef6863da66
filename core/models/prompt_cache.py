"""Prompt caches as a whole, one member a layer: making, trimming, and keeping them in a file.

A file is in safetensors format: tensors by layer and place, everything else as JSON in its header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from core.models.kv_cache import Cache, KVCache
from core.models.quantized_cache import QuantizedKVCache
from core.models.rotating_cache import RotatingKVCache
from core.models.safetensors_file import SafetensorsFile, write_safetensors
from core.utils.errors import ModelLoadError

CLASSES: dict[str, type[Any]] = {one.__name__: one for one in (KVCache, RotatingKVCache, QuantizedKVCache)}
KEPT_TOKENS = 4
"""of the beginning of a text, in a cache of bounded size: attention leans on them (Xiao et al. 2023)"""


def make_prompt_cache(model: Any, max_kv_size: int | None = None) -> list[Any]:
    """An empty cache for a model; with `max_kv_size` one that forgets the oldest tokens beyond so many."""
    layers = len(model.layers)
    if max_kv_size is None:
        return [KVCache() for _ in range(layers)]
    return [RotatingKVCache(max_size=max_kv_size, keep=KEPT_TOKENS) for _ in range(layers)]


def can_trim_prompt_cache(cache: Sequence[Cache]) -> bool:
    """Whether tokens can be taken off its end."""
    return all(one.is_trimmable() for one in cache)


def trim_prompt_cache(cache: Sequence[Cache], num_tokens: int) -> int:
    """Take up to `num_tokens` off its end, in place; how many were taken, 0 where it cannot be trimmed."""
    if not cache or not can_trim_prompt_cache(cache):
        return 0
    trimmed = [one.trim(num_tokens) for one in cache]
    return trimmed[0]


def save_prompt_cache(file_name: str | Path, cache: Sequence[Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write a cache to a .safetensors file. Raises ValueError for a class of cache that has no file form."""
    tensors: dict[str, Tensor] = {}
    layers = []
    for index, one in enumerate(cache):
        name = type(one).__name__
        if name not in CLASSES:
            raise ValueError(f"save_prompt_cache: a {name} cannot be kept; it can be {', '.join(CLASSES)}")
        layers.append([name, _split(one.state, str(index), tensors)])
    header = {"cache": json.dumps(layers), "metadata": json.dumps(dict(metadata or {}))}
    write_safetensors(Path(file_name), tensors, header)


def load_prompt_cache(file_name: str | Path, return_metadata: bool = False) -> Any:
    """The cache that `save_prompt_cache` wrote, with `return_metadata` as a pair with what was kept beside it.

    Raises ModelLoadError for a file that is absent, damaged or of another kind.
    """
    file = SafetensorsFile(Path(file_name))
    try:
        layers = json.loads(file.metadata["cache"])
        metadata: dict[str, str] = json.loads(file.metadata["metadata"])
        cache = [_restored(CLASSES[name], state, file) for name, state in layers]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelLoadError(f"{file_name} is no prompt cache of ours ({error!r}); make it again") from error
    return (cache, metadata) if return_metadata else cache


def _split(state: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The state with each tensor replaced by its name in `tensors`."""
    if isinstance(state, Tensor):
        tensors[path] = state.contiguous()
        return {"tensor": path}
    if isinstance(state, tuple):
        return [_split(part, f"{path}.{index}", tensors) for index, part in enumerate(state)]
    return state


def _joined(state: Any, file: SafetensorsFile) -> Any:
    if isinstance(state, dict):
        return file.read(state["tensor"])
    if isinstance(state, list):
        return tuple(_joined(part, file) for part in state)
    return state


def _restored(kind: type[Any], state: Any, file: SafetensorsFile) -> Any:
    cache: Any = object.__new__(kind)
    cache.state = _joined(state, file)
    return cache
