"""A cache of bounded size: the oldest tokens give way to new ones, except the first `keep`.

A single token is written over the oldest in place, so tokens lie in a ring; several at once bring the ring into
order first and may leave it longer than `max_size`, so that each of them sees as much as it would alone. Order,
offset and trimming are those of mlx-lm's class.
"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor

from core.models.kv_cache import STEP, Mask, causal_mask, zeros


class RotatingKVCache:
    """Keys and values [1, kv_heads, up to max_size, head_dim]; `offset` counts all tokens it ever took."""

    step = STEP

    def __init__(self, max_size: int, keep: int = 0) -> None:
        if not 0 <= keep < max_size:
            raise ValueError(f"RotatingKVCache: keep {keep} must be at least 0 and below max_size {max_size}")
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.offset = 0
        self.max_size = max_size
        self.keep = keep
        self._next = 0
        """where the next single token goes"""

    def update_and_fetch(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append [B, kv_heads, T, head_dim]; what the new tokens attend to."""
        if keys.shape[2] == 1:
            return self._write(keys, values)
        return self._extend(keys, values)

    def make_mask(self, count: int, window_size: int | None = None, return_array: bool = False) -> Mask:
        """For several tokens what each sees of the extended cache; for one, all unless a window is narrower."""
        if count > 1:
            window = window_size or self.max_size
            before = min(self.max_size - 1, self.offset)
            if before + count > window or return_array:
                return causal_mask(count, before, window)
            return "causal"
        if window_size is None or self.offset < window_size or self.max_size <= window_size:
            return None
        held = min(self.offset + 1, self.max_size)
        at = 0 if self._next >= self.max_size else self._next
        return (torch.arange(held) >= held - window_size).roll(at + 1).unsqueeze(0)

    def size(self) -> int:
        """Tokens that it holds."""
        return min(self.offset, self.max_size)

    def empty(self) -> bool:
        """Whether nothing was ever put in."""
        return self.keys is None

    def is_trimmable(self) -> bool:
        """Only until the first token has given way."""
        return self.offset < self.max_size

    def trim(self, count: int) -> int:
        """Forget the last `count` tokens, or all there are; how many that was."""
        count = min(self.offset, count)
        self.offset -= count
        self._next -= count
        return count

    def to_quantized(self, group_size: int = 64, bits: int = 4) -> NoReturn:
        """Raises NotImplementedError, as mlx-lm's class does."""
        raise NotImplementedError(
            f"a rotating cache cannot be quantised to {bits} bits; give either max_kv_size or kv_bits"
        )

    @property
    def nbytes(self) -> int:
        """Memory it takes, unused capacity included."""
        return 0 if self.keys is None or self.values is None else self.keys.nbytes + self.values.nbytes

    @property
    def state(self) -> tuple[Tensor | None, Tensor | None, int, int, int, int]:
        """Keys, values, offset, keep, max_size and the place of the next token."""
        return self.keys, self.values, self.offset, self.keep, self.max_size, self._next

    @state.setter
    def state(self, state: tuple[Tensor | None, Tensor | None, int, int, int, int]) -> None:
        self.keys, self.values, self.offset, self.keep, self.max_size, self._next = state

    def in_order(self, x: Tensor) -> Tensor:
        """Keys or values from the oldest token to the newest, unused capacity cut off."""
        if self._next == x.shape[2]:
            return x
        if self._next < self.offset:
            return torch.cat((x[:, :, : self.keep], x[:, :, self._next :], x[:, :, self.keep : self._next]), dim=2)
        return x[:, :, : self._next]

    def _extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Several tokens: the newest max_size - 1 stay before them."""
        with torch.inference_mode(False):
            if self.keys is None or self.values is None:
                self.keys, self.values = keys.clone(), values.clone()
            else:
                old_keys, old_values = self.in_order(self.keys), self.in_order(self.values)
                drop = old_keys.shape[2] - self.max_size + 1
                self.keys = torch.cat((self._without(old_keys, drop), keys), dim=2)
                self.values = torch.cat((self._without(old_values, drop), values), dim=2)
        self.offset += keys.shape[2]
        self._next = self.keys.shape[2]
        return self.keys, self.values

    def _write(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """One token, in place."""
        all_keys, all_values = self._room(keys, values)
        drop = all_keys.shape[2] - self.max_size
        if drop > 0:
            all_keys, all_values = self._without(all_keys, drop), self._without(all_values, drop)
            self._next = self.max_size
        if self._next == self.max_size:
            self._next = self.keep
        all_keys[:, :, self._next : self._next + 1] = keys
        all_values[:, :, self._next : self._next + 1] = values
        self.offset += 1
        self._next += 1
        self.keys, self.values = all_keys, all_values
        return all_keys[:, :, : self.offset], all_values[:, :, : self.offset]

    def _room(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values with room for one more, until they are of full size."""
        old_keys, old_values = self.keys, self.values
        if old_keys is not None and old_values is not None:
            old_keys, old_values = old_keys.to(keys.dtype), old_values.to(values.dtype)  # a file may hold another type
            held = old_keys.shape[2]
            if self.offset < held or held >= self.max_size:
                return old_keys, old_values
        more = min(self.step, self.max_size - self.offset)
        self._next = self.offset
        return _longer(old_keys, more, keys), _longer(old_values, more, values)

    def _without(self, x: Tensor, drop: int) -> Tensor:
        """`x` without the `drop` oldest tokens behind those to keep, in memory of its own."""
        if drop <= 0:
            return x
        with torch.inference_mode(False):
            return torch.cat((x[:, :, : self.keep], x[:, :, drop + self.keep :]), dim=2)


def _longer(old: Tensor | None, more: int, like: Tensor) -> Tensor:
    batch, heads, _, head_dim = like.shape
    filled = 0 if old is None else old.shape[2]
    new = zeros((batch, heads, filled + more, head_dim), like)
    if old is not None:
        new[:, :, :filled] = old
    return new
