"""The books of the profiler: durations by name, the last spans, the spans of each turn, all within bounds.

Not safe from several threads: InferenceProfiler lets one in at a time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from core.optimization.spans import Span
from core.optimization.timings import SpanRecord, SpanStatistics, TurnTimes, percentile

OTHER_NAMES = "(other names)"


@dataclass(frozen=True, slots=True)
class ProfilerConfig:
    """How much is kept; the newest stays."""

    window: int = 1024
    """durations a name that percentiles are made of"""
    names: int = 512
    """names told apart; those that come later share "(other names)" """
    spans: int = 10_000
    """for the trace"""
    turns: int = 100
    spans_per_turn: int = 1000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"ProfilerConfig.{name}: {getattr(self, name)} must be at least 1")


class _Series:
    """All durations of one name."""

    __slots__ = ("count", "last", "longest", "shortest", "total")

    def __init__(self, window: int) -> None:
        self.count = 0
        self.total = 0.0
        self.shortest = float("inf")
        self.longest = 0.0
        self.last: deque[float] = deque(maxlen=window)

    def statistics(self, name: str) -> SpanStatistics:
        ordered = sorted(self.last)
        p50, p95, p99 = (percentile(ordered, share) for share in (0.50, 0.95, 0.99))
        return SpanStatistics(
            name, self.count, self.total, self.shortest, self.longest, p50, p95, p99, kept=len(ordered)
        )


class TimingBooks:
    """Takes ended spans, one at a time; `epoch_s` is what their beginnings are counted from."""

    def __init__(self, config: ProfilerConfig, epoch_s: float) -> None:
        self._config = config
        self._epoch_s = epoch_s
        self._series: dict[str, _Series] = {}
        self._trace: deque[Span] = deque(maxlen=config.spans)
        self._turns: dict[int, list[Span]] = {}
        self._left_out: dict[int, int] = {}

    def add(self, span: Span) -> None:
        """Enter one span; constant time, but for a new turn beyond the bound."""
        series = self._series.get(span.name) or self._new_series(span.name)
        seconds = span.seconds
        series.count += 1
        series.total += seconds
        series.last.append(seconds)
        if seconds < series.shortest:
            series.shortest = seconds
        if seconds > series.longest:
            series.longest = seconds
        self._trace.append(span)
        if span.turn is not None:
            self._add_to_turn(span, span.turn)

    def statistics(self) -> list[SpanStatistics]:
        """Of every name, in the order they first came."""
        return [series.statistics(name) for name, series in self._series.items()]

    def statistics_of(self, name: str) -> SpanStatistics | None:
        """Of one name."""
        series = self._series.get(name)
        return series.statistics(name) if series else None

    def turns(self) -> tuple[int, ...]:
        """Numbers of the turns that are kept, ascending."""
        return tuple(sorted(self._turns))

    def turn(self, number: int) -> TurnTimes | None:
        """One turn."""
        spans = self._turns.get(number)
        if spans is None:
            return None
        ordered = sorted(map(self._record, spans), key=lambda span: (span.began_s, span.depth))
        return TurnTimes(number, tuple(ordered), self._left_out.get(number, 0))

    def spans(self) -> tuple[SpanRecord, ...]:
        """The last spans, in the order they ended."""
        return tuple(map(self._record, self._trace))

    def _new_series(self, name: str) -> _Series:
        known = name if len(self._series) < self._config.names else OTHER_NAMES
        return self._series.setdefault(known, _Series(self._config.window))

    def _add_to_turn(self, span: Span, number: int) -> None:
        spans = self._turns.get(number)
        if spans is None:
            if len(self._turns) == self._config.turns:
                oldest = min(self._turns)
                if number < oldest:  # a latecomer of a turn no longer kept must not push out a newer one
                    return
                del self._turns[oldest]
                self._left_out.pop(oldest, None)
            spans = self._turns[number] = []
        if len(spans) < self._config.spans_per_turn:
            spans.append(span)
        else:
            self._left_out[number] = self._left_out.get(number, 0) + 1

    def _record(self, span: Span) -> SpanRecord:
        assert span.thread is not None
        return SpanRecord(
            span.name,
            span.began_s - self._epoch_s,
            span.seconds,
            span.turn,
            span.thread.name,
            span.thread.number,
            span.parent,
            span.depth,
            span.failed,
        )
