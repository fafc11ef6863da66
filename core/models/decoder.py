"""Our own decoder for the Llama family: Llama, Mistral, Qwen2, Qwen3 and SmolLM3, with Hugging Face's weight names.

Agrees with transformers within 1e-4 in float32. Attends through torch's fused kernel, keeps keys and values in caches
that the caller owns, and computes the output head only where it is asked for. No training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.configuration import DecoderConfig
from core.models.kv_cache import Cache, KVCache, Mask, bring, causal_mask
from core.models.quantized_cache import dequantized
from core.models.rope import RotaryTable, rotate

Logits = Literal["all", "last", "none"]
Rotation = tuple[Tensor, Tensor]


class RMSNorm(nn.Module):
    """Divides by the root mean square, computed in float32."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """The same shape and type as `x`."""
        if x.dtype == torch.float32 or x.is_cuda:  # one kernel; on a CPU torch's own rounds halves otherwise than this
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        self.rotates = config.rope_layers[layer]
        inner, kv_inner = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden, inner, bias=config.qkv_bias)
        self.k_proj = nn.Linear(config.hidden, kv_inner, bias=config.qkv_bias)
        self.v_proj = nn.Linear(config.hidden, kv_inner, bias=config.qkv_bias)
        self.o_proj = nn.Linear(inner, config.hidden, bias=config.output_bias)
        self.q_norm = RMSNorm(config.head_dim, config.rms_eps) if config.qk_norm else None
        self.k_norm = RMSNorm(config.head_dim, config.rms_eps) if config.qk_norm else None

    def forward(self, x: Tensor, rotation: Rotation, mask: Mask, cache: Cache | None) -> Tensor:
        """`x` [B, T, hidden]."""
        batch, count, _ = x.shape
        queries = self.q_proj(x).view(batch, count, self.heads, self.head_dim)
        keys = self.k_proj(x).view(batch, count, self.kv_heads, self.head_dim)
        values = self.v_proj(x).view(batch, count, self.kv_heads, self.head_dim).transpose(1, 2)
        if self.q_norm is not None and self.k_norm is not None:
            queries, keys = self.q_norm(queries), self.k_norm(keys)
        queries, keys = queries.transpose(1, 2), keys.transpose(1, 2)
        if self.rotates:
            queries, keys = rotate(queries, *rotation), rotate(keys, *rotation)
        if cache is not None:
            keys, values = cache.update_and_fetch(keys, values)
            if isinstance(keys, tuple):
                keys, values = dequantized(cache, queries.dtype)
            elif keys.dtype != queries.dtype:
                keys, values = keys.to(queries.dtype), values.to(queries.dtype)
        attended = attend(queries, keys, values, mask)
        projected: Tensor = self.o_proj(attended.transpose(1, 2).reshape(batch, count, -1))
        return projected


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Mask) -> Tensor:
    """Queries [B, heads, T, head_dim] over keys and values [B, kv_heads, S, head_dim]; like the queries."""
    batch, heads, count, head_dim = queries.shape
    kv_heads = keys.shape[1]
    array = None if isinstance(mask, str) else mask
    if count == 1:
        # The query heads of a group are so many queries of one key head: nothing is repeated.
        folded = queries.reshape(batch, kv_heads, heads // kv_heads, head_dim)
        # On a card the result's strides are not the query's, so it is no view.
        return F.scaled_dot_product_attention(folded, keys, values, attn_mask=array).reshape(batch, heads, 1, head_dim)
    return F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=array, is_causal=mask == "causal" if array is None else False, enable_gqa=True
    )


def attention_kernels(device: torch.device) -> AbstractContextManager[Any]:
    """The block to attend in. On a card cuDNN is left out: it plans each new length anew, for longer than a step."""
    if device.type != "cuda":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kernels: AbstractContextManager[Any] = sdpa_kernel(
        [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    )
    return kernels


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.intermediate, bias=config.mlp_bias)
        self.up_proj = nn.Linear(config.hidden, config.intermediate, bias=config.mlp_bias)
        self.down_proj = nn.Linear(config.intermediate, config.hidden, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        """`x` [B, T, hidden]."""
        inner = F.silu(self.gate_proj(x), inplace=True)  # nothing else holds it, and new memory costs time
        out: Tensor = self.down_proj(inner.mul_(self.up_proj(x)))
        return out


class Layer(nn.Module):
    """Attention and MLP, each behind a norm and added to what came in."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.self_attn = Attention(config, layer)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden, config.rms_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden, config.rms_eps)

    def forward(self, x: Tensor, rotation: Rotation, mask: Mask, cache: Cache | None) -> Tensor:
        """`x` [B, T, hidden]."""
        x = self.self_attn(self.input_layernorm(x), rotation, mask, cache).add_(x)
        out: Tensor = self.mlp(self.post_attention_layernorm(x)).add_(x)
        return out


class Embedding(nn.Embedding):
    """Begins with no numbers: drawing them without storage imports torch's compiler, seconds for nothing."""

    def reset_parameters(self) -> None:
        """Weights come from a file."""


