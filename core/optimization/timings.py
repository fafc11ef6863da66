"""What was timed, frozen: one span, the statistics of a name, a turn; and the form Chrome's trace viewer reads.

Nothing here reads a clock: InferenceProfiler does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One piece of work that has ended."""

    name: str
    began_s: float
    """since the profiler was made or reset"""
    seconds: float
    turn: int | None
    thread: str
    """its name when it first timed something"""
    thread_id: int
    """the profiler's own number for it, from 1; not reused as the system's are"""
    parent: str | None
    """name of the span around it in the same thread"""
    depth: int
    """0 for one with no span around it"""
    failed: bool
    """an exception left it; being closed early (GeneratorExit) or interrupted is none"""


@dataclass(frozen=True, slots=True)
class SpanStatistics:
    """All spans of one name. Percentiles are those of the last `kept` ones, the rest is of all `count`."""

    name: str
    count: int
    total_s: float
    min_s: float
    max_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    kept: int

    @property
    def mean_s(self) -> float:
        """Of all `count`."""
        return self.total_s / self.count

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "mean_s": self.mean_s}


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """The spans of one turn from all threads, in the order they began."""

    turn: int
    spans: tuple[SpanRecord, ...]
    left_out: int = 0
    """spans beyond those kept for a turn"""

    def seconds(self, name: str) -> float:
        """All spans of that name together; 0.0 without one."""
        return sum(span.seconds for span in self.spans if span.name == name)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of the ascending, non-empty `ordered` lies.

    Linear interpolation between the closest ranks: type 7 of Hyndman and Fan, Sample Quantiles in Statistical
    Packages (1996), which is numpy.percentile's default.
    """
    rank = share * (len(ordered) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (rank - below) * (ordered[above] - ordered[below])


def chrome_trace(spans: Iterable[SpanRecord], process_id: int) -> dict[str, Any]:
    """A document for chrome://tracing and Perfetto: complete events ("X"), times in microseconds, threads named.

    Source: Trace Event Format, the document of Chrome's trace viewer (catapult).
    """
    events: list[dict[str, Any]] = [_metadata("process_name", process_id, 0, "Merline")]
    threads: dict[int, str] = {}
    for span in spans:
        threads.setdefault(span.thread_id, span.thread)
        events.append(
            {
                "name": span.name,
                "cat": span.name.partition(".")[0],
                "ph": "X",
                "ts": span.began_s * MICROSECONDS,
                "dur": span.seconds * MICROSECONDS,
                "pid": process_id,
                "tid": span.thread_id,
                "args": {"turn": span.turn, "failed": span.failed},
            }
        )
    events += [_metadata("thread_name", process_id, number, name) for number, name in threads.items()]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _metadata(kind: str, process_id: int, thread_id: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": process_id, "tid": thread_id, "args": {"name": name}}
