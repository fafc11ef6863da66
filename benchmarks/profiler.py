"""What timing costs: one span of InferenceProfiler, alone, in a turn, beside other threads, and switched off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from benchmarks.figures import Figure
from core.optimization.profiler import InferenceProfiler

SPANS = 50_000
REPEATS = 7
THREADS = 4


def run() -> list[Figure]:
    """Microseconds a span; the median of several runs, less what the loop around it takes."""
    profiler, disabled = InferenceProfiler(), InferenceProfiler(enabled=False)
    return [
        Figure("one span", _median(lambda: _plain(profiler)), "us", "lower", target=5.0),
        Figure("one span within two others and a turn", _median(lambda: _nested(profiler)), "us", "lower", target=5.0),
        Figure(f"one span, {THREADS} threads at once", _median(lambda: _together(profiler)), "us", "lower", target=5.0),
        Figure("one span of a disabled profiler", _median(lambda: _plain(disabled)), "us", "lower", target=1.0),
    ]


def _median(measure: Callable[[], float]) -> float:
    return 1e6 * sorted(measure() for _ in range(REPEATS))[REPEATS // 2]


def _plain(profiler: InferenceProfiler) -> float:
    """Seconds a span."""
    began = time.perf_counter()
    for _ in range(SPANS):
        pass
    empty = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(SPANS):
        with profiler.span("bench.span"):
            pass
    return (time.perf_counter() - began - empty) / SPANS


def _nested(profiler: InferenceProfiler) -> float:
    with profiler.turn(1), profiler.span("bench.outer"), profiler.span("bench.inner"):
        return _plain(profiler)


def _together(profiler: InferenceProfiler) -> float:
    """Wall seconds a span of all threads together: what it costs the process, since they share the interpreter."""
    threads = [threading.Thread(target=_plain, args=(profiler,)) for _ in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - began) / (SPANS * THREADS)


if __name__ == "__main__":
    for figure in run():
        print(figure.line())