class Trunk(nn.Module):
    """Everything under `model.` in a checkpoint."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embed_tokens: nn.Module = Embedding(config.vocab, config.hidden)
        self.layers = nn.ModuleList(Layer(config, layer) for layer in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.rms_eps)


class Decoder(nn.Module):
    """Tokens in, logits out. Made without weights: core.models.loading fills them in.

    `fused` is None or the CPU engine of core.models.fused, which takes one text at a time over plain caches.
    `inference_context` makes the block that the decoding loop computes in. `packing_s` of its loading the next one is
    spared: the packed weights are kept.
    """

    batches = True
    """whether several texts go through it at once"""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head: nn.Module | None = None
        if not config.tie_embeddings:
            self.lm_head = nn.Linear(config.hidden, config.vocab, bias=False)
        self.rotary = RotaryTable(config)
        self.fused: Any = None
        self.packing_s = 0.0
        self.inference_context: Callable[[], AbstractContextManager[Any]] = torch.inference_mode

    @property
    def layers(self) -> nn.ModuleList:
        """One a layer; a prompt cache has as many members."""
        return self.model.layers

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What activations are computed in."""
        return self.model.norm.weight.dtype

    @property
    def max_positions(self) -> int | None:
        """Tokens of the longest text it was made for."""
        return self.config.max_positions

    @property
    def vocab(self) -> int:
        """Tokens that it knows, from 0."""
        return self.config.vocab

    @torch.inference_mode()
    def forward(
        self,
        tokens: Tensor | None,
        cache: Sequence[Cache] | None = None,
        input_embeddings: Tensor | None = None,
        logits: Logits = "all",
    ) -> Tensor | None:
        """Logits [B, T, vocab], of the last token [B, 1, vocab], or None; float32.

        `tokens` [B, T] int64; `input_embeddings` [B, T, hidden] take their place. `cache` is changed in place.
        """
        if self.fused is not None and input_embeddings is None and cache is not None and tokens is not None:
            taken = self._fused(tokens, cache, logits)
            if taken is not NotImplemented:
                return None if taken is None else taken.unsqueeze(0)
        if input_embeddings is not None:
            hidden = input_embeddings.to(self.device, self.dtype)
        elif tokens is not None:
            hidden = self.embed(tokens.to(self.device))
        else:
            raise ValueError("Decoder: neither tokens nor input_embeddings were given")
        hidden = self._run(hidden, cache)
        if logits == "none":
            return None
        if logits == "last":
            hidden = hidden[:, -1:]
        return self.head(self.model.norm(hidden))

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings [B, T, hidden] of tokens [B, T]."""
        table: Any = self.model.embed_tokens
        if isinstance(table, nn.Embedding):
            return F.embedding(tokens, table.weight)
        rows: Tensor = table.rows(tokens.reshape(-1))
        return rows.view(*tokens.shape, -1)

    def head(self, hidden: Tensor) -> Tensor:
        """Float32 logits [..., vocab] of normed states [..., hidden]."""
        table: Any = self.model.embed_tokens
        if self.lm_head is not None:
            logits: Tensor = self.lm_head(hidden)
        elif isinstance(table, nn.Embedding):
            logits = F.linear(hidden, table.weight)
        else:
            logits = table.linear(hidden)  # the toolbox packs the table of a tied model, and no head beside it
        return logits.float()

    def _run(self, hidden: Tensor, cache: Sequence[Cache] | None) -> Tensor:
        count = hidden.shape[1]
        mask: Mask
        if cache is None:
            offset: Any = 0
            mask = "causal" if count > 1 else None
        else:
            if hidden.device.type != "cpu":
                bring(cache, hidden.device)
            offset = cache[0].offset
            mask = cache[0].make_mask(count)
        if isinstance(offset, Tensor):
            positions = offset.unsqueeze(1) + torch.arange(count, device=offset.device)
            rotation = self.rotary.at(positions.to(hidden.device), hidden)
        else:
            rotation = self.rotary.rows(offset, count, hidden)
            if mask == "causal" and offset:
                mask = causal_mask(count, offset, device=hidden.device)
        if isinstance(mask, Tensor):
            mask = mask.to(hidden.device)
        with attention_kernels(hidden.device):
            for index, layer in enumerate(self.model.layers):
                hidden = layer(hidden, rotation, mask, None if cache is None else cache[index])
        return hidden

    def _fused(self, tokens: Tensor, cache: Sequence[Cache], logits: Logits) -> Any:
        """What the fused engine computes, or NotImplemented where it does not take this call."""
        count = tokens.shape[1]
        if tokens.shape[0] != 1 or any(type(one) is not KVCache for one in cache):
            return NotImplemented
        # Prepared even where torch takes these rows: the engine reads float32 caches only, and may take the next.
        if not self.fused.prepare(cache, count) or not self.fused.takes(count):
            return NotImplemented
        return self.fused.forward(tokens[0], cache, logits)
