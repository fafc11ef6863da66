"""The CPU engine for one text at a time: owns the memory that core.models.fused_step works in, and hands it addresses.

Quantised models run through it whatever the number of rows; float models only for few rows, as torch's own matrix
products are better at many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.models.cpu_attention import room_bytes
from core.models.cpu_kernels import panel_bytes
from core.models.cpu_layout import BFLOAT16, FLOAT32, GROUP, TILE, Activations, Linear
from core.models.fused_step import (
    COLUMNS,
    KEYS,
    OPERATIONS,
    Buffers,
    Shape,
    run_head,
    run_layers,
)
from core.models.kernel_threads import kernel_threads
from core.models.kv_cache import KVCache
from core.models.packed_linear import PackedLinear, rounding_room
from core.models.quantize import BLOCK
from core.models.rope import RotaryTable
from core.models.thread_team import COUNTERS, TEAM

if TYPE_CHECKING:
    from core.models.decoder import Decoder

ROWS = 512
"""of a long text that go through the layers at once"""
ROW_STEP = 64
"""that memory for more than one row is made in"""
FLOAT_ROWS = 4
"""at most, of a float model"""
_KINDS = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16}


def obstacle(decoder: Decoder) -> str:
    """Why this engine does not run a model; "" where it does."""
    config = decoder.config
    if decoder.device.type != "cpu":
        return f"the weights are on {decoder.device.type}"
    widths = (config.hidden, config.intermediate, config.head_dim)
    if any(width % GROUP for width in widths):
        return f"widths {widths} are not all multiples of {GROUP}"
    for module in _linears(decoder):
        if isinstance(module, nn.Linear) and module.weight.dtype not in _KINDS:
            return f"weights are {module.weight.dtype}"
        if not isinstance(module, (nn.Linear, PackedLinear)):
            return f"a layer is a {type(module).__name__}"
    return ""


@dataclass(slots=True)
class _Room:
    """Memory for a pass of so many rows, or of fewer."""

    hidden: Tensor
    values: Tensor
    inner_values: Tensor
    rounded: tuple[Tensor, Tensor, Tensor]
    inner_rounded: tuple[Tensor, Tensor, Tensor]
    heads: Tensor
    gate: Tensor
    attention: Tensor
    panels: Tensor
    """both uint8 [threads, bytes]"""

    def activations(self) -> Activations:
        """Inputs of attention and of the linear layers around it."""
        return Activations(self.values.data_ptr(), *(part.data_ptr() for part in self.rounded))

    def inner(self) -> Activations:
        """Inputs of the feed-forward part's second half."""
        return Activations(self.inner_values.data_ptr(), *(part.data_ptr() for part in self.inner_rounded))


