"""Launches core.models.cuda_kernels for one token of one text: what a CUDA graph then records.

Reads the decoder's own weights where they lie, so nothing is copied or kept twice. Imports Triton.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import triton
from torch import Tensor, nn

from core.models import cuda_attention as attention
from core.models import cuda_kernels as kernels
from core.models.ahead import Registers
from core.models.kv_cache import KVCache

if TYPE_CHECKING:
    from core.models.decoder import Decoder

OLDEST = (8, 0)
"""compute capability that the kernels are for"""
AHEAD_FROM = (9, 0)
"""compute capability from which a kernel may be launched before the one before it ends"""
SPLITS = 16
"""shares that a head's keys are read in"""
SPAN = 32
"""keys read at once"""
PARTS = 128
"""that the vocabulary is summed up in"""
_LOGITS_AT_ONCE = 512
_TYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True)
class Tile:
    """How a program multiplies: `rows` twice, `width` columns at a time, by so many warps of 32 threads, the loop over
    columns unrolled so often."""

    rows: int
    width: int
    warps: int = 4
    unroll: int = 1

    @property
    def sizes(self) -> dict[str, int]:
        """What a kernel is compiled for."""
        return {"ROWS": self.rows, "WIDTH": self.width, "UNROLL": self.unroll}


@dataclass(frozen=True, slots=True)
class Tiles:
    """Of each product. Twice a tile's rows must divide a head, so that of `qkv` has 8 at most."""

    qkv: Tile
    out: Tile
    gate_up: Tile
    down: Tile
    head: Tile


WIDE = Tiles(Tile(2, 2048, 8), Tile(4, 1024, 4, 2), Tile(2, 2048, 8), Tile(2, 2048), Tile(8, 256))
"""the fastest for Llama 3 8 B's whole step on an H200, tried one product after the other, of each the best few alone"""
NARROW = Tiles(Tile(2, 1024, 8), Tile(2, 2048, 2), Tile(2, 1024, 2), Tile(2, 1024, 8, 4), Tile(1, 2048, 2))
"""the same for Qwen2 1.5 B"""
WIDE_FROM = 3072
"""of the hidden size, between the two that were measured"""


def obstacle(decoder: Decoder) -> str:
    """Why the kernels do not run this model; "" where they do."""
    if decoder.dtype not in _TYPES:
        return f"weights are {decoder.dtype}"
    for name, module in decoder.named_modules():
        if name.endswith("_proj") and not isinstance(module, nn.Linear):
            return f"{name} is a {type(module).__name__}"
    if not isinstance(decoder.model.embed_tokens, nn.Embedding):
        return "the embeddings are packed"
    if decoder.config.head_dim % 16:
        return f"heads of {decoder.config.head_dim} are no multiple of 16"
    capability = torch.cuda.get_device_capability(decoder.device)
    if capability < OLDEST:
        return f"the card is of compute capability {capability[0]}.{capability[1]}, older than {OLDEST[0]}.0"
    return ""


