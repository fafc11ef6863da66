"""A decoder's step for one token by its own modules, in a form that a CUDA graph can record.

They see all the room that a cache has, which a mask cuts to what is filled; where, a tensor on the card says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.models.ahead import Registers
from core.models.decoder import attention_kernels
from core.models.kv_cache import KVCache

if TYPE_CHECKING:
    from core.models.decoder import Decoder


class ModulesStep:
    """Calling it computes one token: reads and moves on `registers`, appends to `caches`, whose room is reserved."""

    def __init__(
        self, decoder: Decoder, caches: Sequence[KVCache], registers: Registers, tables: tuple[Tensor, Tensor]
    ) -> None:
        self._decoder, self._registers, self._tables = decoder, registers, tables
        self._slots = [_Slot(one, registers.position) for one in caches]
        self._places = torch.arange(self._slots[0].room, device=decoder.device)

    def __call__(self) -> None:
        """Launch everything."""
        decoder, registers = self._decoder, self._registers
        cosines, sines = self._tables
        hidden = decoder.embed(registers.token)
        rotation = cosines.index_select(0, registers.position), sines.index_select(0, registers.position)
        mask = (self._places <= registers.position)[None, None, None]
        with attention_kernels(hidden.device):
            for layer, slot in zip(decoder.layers, self._slots, strict=True):
                hidden = layer(hidden, rotation, mask, slot)
        registers.logits.copy_(decoder.head(decoder.model.norm(hidden))[0])
        registers.logprobs.copy_(torch.log_softmax(registers.logits, dim=-1))
        likeliest = registers.logprobs.argmax(-1, keepdim=True)
        registers.token.copy_(likeliest)
        registers.told[0].copy_(likeliest[0, 0])
        registers.told[1].copy_(registers.logprobs.gather(1, likeliest)[0, 0])
        registers.position.add_(1).clamp_(max=self._slots[0].room - 1)


class _Slot:
    """A layer's place in a cache, written to where a tensor on the card says."""

    def __init__(self, cache: KVCache, position: Tensor) -> None:
        assert cache.keys is not None, "room was reserved"
        assert cache.values is not None, "room was reserved"
        self._keys, self._values = cache.keys, cache.values
        self._position = position

    @property
    def room(self) -> int:
        """Tokens that it can hold."""
        return int(self._keys.shape[2])

    def update_and_fetch(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write one token's; all the room there is, which the mask cuts to what is filled."""
        self._keys.index_copy_(2, self._position, keys)
        self._values.index_copy_(2, self._position, values)
        return self._keys, self._values
