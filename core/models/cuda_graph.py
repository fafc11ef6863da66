"""Single-token steps on an NVIDIA card as one CUDA graph: a step then costs one launch, not hundreds.

It stands where core.models.fused stands on a CPU, over the same plain caches, whose room is reserved ahead so that
their addresses hold. The graph chooses the likeliest token too and moves on by itself: the next step can be launched
before anything of this one was read. What it records is the fastest that works here, tried in this order: our kernels
launched ahead of their turn, our kernels, the decoder's own modules.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from core.models.ahead import Registers
from core.models.kv_cache import KVCache, bring
from core.models.modules_step import ModulesStep
from core.models.rope import RotaryTable

if TYPE_CHECKING:
    from core.models.cuda_step import Tiles
    from core.models.decoder import Decoder

logger = logging.getLogger(__name__)

SMALLEST_ROOM = 1024
"""tokens that a cache is given at once; doubled when they are used up"""
WARM_UPS = 3
"""before a capture: libraries allocate their work space in their first calls"""
WAYS = ("kernels ahead", "kernels", "modules")
ALLOWED_ERROR = {torch.float32: 5e-3}
"""of the kernels' logits against the modules', as the norm of the difference over theirs, with room for TF32; in half
precision 0.05"""

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
    # Other threads, which may compute on the card meanwhile, are none of this capture's business.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        compute()
    replay: Replay = graph.replay
    return replay


class GraphedDecoder:
    """One graph for one prompt cache at a time; another cache, or one that has grown, is captured anew.

    `ways` are those of WAYS that may be tried, and `tiles` how the kernels divide their work: for benchmarks.
    """

    def __init__(
        self,
        decoder: Decoder,
        capture: Capture = capture_graph,
        ways: Sequence[str] = WAYS,
        tiles: Tiles | None = None,
    ) -> None:
        self._decoder = decoder
        self._capture = capture
        self._rotary = RotaryTable(decoder.config)
        self._ways = list(ways)
        self._tiles = tiles
        self._checked: set[str] = {"modules"}
        self._registers = _registers(decoder)
        self._bound: list[Tensor | None] = []
        """the keys that the graph writes to"""
        self._replay: Replay | None = None
        self._recorded: Replay | None = None
        """what the graph launches: owns the memory that it works in, which must stay as long as the graph does"""
        self._expects: int | None = None
        """the position that the card holds, where it is known"""
        self.serial = 0
        """counts steps: a token that one left on the card is there until the next"""

    @property
    def way(self) -> str:
        """What a graph records, the best of WAYS that has not failed; "" when all have."""
        return self._ways[0] if self._ways else ""

    def takes(self, rows: int) -> bool:
        """Single tokens, unless a capture failed."""
        return rows == 1 and bool(self._ways)

    def prepare(self, caches: Sequence[KVCache], rows: int) -> bool:
        """Reserve room for `rows` more tokens; False for caches of another type, or when captures fail."""
        if rows == 1 and self._is_bound(caches):
            return bool(self._ways)
        bring(caches, self._decoder.device)
        config = self._decoder.config
        like = torch.empty(
            1, config.kv_heads, 0, config.head_dim, dtype=self._decoder.dtype, device=self._decoder.device
        )
        room = SMALLEST_ROOM
        while room < caches[0].offset + rows:
            room *= 2
        for one in caches:
            one.reserve_like(room - one.offset, like, like)
        fits = all(_is_like(one.keys, like) and _is_like(one.values, like) for one in caches)
        if rows == 1 and fits and self._ways:
            self._make_ready(caches)
        return fits and bool(self._ways)

    def forward(
        self, tokens: Tensor, caches: Sequence[KVCache], logits: Literal["all", "last", "none"] = "last"
    ) -> Tensor | None:
        """Float32 logits [1, vocab] of one token [1], or None. Appends to the caches. `prepare` must have said True."""
        self._step(tokens, caches)
        return None if logits == "none" else self._registers.logits.clone()

    def step(self, tokens: Tensor | None, caches: Sequence[KVCache]) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities [1, vocab] after one token [1]; the likeliest, int64 [1]; and float64 [2], it and its own.

        Without `tokens` it is the one that the last step left. The last two are overwritten by the next step.
        """
        self._step(tokens, caches)
        registers = self._registers
        return registers.logprobs.clone(), registers.token.view(1), registers.told

    def _step(self, tokens: Tensor | None, caches: Sequence[KVCache]) -> None:
        assert self._replay is not None, "prepare comes first"
        registers, offset = self._registers, caches[0].offset
        if tokens is not None:
            registers.token.copy_(tokens.view(1, 1))
        if self._expects != offset:
            registers.position.fill_(offset)
        self._replay()
        self._expects = offset + 1
        self.serial += 1
        for one in caches:
            one.offset += 1

    def _is_bound(self, caches: Sequence[KVCache]) -> bool:
        """Whether the graph writes to these very caches, and they have room for a token."""
        if self._replay is None or len(caches) != len(self._bound):
            return False
        if any(one.keys is not keys for one, keys in zip(caches, self._bound, strict=True)):
            return False
        keys = caches[0].keys
        return keys is not None and caches[0].offset < keys.shape[2]

    def _make_ready(self, caches: Sequence[KVCache]) -> None:
        """Capture, with the next best way where one fails. What a warm-up writes lies behind the caches' ends."""
        if self._is_bound(caches):
            return
        began = time.perf_counter()
        self._replay, self._recorded, self._bound = None, None, []  # the graph before gives its memory back
        self.serial += 1  # warming up overwrites the registers
        while self._ways and self._replay is None:
            way = self._ways[0]
            self._expects = None
            try:
                with torch.autocast(self._decoder.device.type, enabled=False):  # whoever began it: caches have our type
                    self._record(way, caches)
                logger.info("steps on the card are one graph, %s, in %.1f s", way, time.perf_counter() - began)
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, OSError, ImportError, ValueError, subprocess.SubprocessError) as error:
                self._give_up(way, error)

    def _record(self, way: str, caches: Sequence[KVCache]) -> None:
        compute = self._computing(way, caches)
        if way not in self._checked:
            self._check(way, compute, caches)
        self._place(caches)
        self._recorded = compute
        self._replay, self._bound = self._capture(compute), [one.keys for one in caches]

    def _give_up(self, way: str, error: Exception) -> None:
        del self._ways[0]
        reason = str(error).partition("\n")[0]
        if way == "modules":
            logger.warning("CUDA graphs are off, so steps are slower: %s", reason)
        else:
            logger.info("steps on the card are not computed by %s: %s", way, reason)

    def _computing(self, way: str, caches: Sequence[KVCache]) -> Callable[[], None]:
        assert caches[0].keys is not None, "room was reserved"
        room = caches[0].keys.shape[2]
        tables = self._rotary.rows(0, room, self._decoder.model.norm.weight)
        if way == "modules":
            return ModulesStep(self._decoder, caches, self._registers, tables)
        return _kernels_step(self._decoder, caches, self._registers, tables, way == "kernels ahead", self._tiles)

    def _check(self, way: str, compute: Callable[[], None], caches: Sequence[KVCache]) -> None:
        """Raises RuntimeError where a way does not compute what the modules do."""
        registers = self._registers
        found = []
        for one in (self._computing("modules", caches), compute):
            registers.token.zero_()
            self._place(caches)
            one()
            found.append(registers.logits.double().clone())
        error = float((found[1] - found[0]).norm() / found[0].norm())
        # Weights that are no numbers are told by whoever reads the step.
        allowed = ALLOWED_ERROR.get(self._decoder.dtype, 0.05)
        if error > allowed:
            raise RuntimeError(f"its logits are off by {error:.2g} of their size, more than {allowed:g}")
        self._checked.add(way)

    def _place(self, caches: Sequence[KVCache]) -> None:
        self._registers.position.fill_(caches[0].offset)


