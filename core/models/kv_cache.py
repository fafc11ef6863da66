"""The keys and values that a model has computed for a text: what a following token attends to.

A plain cache grows in steps of 256 tokens and can be cut back at its end. It holds what mlx-lm's class of the same
name holds after the same calls. Not safe from several threads at once; a cache belongs to one text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from core.models.quantized_cache import QuantizedKVCache

STEP = 256
"""tokens that a cache grows by"""

Mask = Tensor | Literal["causal"] | None
"""Which keys a query sees: True where it does, [queries, keys] or [B, 1, queries, keys]; "causal": all up to its own,
counted from the end; None: all."""


class Cache(Protocol):
    """What the decoder asks of any cache. `offset` is the number of tokens it has seen, for a batch one a row."""

    offset: Any

    def update_and_fetch(self, keys: Tensor, values: Tensor) -> tuple[Any, Any]:
        """Append [B, kv_heads, T, head_dim]; everything there is now."""
        ...

    def make_mask(self, count: int, window_size: int | None = None, return_array: bool = False) -> Mask:
        """The mask for `count` tokens that are about to be appended."""
        ...

    def is_trimmable(self) -> bool:
        """Whether `trim` takes tokens off the end without damage."""
        ...

    def trim(self, count: int) -> int:
        """Forget the last `count` tokens, or all there are; how many that was."""
        ...

    def size(self) -> int:
        """Tokens that it holds."""
        ...

    @property
    def nbytes(self) -> int:
        """Memory it takes, unused capacity included."""
        ...

    @property
    def state(self) -> tuple[Any, ...]:
        """What a file keeps; the setter takes it back."""
        ...


class FilledFromTheStart:
    """What caches have in common whose tokens lie in their order, `offset` of them, and can be cut back at the end."""

    keys: Any
    offset: int

    def make_mask(self, count: int, window_size: int | None = None, return_array: bool = False) -> Mask:
        """None for one token, "causal" for several, an array where a window or `return_array` asks for one."""
        return attention_mask(count, self.offset, window_size, return_array)

    def size(self) -> int:
        """Tokens that it holds."""
        return self.offset

    def empty(self) -> bool:
        """Whether nothing was ever put in."""
        return self.keys is None

    def is_trimmable(self) -> bool:
        """Always."""
        return True

    def trim(self, count: int) -> int:
        """Forget the last `count` tokens, or all there are; how many that was."""
        count = min(self.offset, count)
        self.offset -= count
        return count


class KVCache(FilledFromTheStart):
    """Keys and values [1, kv_heads, capacity, head_dim], contiguous; `offset` of them are filled."""

    step = STEP

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.offset = 0

    def update_and_fetch(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append [B, kv_heads, T, head_dim]; views of all there is."""
        start = self.offset
        end = start + keys.shape[2]
        all_keys, all_values = self._room(end, keys, values)
        all_keys[:, :, start:end] = keys
        all_values[:, :, start:end] = values
        self.offset = end
        return all_keys[:, :, :end], all_values[:, :, :end]

    def reserve(self, count: int) -> None:
        """Capacity for `count` more tokens. Raises ValueError for a cache that never held any: it has no shape yet."""
        if self.keys is None or self.values is None:
            raise ValueError("KVCache.reserve: an empty cache has no shape yet; use reserve_like")
        self._room(self.offset + count, self.keys, self.values)

    def reserve_like(self, count: int, keys: Tensor, values: Tensor) -> None:
        """As `reserve`, with heads, head_dim, type and place of keys and values [B, kv_heads, any, head_dim]."""
        self._room(self.offset + count, keys, values)

    def to_quantized(self, group_size: int = 64, bits: int = 4) -> QuantizedKVCache:
        """The same tokens in fewer bits."""
        from core.models.quantized_cache import QuantizedKVCache

        quantized = QuantizedKVCache(group_size=group_size, bits=bits)
        if self.keys is not None and self.values is not None and self.offset:
            quantized.update_and_fetch(self.keys[:, :, : self.offset], self.values[:, :, : self.offset])
        return quantized

    @property
    def nbytes(self) -> int:
        """Memory it takes, unused capacity included."""
        return 0 if self.keys is None or self.values is None else self.keys.nbytes + self.values.nbytes

    @property
    def state(self) -> tuple[Tensor | None, Tensor | None, int]:
        """Keys, values and offset, without the unused capacity."""
        if self.keys is None or self.values is None:
            return None, None, self.offset
        return self.keys[:, :, : self.offset], self.values[:, :, : self.offset], self.offset

    @state.setter
    def state(self, state: tuple[Tensor | None, Tensor | None, int]) -> None:
        keys, values, self.offset = state
        self.keys = None if keys is None else keys.contiguous()
        self.values = None if values is None else values.contiguous()

    def _room(self, needed: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values with room for `needed` tokens in all, of the type that is put in: a file may hold another."""
        if self.keys is None or self.values is None or needed > self.keys.shape[2] or self.keys.dtype != keys.dtype:
            capacity = -(-needed // self.step) * self.step
            self.keys = grown(self.keys, self.offset, capacity, keys)
            self.values = grown(self.values, self.offset, capacity, values)
        return self.keys, self.values


def grown(old: Tensor | None, filled: int, capacity: int, like: Tensor) -> Tensor:
    """`old`'s first `filled` tokens in a tensor of `capacity` tokens, zeros behind; shape and type from `like`."""
    batch, heads, _, head_dim = like.shape
    new = zeros((batch, heads, capacity, head_dim), like)
    if old is not None:
        new[:, :, :filled] = old[:, :, :filled]
    return new


def zeros(shape: tuple[int, ...], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Zeros that may be written to inside inference mode and outside, whichever it is now."""
    with torch.inference_mode(False):
        return torch.zeros(shape, dtype=dtype or like.dtype, device=like.device)


def bring(cache: Sequence[Any], device: torch.device) -> None:
    """Move to a device what lies elsewhere, in place: a cache from a file is on the CPU."""
    for one in cache:
        for name in ("keys", "values"):
            held = getattr(one, name)
            if isinstance(held, tuple) and held[0].device != device:
                setattr(one, name, tuple(_moved(part, device) for part in held))
            elif isinstance(held, Tensor) and held.device != device:
                setattr(one, name, _moved(held, device))


def _moved(held: Tensor, device: torch.device) -> Tensor:
    """May be written to inside inference mode and outside."""
    with torch.inference_mode(False):
        return held.to(device)


def attention_mask(count: int, offset: int, window_size: int | None = None, return_array: bool = False) -> Mask:
    """The mask of `count` new tokens behind `offset` older ones."""
    if window_size is None and not return_array:
        return None if count == 1 else "causal"
    return causal_mask(count, offset, window_size)


def causal_mask(count: int, offset: int, window_size: int | None = None, device: torch.device | str = "cpu") -> Tensor:
    """True where query i, at position offset + i, sees key j: up to its own, and no more than the window back."""
    queries = torch.arange(offset, offset + count, device=device).unsqueeze(1)
    keys = torch.arange(offset + count, device=device)
    seen = queries >= keys
    return seen if window_size is None else seen & (queries < keys + window_size)