class FusedDecoder:
    """Made once the decoder has its weights, which must not move afterwards. Not safe from several threads at once."""

    def __init__(self, decoder: Decoder) -> None:
        reason = obstacle(decoder)
        if reason:
            raise ValueError(f"FusedDecoder: {reason}")
        self._decoder = decoder
        self._config = decoder.config
        self._rotary = RotaryTable(decoder.config)
        self._kept: list[Tensor] = []
        self._table = np.zeros((decoder.config.layers, COLUMNS), np.int64)
        for n, layer in enumerate(decoder.layers):
            self._table[n, :KEYS] = self._row(layer, decoder.config.rope_layers[n])
        self._head = self._linear(_head(decoder))
        self._norm = self._float32(decoder.model.norm.weight)
        self._packed = isinstance(decoder.layers[0].self_attn.q_proj, PackedLinear)  # type: ignore[union-attr]
        self._room: _Room | None = None

    def takes(self, rows: int) -> bool:
        """Whether so many rows are better off here than in torch."""
        return self._packed or rows <= FLOAT_ROWS

    def prepare(self, caches: Sequence[KVCache], rows: int) -> bool:
        """Room for `rows` more tokens in float32; False for caches that hold another type."""
        like = torch.empty(1, self._config.kv_heads, 0, self._config.head_dim)
        for one in caches:
            one.reserve_like(rows, like, like)
        return all(one.keys is not None and one.keys.dtype == torch.float32 for one in caches)

    def forward(
        self, tokens: Tensor, caches: Sequence[KVCache], logits: Literal["all", "last", "none"] = "last"
    ) -> Tensor | None:
        """Float32 logits [rows, vocab] of tokens [rows], of the last one [1, vocab], or None. Appends to the caches.

        `prepare` must have said True.
        """
        found: list[Tensor] = []
        count = len(tokens)
        passes = -(-count // ROWS)
        step = -(-count // (passes * TILE)) * TILE
        for first in range(0, count, step):
            last = min(first + step, count)
            wanted = (last - first if logits == "all" else int(last == count)) if logits != "none" else 0
            found.append(self._pass(tokens[first:last], caches, wanted))
        if logits == "none":
            return None
        return found[-1] if logits == "last" else torch.cat(found)

    def _pass(self, tokens: Tensor, caches: Sequence[KVCache], wanted: int) -> Tensor:
        """Some rows through all layers; logits [wanted, vocab] of the last ones."""
        config, rows, threads = self._config, len(tokens), kernel_threads()
        start = caches[0].offset
        room = self._room_for(rows, threads)
        room.hidden[:rows] = self._decoder.embed(tokens.unsqueeze(0)).squeeze(0)
        table = self._addresses(caches)
        cosines, sines = self._rotary.rows(start, rows, room.hidden)
        progress = torch.zeros(OPERATIONS * config.layers + 2, COUNTERS, dtype=torch.int64)
        shape = Shape(
            config.layers, config.hidden, config.heads, config.kv_heads, config.head_dim, config.intermediate,
            rows, start, threads,
        )  # fmt: skip
        buffers = Buffers(
            room.hidden.data_ptr(), room.heads.data_ptr(), room.gate.data_ptr(),
            room.attention.data_ptr(), room.attention.shape[1], room.panels.data_ptr(), room.panels.shape[1],
            cosines.data_ptr(), sines.data_ptr(), progress.data_ptr(),
        )  # fmt: skip
        padded = -(-self._head.rows // BLOCK) * BLOCK
        out = torch.empty(wanted, padded)
        job = partial(
            _run, shape, config.rms_eps, table, room.activations(), room.inner(), buffers,
            self._norm, self._head, out, (room, table, cosines, sines, progress),
        )  # fmt: skip
        TEAM.run(job, threads)
        for one in caches:
            one.offset = start + rows
        return out[:, : config.vocab]

    def _addresses(self, caches: Sequence[KVCache]) -> NDArray[np.int64]:
        table = self._table.copy()
        for n, one in enumerate(caches):
            assert one.keys is not None
            assert one.values is not None
            table[n, KEYS:] = one.keys.data_ptr(), one.values.data_ptr(), one.keys.shape[2]
        return table

    def _room_for(self, rows: int, threads: int) -> _Room:
        """Kept for the next pass; made anew where more rows or threads come."""
        kept = self._room
        if kept is None or rows > len(kept.hidden) or threads > len(kept.panels):
            config = self._config
            rows = rows if rows == 1 else -(-rows // ROW_STEP) * ROW_STEP
            width = max(config.hidden, config.heads * config.head_dim)
            row_width = (config.heads + 2 * config.kv_heads) * config.head_dim
            kept = self._room = _Room(
                hidden=torch.empty(rows, config.hidden),
                values=torch.empty(rows, width),
                inner_values=torch.empty(0 if self._packed else rows, config.intermediate),
                rounded=rounding_room(rows, width),
                inner_rounded=rounding_room(rows, config.intermediate),
                heads=torch.empty(rows, row_width),
                gate=torch.empty(threads, rows, 2, GROUP),
                attention=torch.empty(threads, room_bytes(config.head_dim), dtype=torch.uint8),
                panels=torch.empty(threads, panel_bytes(max(width, config.intermediate)), dtype=torch.uint8),
            )
        return kept

    def _row(self, layer: Any, rotates: bool) -> list[int]:
        attention, mlp = layer.self_attn, layer.mlp
        linears = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
        fields = [
            field for module in (*linears, mlp.gate_proj, mlp.up_proj, mlp.down_proj) for field in self._linear(module)
        ]
        norms = [layer.input_layernorm.weight, layer.post_attention_layernorm.weight]
        heads = [None if norm is None else norm.weight for norm in (attention.q_norm, attention.k_norm)]
        return [*fields, *(0 if weight is None else self._float32(weight) for weight in (*norms, *heads)), int(rotates)]

    def _linear(self, module: Any) -> Linear:
        if isinstance(module, PackedLinear):
            return module.kernel_view()
        weight = module.weight
        bias = getattr(module, "bias", None)
        where = 0 if bias is None else self._float32(bias)
        return Linear(_KINDS[weight.dtype], weight.data_ptr(), 0, where, *weight.shape)

    def _float32(self, weight: Tensor) -> int:
        """The address of a small tensor in float32, kept as long as this engine."""
        self._kept.append(weight.detach().to(torch.float32).contiguous())
        return self._kept[-1].data_ptr()


def _run(
    shape: Shape, epsilon: float, table: Any, activations: Activations, inner: Activations, buffers: Buffers,
    norm: int, head: Linear, out: Tensor, kept: object, thread: int,
) -> None:  # fmt: skip
    """One thread's part of a pass. `kept` owns what the addresses point at, until the last thread is through."""
    run_layers(shape, epsilon, table, activations, inner, buffers, thread)
    wanted = len(out)
    if wanted:
        skipped = 4 * (shape.rows - wanted) * shape.hidden
        last = buffers._replace(hidden=buffers.hidden + skipped)
        stride = 4 * out.shape[1]
        run_head(shape._replace(rows=wanted), epsilon, norm, head, activations, last, thread, out.data_ptr(), stride)


def _head(decoder: Decoder) -> nn.Module:
    """The output head: its own, or the embeddings."""
    if decoder.lm_head is not None:
        return decoder.lm_head
    table = decoder.model.embed_tokens
    return getattr(table, "linear", table)


def _linears(decoder: Decoder) -> list[nn.Module]:
    found: list[nn.Module] = [
        module for layer in decoder.layers for module in layer.modules() if type(module).__name__.endswith("Linear")
    ]
    head = _head(decoder)
    return found if isinstance(head, nn.Embedding) else [*found, head]
