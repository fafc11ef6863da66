"""openai-whisper's text decoder with its weights in int8 beside the float32 ones: a step of it reads a quarter.

A step on a CPU waits for memory, most of all for the vocabulary's rows. Each row has one scale; inputs are bfloat16.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from whisper.model import TextDecoder

_FEW_ROWS = 8
"""up to so many the product with int8 is the quicker one"""


class PackedLinear(nn.Module):
    """x @ weight.T + bias of [..., n, width] `x`; the rows of `weight` in int8 where n is small."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        scales = weight.detach().abs().amax(dim=1).clamp(min=1e-12) / 127
        self._packed = (weight.detach() / scales[:, None]).round_().to(torch.int8)
        self._scales = scales.to(torch.bfloat16)
        self._weight, self._bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] > _FEW_ROWS:
            return F.linear(x, self._weight, self._bias)
        rows = x.flatten(0, -2).to(torch.bfloat16)
        product: Tensor = torch.ops.aten._weight_int8pack_mm(rows, self._packed, self._scales)
        product = product.to(x.dtype).view(*x.shape[:-1], -1)
        return product if self._bias is None else product + self._bias


def packed(decoder: TextDecoder) -> Any:
    """A decoder that shares `decoder`'s weights and holds them in int8 as well; `head` is its product with the rows.

    Keys and values of the sound, of which there are many at once, are left as they are.
    """
    shared = {id(one): one for one in (*decoder.parameters(), *decoder.buffers())}
    twin: Any = copy.deepcopy(decoder, shared)
    for block in twin.blocks:
        for parent, names in ((block.attn, ("query", "key", "value", "out")), (block.cross_attn, ("query", "out"))):
            for name in names:
                setattr(parent, name, _packed(getattr(parent, name)))
        block.mlp[0], block.mlp[2] = _packed(block.mlp[0]), _packed(block.mlp[2])
    twin.head = PackedLinear(decoder.token_embedding.weight)
    return twin.eval()


def _packed(linear: nn.Linear) -> PackedLinear:
    return PackedLinear(linear.weight, linear.bias)