def _registers(decoder: Decoder) -> Registers:
    device, vocab = decoder.device, decoder.config.vocab
    with torch.inference_mode(False):
        return Registers(
            token=torch.zeros(1, 1, dtype=torch.int64, device=device),
            position=torch.zeros(1, dtype=torch.int64, device=device),
            logits=torch.zeros(1, vocab, device=device),
            logprobs=torch.zeros(1, vocab, device=device),
            told=torch.zeros(2, dtype=torch.float64, device=device),
        )


def _is_like(tensor: Tensor | None, like: Tensor) -> bool:
    return tensor is not None and tensor.dtype == like.dtype and tensor.device == like.device and tensor.is_contiguous()


def _kernels_step(
    decoder: Decoder,
    caches: Sequence[KVCache],
    registers: Registers,
    tables: tuple[Tensor, Tensor],
    ahead: bool,
    tiles: Tiles | None,
) -> Callable[[], None]:
    """Raises RuntimeError, or what Triton raises, where the kernels do not run."""
    if decoder.device.type != "cuda":
        raise RuntimeError(f"the weights are on {decoder.device.type}")
    if find_spec("triton") is None:
        raise RuntimeError("Triton, which comes with torch for NVIDIA cards, is not installed")
    from triton.errors import TritonError

    from core.models.cuda_step import AHEAD_FROM, CardStep, obstacle

    reason = obstacle(decoder)
    if not reason and ahead and torch.cuda.get_device_capability(decoder.device) < AHEAD_FROM:
        reason = "the card is older than launches ahead of their turn"
    if reason:
        raise RuntimeError(reason)
    step = CardStep(decoder, caches, registers, tables, ahead, tiles)

    def compute() -> None:
        try:
            step()
        except TritonError as error:
            raise RuntimeError(f"Triton failed: {error}") from error

    return compute
