"""Rotary positions: the frequencies of each scaling, and a table of cosines and sines that grows as it is read.

Halves are rotated as Hugging Face's Llama does it. Sources: Su et al. 2021 (RoPE), Peng et al. 2023 (YaRN), and the
released configuration of Llama 3.1 for its own scaling.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.models.configuration import DecoderConfig, RopeScaling

TABLE_STEP = 1024
"""positions that the table grows by"""


def inverse_frequencies(config: DecoderConfig) -> Tensor:
    """Radians per position of each pair of a head, float32 [head_dim / 2]."""
    dim, base, scaling = config.head_dim, config.rope_theta, config.rope_scaling
    plain = 1.0 / (base ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
    if scaling.kind == "linear":
        return plain / scaling.factor
    if scaling.kind == "llama3":
        return _llama3(plain, scaling)
    if scaling.kind == "yarn":
        return _yarn(plain, base, scaling)
    return plain


def _llama3(plain: Tensor, scaling: RopeScaling) -> Tensor:
    """Long waves are stretched by the factor, short ones left alone, those between are mixed."""
    turns = scaling.original_max_positions * plain / (2 * math.pi)
    """how often a pair turns within the original context"""
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    share = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return plain * (share + (1.0 - share) / scaling.factor)


def _yarn(plain: Tensor, base: float, scaling: RopeScaling) -> Tensor:
    dim = 2 * plain.numel()

    def pair_that_turns(times: float) -> float:
        return dim * math.log(scaling.original_max_positions / (times * 2 * math.pi)) / (2 * math.log(base))

    low = max(math.floor(pair_that_turns(scaling.beta_fast)), 0)
    high = min(math.ceil(pair_that_turns(scaling.beta_slow)), dim - 1)
    ramp = ((torch.arange(plain.numel(), dtype=torch.float32) - low) / max(high - low, 0.001)).clamp(0.0, 1.0)
    return plain * (1.0 - ramp) + plain / scaling.factor * ramp


class RotaryTable:
    """Cosines and sines by position. The sines' first half is negative, so that a roll by half a head rotates."""

    def __init__(self, config: DecoderConfig) -> None:
        self._config = config
        self._cosines = self._sines = torch.empty(0, device="cpu")

    def rows(self, start: int, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Positions start .. start+count-1, two tensors [count, head_dim] of `like`'s type and place."""
        self._grow(start + count, like)
        return self._cosines[start : start + count], self._sines[start : start + count]

    def at(self, positions: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Positions [B, T], those below 0 as 0; two tensors [B, 1, T, head_dim]."""
        kept = positions.clamp(min=0)
        self._grow(int(kept.max()) + 1, like)
        return self._cosines[kept].unsqueeze(1), self._sines[kept].unsqueeze(1)

    def _grow(self, needed: int, like: Tensor) -> None:
        table = self._cosines
        if table.shape[0] >= needed and table.dtype == like.dtype and table.device == like.device:
            return
        size = math.ceil(max(needed, table.shape[0]) / TABLE_STEP) * TABLE_STEP
        with torch.inference_mode(False):
            angles = torch.outer(torch.arange(size, dtype=torch.float32), inverse_frequencies(self._config))
            scale = self._config.rope_scaling.attention_factor
            cosines, sines = angles.cos() * scale, angles.sin() * scale
            self._sines = torch.cat((-sines, sines), dim=-1).to(like.device, like.dtype)
            self._cosines = torch.cat((cosines, cosines), dim=-1).to(like.device, like.dtype)


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """`x` [B, H, T, head_dim] turned by its positions' angles."""
    return torch.addcmul(x * cosines, x.roll(x.shape[-1] // 2, -1), sines)
