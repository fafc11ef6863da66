"""A prompt cache in 8, 4 or 2 bits a number: groups of numbers along a head share a scale and a bias.

A number is scale * q + bias. The end of a group that is farther from zero is kept exactly, as mlx's affine
quantisation does it, and the same numbers come back. Reading dequantises everything: it saves memory, not time.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from core.models.kv_cache import STEP, FilledFromTheStart, grown

Quantized = tuple[Tensor, Tensor, Tensor]
"""packed uint8 [..., dim * bits / 8], scales and biases [..., dim / group_size]"""

BITS = (2, 4, 8)
GROUP_SIZES = (32, 64, 128)
SMALLEST_SCALE = 1e-7


def quantize(x: Tensor, group_size: int, bits: int) -> Quantized:
    """`x` [..., dim] in groups along the last dimension, least significant bits first."""
    levels = 2**bits - 1
    groups = _grouped(x.float(), group_size)
    lowest, highest = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    from_below = lowest.abs() > highest.abs()
    edge = torch.where(from_below, lowest, highest)
    scale = ((highest - lowest) / levels).clamp(min=SMALLEST_SCALE)
    scale = torch.where(from_below, scale, -scale)
    steps = torch.round(edge / scale)
    scale = torch.where(steps == 0, scale, edge / steps)
    bias = torch.where(steps == 0, torch.zeros_like(edge), edge)
    codes = torch.round((groups - bias) / scale).clamp(0, levels).to(torch.uint8).flatten(-2)
    return _packed(codes, bits), scale.squeeze(-1).to(x.dtype), bias.squeeze(-1).to(x.dtype)


def dequantize(quantized: Quantized, group_size: int, bits: int, dtype: torch.dtype) -> Tensor:
    """[..., dim] of `dtype`."""
    packed, scales, biases = quantized
    codes = _grouped(_unpacked(packed, bits), group_size)
    return (codes * scales.unsqueeze(-1) + biases.unsqueeze(-1)).flatten(-2).to(dtype)


def _grouped(x: Tensor, size: int) -> Tensor:
    """[..., n] as [..., n / size, size]."""
    return x.reshape(*x.shape[:-1], -1, size)


def dequantized(cache: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """All keys and values of a quantised cache."""
    keys, values = cache.keys_and_values()
    return dequantize(keys, cache.group_size, cache.bits, dtype), dequantize(
        values, cache.group_size, cache.bits, dtype
    )


class QuantizedKVCache(FilledFromTheStart):
    """Keys and values as (packed, scales, biases), each [1, kv_heads, capacity, ...]."""

    step = STEP

    def __init__(self, group_size: int = 64, bits: int = 8) -> None:
        if bits not in BITS or group_size not in GROUP_SIZES:
            raise ValueError(f"QuantizedKVCache: {bits} bits in groups of {group_size}; bits {BITS}, {GROUP_SIZES}")
        self.keys: Quantized | None = None
        self.values: Quantized | None = None
        self.offset = 0
        self.group_size = group_size
        self.bits = bits

    def update_and_fetch(self, keys: Tensor, values: Tensor) -> tuple[Quantized, Quantized]:
        """Append [B, kv_heads, T, head_dim]; all there is, quantised. Raises ValueError where groups do not fit."""
        if keys.shape[-1] % self.group_size or values.shape[-1] % self.group_size:
            width = keys.shape[-1]
            fits = [size for size in GROUP_SIZES if width % size == 0]
            cure = f"take {fits[-1]}" if fits else "none does: leave kv_bits out"
            raise ValueError(f"kv_group_size {self.group_size} does not divide a head of {width}; {cure}")
        start, end = self.offset, self.offset + keys.shape[2]
        new_keys = quantize(keys, self.group_size, self.bits)
        new_values = quantize(values, self.group_size, self.bits)
        self.keys = self._appended(self.keys, start, end, new_keys)
        self.values = self._appended(self.values, start, end, new_values)
        self.offset = end
        return self.keys_and_values()

    def keys_and_values(self) -> tuple[Quantized, Quantized]:
        """Views of what is filled."""
        return _cut(self.keys, self.offset), _cut(self.values, self.offset)

    @property
    def nbytes(self) -> int:
        """Memory it takes, unused capacity included."""
        return sum(part.nbytes for parts in (self.keys, self.values) if parts is not None for part in parts)

    @property
    def state(self) -> tuple[Any, Any, int, int, int]:
        """Keys, values, offset, group size and bits."""
        if self.keys is None:
            return None, None, self.offset, self.group_size, self.bits
        return *self.keys_and_values(), self.offset, self.group_size, self.bits

    @state.setter
    def state(self, state: tuple[Any, Any, int, int, int]) -> None:
        keys, values, self.offset, self.group_size, self.bits = state
        self.keys = None if keys is None else cast(Quantized, tuple(keys))
        self.values = None if values is None else cast(Quantized, tuple(values))

    def _appended(self, old: Quantized | None, start: int, end: int, new: Quantized) -> Quantized:
        if old is None or end > old[0].shape[2]:
            capacity = -(-end // self.step) * self.step
            held = (None, None, None) if old is None else old
            old = cast(Quantized, tuple(grown(one, start, capacity, like) for one, like in zip(held, new, strict=True)))
        for whole, part in zip(old, new, strict=True):
            whole[:, :, start:end] = part
        return old


def _cut(parts: Quantized | None, end: int) -> Quantized:
    assert parts is not None, "a quantised cache is read only after something was put in"
    packed, scales, biases = parts
    return packed[:, :, :end], scales[:, :, :end], biases[:, :, :end]


def _packed(codes: Tensor, bits: int) -> Tensor:
    if bits == 8:
        return codes
    parts = _grouped(codes, 8 // bits)
    packed = parts[..., 0].clone()
    for index in range(1, 8 // bits):
        packed |= parts[..., index] << (index * bits)
    return packed


def _unpacked(packed: Tensor, bits: int) -> Tensor:
    if bits == 8:
        return packed
    return torch.stack([(packed >> shift) & (2**bits - 1) for shift in range(0, 8, bits)], dim=-1).flatten(-2)
