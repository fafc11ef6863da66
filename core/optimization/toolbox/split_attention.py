"""Attention whose projections are layers of their own, in place of torch's: to be quantised, and to lose heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.optimization.toolbox.channel_groups import Removal
from core.optimization.toolbox.graphs import replace_module
from core.utils.errors import OptimizationError


class SplitAttention(nn.Module):
    """nn.MultiheadAttention's forward with `heads` heads of `size`; projections [heads * size, width].

    Made for queries, keys and values of one width, without added biases.
    """

    in_proj_bias = None
    """tells nn.TransformerEncoderLayer not to take its short cut past this module"""
    _qkv_same_embed_dim = True

    def __init__(self, like: nn.MultiheadAttention, kept: Tensor) -> None:
        """`kept`: indices of the heads that stay, ascending."""
        super().__init__()
        self.heads, self.size = len(kept), like.embed_dim // like.num_heads
        self.num_heads, self.embed_dim = self.heads, like.embed_dim
        self.batch_first = like.batch_first
        rows = (kept.view(-1, 1) * self.size + torch.arange(self.size)).flatten()
        weight, bias = like.in_proj_weight.detach(), like.in_proj_bias
        self.q, self.k, self.v = (
            _linear(part[rows], None if bias is None else bias.detach().chunk(3)[at][rows])
            for at, part in enumerate(weight.chunk(3))
        )
        out = like.out_proj
        self.out = _linear(out.weight.detach()[:, rows], None if out.bias is None else out.bias.detach())

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As torch's: [batch, length, width] with batch_first, else [length, batch, width]; and weights when wanted."""
        if not self.batch_first:
            query, key, value = (one.transpose(0, 1) for one in (query, key, value))
        q, k, v = (
            project(given).unflatten(-1, (self.heads, self.size)).transpose(1, 2)
            for project, given in ((self.q, query), (self.k, key), (self.v, value))
        )
        mask = _mask(attn_mask, key_padding_mask, q, self.heads)
        weights = None
        if need_weights:
            scores = q @ k.transpose(-1, -2) / self.size**0.5
            weights = (scores if mask is None else scores + mask).softmax(dim=-1)
            attended = weights @ v
            weights = weights.mean(dim=1) if average_attn_weights else weights
        else:
            attended = F.scaled_dot_product_attention(q, k, v, mask)
        y = self.out(attended.transpose(1, 2).flatten(2))
        return (y if self.batch_first else y.transpose(0, 1)), weights


def prune_heads(work: nn.Module, ratio: float) -> list[Removal]:
    """Replace each nn.MultiheadAttention of the model itself by one without the heads whose weights are smallest.

    Source: Michel et al., Are Sixteen Heads Really Better than One?, arXiv 1905.10650, by weights instead of gradients.
    """
    removals = []
    for name, module in _attentions(work):
        wanted = max(1, round(module.num_heads * (1 - ratio)))
        if wanted < module.num_heads:
            kept = _scores(module).topk(wanted).indices.sort().values
            replace_module(work, module, SplitAttention(module, kept).eval())
            removals.append(Removal((name,), module.num_heads, wanted))
    if removals:
        no_short_cuts(work)
    return removals


def head_counts(work: nn.Module) -> list[int]:
    """Heads of each nn.MultiheadAttention that prune_heads looks at."""
    return [module.num_heads for _, module in _attentions(work)]


def split_attentions(work: nn.Module, heads: Mapping[str, int] | None = None) -> list[str]:
    """Replace each nn.MultiheadAttention of the model itself, or those named in `heads`, which says how many heads
    they will have; the names."""
    names = []
    for name, module in _attentions(work):
        if heads is not None and name not in heads:
            continue
        count = module.num_heads if heads is None else heads[name]
        replace_module(work, module, SplitAttention(module, torch.arange(count)).train(module.training))
        names.append(name)
    no_short_cuts(work)
    return names


def no_short_cuts(work: nn.Module) -> None:
    """Torch's transformer layers then call their parts, instead of reading weights out of them for a fused operator."""
    for module in work.modules():
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
        elif isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0


def heads_of(model: nn.Module) -> dict[str, int]:
    """Heads of each attention that was split, by name."""
    return {name: module.heads for name, module in model.named_modules() if isinstance(module, SplitAttention)}


def _attentions(work: nn.Module) -> list[tuple[str, nn.MultiheadAttention]]:
    """Those that can be split, by name."""
    return [
        (name, module)
        for name, module in work.named_modules()
        if isinstance(module, nn.MultiheadAttention) and name and _can_be_split(module)
    ]


def _can_be_split(module: nn.MultiheadAttention) -> bool:
    return module.in_proj_weight is not None and module.bias_k is None and not module.add_zero_attn


def _scores(module: nn.MultiheadAttention) -> Tensor:
    """L1 norms of each head's output columns times those of its value rows."""
    size = module.embed_dim // module.num_heads
    values = module.in_proj_weight.detach().chunk(3)[2].abs().sum(dim=1)
    outputs = module.out_proj.weight.detach().abs().sum(dim=0)
    return (values * outputs).view(module.num_heads, size).sum(dim=1)


def _mask(attn_mask: Tensor | None, padding: Tensor | None, q: Tensor, heads: int) -> Tensor | None:
    """Both as numbers to add to scores [batch, heads, length, length]."""
    mask = None if attn_mask is None else _additive(attn_mask, q)
    if mask is not None and mask.dim() == 3:
        mask = mask.view(len(q), -1, *mask.shape[1:])
        if mask.shape[1] > heads and not torch.equal(mask, mask[:, :1].expand_as(mask)):
            raise OptimizationError(
                "its attention gives each head a mask of its own, and heads were removed: which one is whose is not "
                "known any more; prune unstructured"
            )
        mask = mask[:, :heads]
    if padding is None:
        return mask
    padded = _additive(padding, q)[:, None, None, :]
    return padded if mask is None else mask + padded


def _additive(mask: Tensor, q: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=q.dtype, device=q.device).masked_fill(mask, float("-inf"))


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    made: Any = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    made.weight = nn.Parameter(weight.clone())
    if bias is not None:
        made.bias = nn.Parameter(bias.clone())
    linear: nn.Linear = made
    return linear
