"""Single-token steps on an NVIDIA card as one CUDA graph: a step then costs one launch, not hundreds.

It stands where core.models.fused stands on a CPU, over the same plain caches, whose room is reserved ahead so that
their addresses hold. NOT RUN ON A CARD: this was written where there is none. What its tests prove, on a CPU and
without capturing, is that the step over reserved caches computes what the decoder does, and what follows from a
capture that fails.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from core.models.kv_cache import KVCache
from core.models.rope import RotaryTable

if TYPE_CHECKING:
    from core.models.decoder import Decoder

logger = logging.getLogger(__name__)

SMALLEST_ROOM = 1024
"""tokens that a cache is given at once; doubled when they are used up"""
WARM_UPS = 3
"""before a capture: libraries allocate their work space in their first calls"""

Replay = Callable[[], None]
Capture = Callable[[Callable[[], None]], Replay]
"""records what a function launches; the result launches all of it again"""


def capture_graph(compute: Callable[[], None]) -> Replay:
    """Capture on the current CUDA device. Raises RuntimeError where something in it cannot be captured."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            compute()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        compute()
    replay: Replay = graph.replay
    return replay


class GraphedDecoder:
    """One graph for one prompt cache at a time; another cache, or one that has grown, is captured anew."""

    def __init__(self, decoder: Decoder, capture: Capture = capture_graph) -> None:
        self._decoder = decoder
        self._capture = capture
        self._rotary = RotaryTable(decoder.config)
        with torch.inference_mode(False):
            self._token = torch.zeros(1, 1, dtype=torch.int64, device=decoder.device)
            self._position = torch.zeros(1, dtype=torch.int64, device=decoder.device)
            self._logits = torch.zeros(1, decoder.config.vocab, device=decoder.device)
        self._key: tuple[int, ...] = ()
        self._replay: Replay | None = None
        self._failed = False

    def takes(self, rows: int) -> bool:
        """Single tokens, unless a capture failed."""
        return rows == 1 and not self._failed

    def prepare(self, caches: Sequence[KVCache], rows: int) -> bool:
        """Reserve room for `rows` more tokens; False for caches of another type, or a failed capture."""
        config = self._decoder.config
        like = torch.empty(
            1, config.kv_heads, 0, config.head_dim, dtype=self._decoder.dtype, device=self._decoder.device
        )
        room = SMALLEST_ROOM
        while room < caches[0].offset + rows:
            room *= 2
        for one in caches:
            one.reserve_like(room - one.offset, like, like)
        if rows == 1 and not self._failed:
            self._make_ready(caches)
        return not self._failed and all(one.keys is not None and one.keys.dtype == like.dtype for one in caches)

    def forward(
        self, tokens: Tensor, caches: Sequence[KVCache], logits: Literal["all", "last", "none"] = "last"
    ) -> Tensor | None:
        """Float32 logits [1, vocab] of one token [1], or None. Appends to the caches. `prepare` must have said True."""
        assert self._replay is not None, "prepare comes first"
        self._token.copy_(tokens.view(1, 1))
        self._position.fill_(caches[0].offset)
        self._replay()
        for one in caches:
            one.offset += 1
        return None if logits == "none" else self._logits.clone()

    def _make_ready(self, caches: Sequence[KVCache]) -> None:
        """Capture, unless it was for these very caches. What a warm-up writes lies behind their ends."""
        key = tuple(one.keys.data_ptr() for one in caches if one.keys is not None)
        if key == self._key:
            return
        slots = [_Slot(one, self._position) for one in caches]
        room = slots[0].room
        cosines, sines = self._rotary.rows(0, room, self._decoder.model.norm.weight)
        places = torch.arange(room, device=self._decoder.device)

        def compute() -> None:
            hidden = self._decoder.embed(self._token)
            rotation = cosines.index_select(0, self._position), sines.index_select(0, self._position)
            mask = (places <= self._position)[None, None, None]
            for layer, slot in zip(self._decoder.layers, slots, strict=True):
                hidden = layer(hidden, rotation, mask, slot)
            self._logits.copy_(self._decoder.head(self._decoder.model.norm(hidden))[0])

        self._position.fill_(caches[0].offset)
        try:
            self._replay, self._key = self._capture(compute), key
        except RuntimeError as error:
            self._failed = True
            logger.warning("CUDA graphs are off, so steps are slower: %s", str(error).partition("\n")[0])


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
