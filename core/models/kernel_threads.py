"""How many threads our own kernels run in: as many as are planned, also while torch is held to one of them.

OpenMP deals torch's work out evenly, so on a busy machine one thread alone is faster (core.optimization.crowding). Our
kernels claim theirs in pieces and wait for no thread that holds none: with one or two other programs computing, or two
stages of the assistant, a token takes less time in all of the planned threads than in one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Planned(threading.local):
    threads = 0


_PLANNED = _Planned()


@contextmanager
def planned_threads(threads: int) -> Iterator[None]:
    """Our kernels run in so many threads when this thread calls them; nests."""
    before, _PLANNED.threads = _PLANNED.threads, threads
    try:
        yield
    finally:
        _PLANNED.threads = before


def kernel_threads() -> int:
    """The planned ones, at least 1; torch's where nothing is planned."""
    if _PLANNED.threads:
        return _PLANNED.threads
    import torch

    return torch.get_num_threads()
