"""Prompt caches as a whole, one member a layer: making, trimming, and keeping them in mlx-lm's file format.

A file is in safetensors format, and either program goes on with what the other has read. A cache's state is a tuple,
and each member of it a tensor named by its place: layer, place in the state, place in a quantised part ("3.0.2").
Numbers are tensors without dimensions, an absent member is an empty tensor. The header holds under "0.NAME" what a
caller kept beside the cache, under "1.LAYER" the class, and under "2.N.0" and "2.N.1", N from 1, the place and kind of
what is no tensor. Read from mlx-lm 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.models.kv_cache import Cache, KVCache
from core.models.quantized_cache import QuantizedKVCache
from core.models.rotating_cache import RotatingKVCache
from core.models.safetensors_file import SafetensorsFile, write_safetensors
from core.utils.errors import ModelLoadError

CLASSES: dict[str, type[Any]] = {one.__name__: one for one in (KVCache, RotatingKVCache, QuantizedKVCache)}
MEMBERS = {"KVCache": 3, "RotatingKVCache": 6, "QuantizedKVCache": 5}
"""of a state"""
CURE = "give the file that save_prompt_cache wrote, here or in mlx-lm 0.32, or write it again"
NUMBER, ABSENT = "scalar", "none"
KEPT_TOKENS = 4
"""of the beginning of a text, in a cache of bounded size: attention leans on them (Xiao et al. 2023)"""


def make_prompt_cache(model: Any, max_kv_size: int | None = None) -> list[Any]:
    """An empty cache for a model; with `max_kv_size` one that forgets the oldest tokens beyond so many."""
    layers = len(model.layers)
    if getattr(model, "keeps_state", False):  # of bounded size as it is
        made: list[Any] = model.make_cache()
        return made
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
    header = {f"0.{name}": value for name, value in (metadata or {}).items()}
    plain: list[tuple[str, str]] = []
    for index, one in enumerate(cache):
        name = type(one).__name__
        if name not in CLASSES:
            raise ValueError(f"save_prompt_cache: a {name} cannot be kept; it can be {', '.join(CLASSES)}")
        header[f"1.{index}"] = name
        for place, value in _leaves(one.state, str(index)):
            tensors[place], kind = _as_tensor(value)
            if kind:
                plain.append((place, kind))
    header["2.0"] = ""
    for number, (place, kind) in enumerate(plain, 1):
        header |= {f"2.{number}.0": place, f"2.{number}.1": kind}
    write_safetensors(Path(file_name), tensors, header)


def load_prompt_cache(file_name: str | Path, return_metadata: bool = False) -> Any:
    """The cache of a file of ours or of mlx-lm's, on the CPU; with `return_metadata` and what was kept beside it.

    Raises ModelLoadError for a file that is absent, damaged or of another kind.
    """
    file = SafetensorsFile(Path(file_name), CURE)
    header = file.metadata
    names = list(_numbered(header, "1.{}"))
    strange = sorted(set(names) - set(CLASSES))
    if strange:
        raise ModelLoadError(
            f"{file_name}: holds caches of the kind {', '.join(strange)}; read here are {', '.join(CLASSES)}"
        )
    kinds = dict(zip(_numbered(header, "2.{}.0", 1), _numbered(header, "2.{}.1", 1), strict=False))
    if not names or "2.0" not in header:
        raise ModelLoadError(f"{file_name} is no prompt cache; {CURE}")
    try:
        cache = [_restored(name, _state(file, kinds, str(index), MEMBERS[name])) for index, name in enumerate(names)]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelLoadError(f"{file_name}: its prompt cache is not whole ({error!r}); {CURE}") from error
    metadata = {name[2:]: value for name, value in header.items() if name.startswith("0.")}
    return (cache, metadata) if return_metadata else cache


def _leaves(state: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(state, tuple):
        for index, part in enumerate(state):
            yield from _leaves(part, f"{place}.{index}")
    else:
        yield place, state


def _as_tensor(value: Tensor | int | None) -> tuple[Tensor, str]:
    """With its kind, "" for a tensor. mlx-lm packs quantised numbers in words of four of our bytes."""
    if value is None:
        return torch.empty(0), ABSENT
    if isinstance(value, int):
        return torch.tensor(value, dtype=torch.int32), NUMBER
    value = value.contiguous()
    return value.view(torch.uint32) if value.dtype == torch.uint8 else value, ""


def _numbered(header: Mapping[str, str], pattern: str, first: int = 0) -> Iterator[str]:
    """Values of header fields whose names count up."""
    for number in count(first):
        name = pattern.format(number)
        if name not in header:
            return
        yield header[name]


def _state(file: SafetensorsFile, kinds: Mapping[str, str], place: str, members: int) -> tuple[Any, ...]:
    return tuple(_member(file, kinds, f"{place}.{index}") for index in range(members))


def _member(file: SafetensorsFile, kinds: Mapping[str, str], place: str) -> Any:
    """A tensor, a number, None, or the three tensors of a quantised part."""
    if f"{place}.0" in file.tensors:
        return _state(file, kinds, place, 3)
    match kinds.get(place):
        case None:
            tensor = file.read(place)
            return tensor.view(torch.uint8) if tensor.dtype == torch.uint32 else tensor
        case kind if kind == ABSENT:
            return None
        case kind if kind == NUMBER:
            return int(file.read(place).item())
        case kind:
            raise ValueError(f"{place} is of the kind {kind!r}")


def _restored(name: str, state: tuple[Any, ...]) -> Any:
    cache: Any = object.__new__(CLASSES[name])
    cache.state = state
    return cache