class CardStep:
    """Calling it computes one token: reads and moves on `registers`, appends to `caches`, whose room is reserved."""

    def __init__(
        self,
        decoder: Decoder,
        caches: Sequence[KVCache],
        registers: Registers,
        tables: tuple[Tensor, Tensor],
        ahead: bool = False,
        tiles: Tiles | None = None,
    ) -> None:
        config = self._config = decoder.config
        self._decoder, self._caches, self._registers, self._tables = decoder, caches, registers, tables
        self._ahead = ahead
        self._tiles = tiles or (WIDE if config.hidden >= WIDE_FROM else NARROW)
        self._options: dict[str, Any] = {"launch_pdl": True} if ahead else {}
        device = decoder.device

        def vector(size: int) -> Tensor:
            with torch.inference_mode(False):
                return torch.zeros(size, device=device)

        inner = config.heads * config.head_dim
        self._x, self._wide, self._attended = vector(config.hidden), vector(config.intermediate), vector(inner)
        self._projected = vector((config.heads + 2 * config.kv_heads) * config.head_dim)
        self._shares, self._ends = vector(inner * SPLITS), vector(2 * config.heads * SPLITS)
        self._summaries = vector(2 * PARTS)
        with torch.inference_mode(False):
            self._places = torch.zeros(PARTS, dtype=torch.int32, device=device)
            self._arrived = torch.zeros(config.heads, dtype=torch.int32, device=device)
        self._launches = self._planned()

    def __call__(self) -> None:
        """Launch everything."""
        for launch in self._launches:
            launch()

    def _planned(self) -> list[Callable[[], None]]:
        model: Any = self._decoder.model
        config = self._config
        found = [self._embed(model.embed_tokens.weight)]
        for index, (layer, cache) in enumerate(zip(model.layers, self._caches, strict=True)):
            found += self._attention(layer, cache, config.rope_layers[index])
            found += self._mlp(layer)
        found += self._ending(model)
        return found

    def _launch(self, kernel: Any, grid: tuple[int, ...], arguments: tuple[Any, ...], warps: int, **sizes: Any) -> Any:
        """A call that launches it; the first kernel of all waits for nothing."""
        options = {"num_warps": warps, "AHEAD": self._ahead, **sizes}
        if kernel is not kernels.embed:
            options |= self._options

        def launch() -> None:
            kernel[grid](*arguments, **options)

        return launch

    def _embed(self, table: Tensor) -> Any:
        hidden, width = self._config.hidden, 256
        grid = (triton.cdiv(hidden, width),)
        arguments = (table, self._registers.token, self._x)
        return self._launch(kernels.embed, grid, arguments, 4, COLUMNS=hidden, WIDTH=width)

    def _attention(self, layer: Any, cache: KVCache, rotates: bool) -> list[Any]:
        config, mine = self._config, layer.self_attn
        heads, kv_heads, size = config.heads, config.kv_heads, config.head_dim
        tile = _fitted(self._tiles.qkv, config.hidden)
        biases = [_bias(one, self._x) for one in (mine.q_proj, mine.k_proj, mine.v_proj)]
        query_key_value = self._launch(
            kernels.query_key_value,
            ((heads + 2 * kv_heads) * size // (2 * tile.rows),),
            (
                mine.q_proj.weight, mine.k_proj.weight, mine.v_proj.weight, *biases,
                self._x, layer.input_layernorm.weight, self._projected, config.rms_eps,
            ),
            tile.warps,
            COLUMNS=config.hidden, QUERY_ROWS=heads * size, KEY_ROWS=kv_heads * size,
            BIASED=mine.q_proj.bias is not None, **tile.sizes,
        )  # fmt: skip
        normed = mine.q_norm is not None
        norms = (mine.q_norm.weight, mine.k_norm.weight) if normed else (self._x, self._x)
        assert cache.keys is not None, "room was reserved"
        attend = self._launch(
            attention.attend,
            (heads, SPLITS),
            (
                self._projected, *norms, *self._tables, cache.keys, cache.values, self._registers.position,
                self._shares, self._ends, self._arrived, self._attended,
                config.rms_eps, size**-0.5, cache.keys.shape[2],
            ),
            4,
            HEADS=heads, KEY_HEADS=kv_heads, HEAD=size, PADDED=triton.next_power_of_2(size),
            SPLITS=SPLITS, SPAN=SPAN, ROTATES=rotates, NORMED=normed,
        )  # fmt: skip
        return [query_key_value, attend, self._added(mine.o_proj, self._attended, self._tiles.out)]

    def _mlp(self, layer: Any) -> list[Any]:
        config, mine = self._config, layer.mlp
        tile = _fitted(self._tiles.gate_up, config.hidden)
        biases = [_bias(one, self._x) for one in (mine.gate_proj, mine.up_proj)]
        gate_and_up = self._launch(
            kernels.gate_and_up,
            (triton.cdiv(config.intermediate, tile.rows),),
            (
                mine.gate_proj.weight, mine.up_proj.weight, *biases,
                self._x, layer.post_attention_layernorm.weight, self._wide, config.rms_eps,
            ),
            tile.warps,
            ALL_ROWS=config.intermediate, COLUMNS=config.hidden, BIASED=mine.gate_proj.bias is not None,
            **tile.sizes,
        )  # fmt: skip
        return [gate_and_up, self._added(mine.down_proj, self._wide, self._tiles.down)]

    def _added(self, linear: nn.Linear, source: Tensor, tile: Tile) -> Any:
        rows, columns = linear.weight.shape
        tile = _fitted(tile, columns)
        return self._launch(
            kernels.add_projected,
            (triton.cdiv(rows, 2 * tile.rows),),
            (linear.weight, _bias(linear, self._x), source, self._x),
            tile.warps,
            ALL_ROWS=rows, COLUMNS=columns, BIASED=linear.bias is not None, **tile.sizes,
        )  # fmt: skip

    def _ending(self, model: Any) -> list[Any]:
        config, registers = self._config, self._registers
        tile = _fitted(self._tiles.head, config.hidden)
        head: Any = self._decoder.lm_head
        weights = model.embed_tokens.weight if head is None else head.weight
        logits = self._launch(
            kernels.head,
            (triton.cdiv(config.vocab, 2 * tile.rows),),
            (weights, self._x, model.norm.weight, registers.logits, config.rms_eps),
            tile.warps,
            ALL_ROWS=config.vocab, COLUMNS=config.hidden, **tile.sizes,
        )  # fmt: skip
        length = triton.cdiv(triton.cdiv(config.vocab, PARTS), _LOGITS_AT_ONCE) * _LOGITS_AT_ONCE
        sizes = {"ROWS": config.vocab, "LENGTH": length, "WIDTH": _LOGITS_AT_ONCE}
        arguments = (registers.logits, self._summaries, self._places)
        summarise = self._launch(attention.summarise, (PARTS,), arguments, 4, **sizes)
        assert self._caches[0].keys is not None, "room was reserved"
        conclude = self._launch(
            attention.conclude,
            (PARTS,),
            (
                *arguments, registers.logprobs, registers.token, registers.told, registers.position,
                self._caches[0].keys.shape[2] - 1,
            ),
            4,
            PARTS=PARTS, **sizes,
        )  # fmt: skip
        return [logits, summarise, conclude]


def _fitted(tile: Tile, columns: int) -> Tile:
    """No wider than the rows are long."""
    return replace(tile, width=min(tile.width, triton.next_power_of_2(columns)))


def _bias(linear: nn.Linear, otherwise: Tensor) -> Tensor:
    """A kernel that adds none is given any address."""
    return otherwise if linear.bias is None else linear.bias
