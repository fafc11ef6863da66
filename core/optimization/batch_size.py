"""How many items at once: reckoned from free memory, then proven by a probe that halves when memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable

from core.utils.errors import OptimizationError

GIB = 1 << 30

_STEPS = ((1.5 * GIB, 0.25), (4 * GIB, 0.5), (12 * GIB, 1.0), (24 * GIB, 2.0))
"""Below so much free memory, so much of the default. 0.6-1.2 GB of a default of 8 gives the founding machine's 2."""
_MOST = 4.0
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "_status_alloc_failed")
"""How torch words it on CUDA and MPS, on a CPU, where the type is a bare RuntimeError, and for cuBLAS and cuDNN."""


def batch_size_for(free_bytes: int, default: int, on_gpu: bool) -> int:
    """A share of `default` that suits the free memory, at least 1. A CPU gains nothing from more than the default."""
    share = next((share for below, share in _STEPS if free_bytes < below), _MOST)
    return max(1, int(default * (share if on_gpu else min(share, 1.0))))


def largest_that_fits(probe: Callable[[int], object], start: int, release: Callable[[], None]) -> int:
    """The first of start, start/2, ... 1 at which `probe` does not run out of memory.

    `release` gives cached memory back between two trials. Any other error of the probe is the caller's. Raises
    OptimizationError when not even one item fits.
    """
    size = start
    while True:
        try:
            probe(size)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).partition("\n")[0] or type(error).__name__
        else:
            return size
        gc.collect()
        release()
        if size == 1:
            raise OptimizationError(
                f"not even a batch of 1 fits into memory ({reason}); take a smaller model or close other programs"
            )
        size //= 2


def is_out_of_memory(error: BaseException) -> bool:
    """MemoryError, torch.OutOfMemoryError, or a RuntimeError that says so."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        type(error).__name__ == "OutOfMemoryError" or any(words in text for words in _OUT_OF_MEMORY)
    )
