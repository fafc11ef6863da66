"""The block in which every torch engine infers: no gradients, the planned precision, the stage's own threads.

Nests, may be entered again while open and from several threads, and leaves each thread as it found it. Do not `yield`
inside it: a generator that is left halfway would hand its mode to whoever reads it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, ExitStack
from types import TracebackType
from typing import Any, Self

from core.models.kernel_threads import planned_threads
from core.optimization.crowding import Crowding


class InferenceContext(ContextDecorator):
    """A context manager, also a decorator, made of `parts`: one callable for each context to open, outermost first."""

    def __init__(self, *parts: Callable[[], AbstractContextManager[Any]]) -> None:
        self._parts = parts
        self._open = _OpenStacks()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for part in self._parts:
                stack.enter_context(part())
            self._open.stacks.append(stack.pop_all())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.stacks.pop().__exit__(kind, error, trace)


class _OpenStacks(threading.local):
    def __init__(self) -> None:
        self.stacks: list[ExitStack] = []


@contextlib.contextmanager
def thread_count(torch: Any, threads: int, crowding: Crowding) -> Iterator[None]:
    """torch's threads within an operator, for the calling thread, one where it is crowded; put back at the end.

    Our own kernels get them all.
    """
    if threads == 1:
        with planned_threads(1), _threads(torch, 1):
            yield
        return
    with planned_threads(threads), _threads(torch, crowding.threads(threads)):
        began_s, ran_s = crowding.clock(), crowding.ran()
        try:
            yield
        finally:
            crowding.saw(crowding.clock() - began_s, crowding.ran() - ran_s)


@contextlib.contextmanager
def _threads(torch: Any, threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if before == threads:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
