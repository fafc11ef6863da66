"""A guard for tests: fails when host or GPU memory keeps growing while the same work is repeated.

What is judged is the growth from third to third of the runs, not one reading: see `steady_growth`.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ParamSpec, TypeVar

from core.optimization.process_memory import allocated_bytes, resident_bytes
from core.utils.errors import MemoryLeakError

P = ParamSpec("P")
R = TypeVar("R")

MB = 1_000_000
WARM_UP_RUNS = 3
"""Caches, pools and lazily loaded code fill in the first runs; these are not judged."""
FEWEST_RUNS = 6


@dataclass(frozen=True, slots=True)
class Reading:
    """Memory held after one run, in bytes."""

    gauge: str
    """what was read, e.g. resident memory"""
    held_bytes: int


Gauges = Callable[[], Sequence[Reading]]


def read_gauges() -> tuple[Reading, ...]:
    """After a garbage collection: resident memory, malloc's (glibc), Python's (while tracemalloc traces), the GPU's."""
    gc.collect()
    readings = [Reading("resident memory", resident_bytes())]
    allocated = allocated_bytes()
    if allocated is not None:
        readings.append(Reading("memory from malloc", allocated))
    if tracemalloc.is_tracing():
        readings.append(Reading("Python's memory", tracemalloc.get_traced_memory()[0]))
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        readings += [
            Reading(f"memory of cuda:{index}", torch.cuda.memory_allocated(index))
            for index in range(torch.cuda.device_count())
        ]
    if torch is not None and torch.backends.mps.is_available():
        readings.append(Reading("memory of Apple's GPU", torch.mps.current_allocated_memory()))
    return tuple(readings)


def steady_growth(held_bytes: Sequence[int]) -> int:
    """Bytes by which the readings grow from the first to the last, as far as they grow steadily; 0 or less for none.

    The least of each third of the readings stands for it, so what is freed now and then does not count; and the smaller
    of the two steps between the thirds, threefold, is the growth, so a buffer that is made once does not count either.
    """
    size = len(held_bytes) // 3
    low, middle, high = (min(held_bytes[start : start + size]) for start in (0, size, len(held_bytes) - size))
    return 3 * min(middle - low, high - middle)


@contextlib.contextmanager
def _older_objects_aside() -> Iterator[None]:
    """Within it a collection walks only what was made since: with torch imported it takes 1 ms instead of 250.

    What was there before cannot be what grows. Afterwards everything is walked again, also what others had frozen.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class LeakGuard:
    """Made by `leak_guard`: decorates a function, or counts the runs inside a `with`."""

    def __init__(self, runs: int, tolerance_mb: float, gauges: Gauges) -> None:
        if runs < FEWEST_RUNS:
            raise ValueError(f"leak_guard: {runs} runs tell nothing; give {FEWEST_RUNS} or more")
        self._runs = runs
        self._tolerance_bytes = tolerance_mb * MB
        self._gauges = gauges
        self._held: dict[str, list[int]] = {}
        self._seen = 0
        self._aside = contextlib.ExitStack()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """A function that does the work `runs` times after the warm-up runs, answers the last result, and may fail."""

        @functools.wraps(function)
        def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
            with LeakGuard(self._runs, self._tolerance_bytes / MB, self._gauges) as guard:
                for _ in range(WARM_UP_RUNS + self._runs - 1):
                    function(*args, **kwargs)
                    guard.check()
                result = function(*args, **kwargs)
                guard.check()
            return result

        return repeated

    def check(self) -> None:
        """Read memory after one run; to be called once a run. The first `WARM_UP_RUNS` readings are not kept."""
        self._seen += 1
        readings = self._gauges()
        if self._seen > WARM_UP_RUNS:
            for reading in readings:
                self._held.setdefault(reading.gauge, []).append(reading.held_bytes)

    def conclude(self) -> None:
        """Raises MemoryLeakError when a gauge grew, ValueError when there were too few runs to tell."""
        judged = self._seen - WARM_UP_RUNS
        if judged < FEWEST_RUNS:
            raise ValueError(
                f"leak_guard: check() was called {self._seen} times; call it after each of at least "
                f"{WARM_UP_RUNS + FEWEST_RUNS} runs"
            )
        for gauge, held in self._held.items():
            growth = steady_growth(held) if len(held) >= FEWEST_RUNS else 0
            if growth > self._tolerance_bytes:
                raise MemoryLeakError(
                    f"{gauge} grew by {growth / MB:.2f} MB over {judged} runs, {growth / judged / 1000:.0f} kB a run, "
                    f"and {self._tolerance_bytes / MB:g} MB are allowed; look for what each run keeps"
                )

    def __enter__(self) -> LeakGuard:
        self._held.clear()
        self._seen = 0
        self._aside.enter_context(_older_objects_aside())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._aside.close()
        if kind is None:
            self.conclude()


def leak_guard(runs: int = 20, tolerance_mb: float = 1.0, gauges: Gauges = read_gauges) -> LeakGuard:
    """Fails with MemoryLeakError when memory grows by more than `tolerance_mb` over `runs` runs.

    `@leak_guard(runs=20)` repeats the function itself. `with leak_guard() as guard:` leaves the repeating to the block,
    which calls `guard.check()` after each run, nine times or more. Other threads that allocate meanwhile are seen too.
    """
    return LeakGuard(runs, tolerance_mb, gauges)
