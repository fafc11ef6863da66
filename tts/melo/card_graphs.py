"""CUDA graphs of what is launched piece by piece: captured, timed, and kept where they pay. And exact products."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from core.optimization.batch_size import is_out_of_memory

logger = logging.getLogger(__name__)

GAIN = 0.95
"""a graph that takes more than so much of the launched work's time is given up"""
_WARM_UPS = 3

Replay = Callable[[], None]
Capture = Callable[[Callable[[], None]], Replay]
"""records what a function launches; the result launches all of it again"""
Seconds = Callable[[Callable[[], object]], float]
"""how long one call takes, the device's work included"""


class GraphCapture:
    """Captures on the current card; all graphs share their scratch memory, as one is replayed at a time.

    What goes in and what comes out lies outside of that memory.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Callable[[], None]) -> Replay:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # other threads, a language model's say, may allocate meanwhile
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            compute()
        replay: Replay = graph.replay
        return replay


class GraphChoice:
    """Makes graphs and answers with those that are quicker than launching by GAIN; str() tells how it went."""

    def __init__(self, seconds: Seconds, capture: Capture | None = None) -> None:
        self._seconds = seconds
        self._capture = capture or GraphCapture()
        self._failure = ""
        self._tried = self._kept = 0
        self._launched_s = self._replayed_s = 0.0

    def make(self, name: str, compute: Callable[[], None]) -> Replay | None:
        """The graph of what `compute` launches, or None: launch it.

        After a capture that failed, which is told once, always None. Raises what running out of memory raises.
        """
        if self._failure:
            return None
        try:
            replay = self._capture(compute)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            self._failure = str(error).partition("\n")[0]
            logger.warning("CUDA graphs are off, so speech is slower: %s", self._failure)
            return None
        launched_s, replayed_s = self._seconds(compute), self._seconds(replay)
        pays = replayed_s <= GAIN * launched_s
        self._tried += 1
        logger.debug("%s: %.2f ms launched, %.2f as a graph", name, 1000 * launched_s, 1000 * replayed_s)
        if not pays:
            return None
        self._kept += 1
        self._launched_s += launched_s
        self._replayed_s += replayed_s
        return replay

    def __str__(self) -> str:
        kept = f"{self._kept} of {self._tried} CUDA graphs are kept"
        if self._kept:
            kept += f" ({1000 * self._replayed_s:.1f} ms together instead of {1000 * self._launched_s:.1f} launched)"
        return f"{kept}; then one failed: {self._failure}" if self._failure else kept


@contextmanager
def exact_products(device: str) -> Iterator[None]:
    """Each tensor's own type, no autocast, and on a card no TF32, whose 10 bits would move phones by a frame."""
    if device != "cuda":
        with torch.autocast(device, enabled=False):
            yield
        return
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
