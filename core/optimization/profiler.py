"""Where the time goes: nested spans, percentiles by name, the spans of each turn, JSON and Chrome traces.

A thread that times something never waits for another one, and memory is bounded. The only timing code of the project.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from core.optimization.spans import Span, Stopwatch, ThreadLocal, TurnScope
from core.optimization.timing_books import ProfilerConfig, TimingBooks
from core.optimization.timings import SpanRecord, SpanStatistics, TurnTimes, chrome_trace
from core.utils.errors import DataError

__all__ = ["InferenceProfiler", "ProfilerConfig", "SpanRecord", "SpanStatistics", "TurnTimes"]

P = ParamSpec("P")
R = TypeVar("R")

ENTERED_AT_ONCE = 4
"""ended spans that the end of one enters in the books: more than the one it adds, so that none pile up"""
_NO_SPAN = Span(None, "", None)
_NO_TURN = nullcontext()


class InferenceProfiler:
    """Times work from any thread.

    An ended span goes into a deque, whose append is atomic. Whoever then gets the lock without waiting enters spans
    from the deque in the books; who does not get it leaves its span to the holder or to the next. Readers enter the
    rest first, so nothing is lost and no span ever waits (after Hendler et al., Flat Combining, SPAA 2010).
    """

    def __init__(
        self,
        config: ProfilerConfig | None = None,
        *,
        enabled: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.config = config or ProfilerConfig()
        self.enabled = enabled
        self.clock = clock
        self.local = ThreadLocal(itertools.count(1))
        self._lock = threading.Lock()
        self._ended: deque[Span] = deque()
        self._books = TimingBooks(self.config, clock())

    def span(self, name: str, turn: int | None = None) -> Span:
        """A context to time: `with profiler.span("stt.decode"):`; recorded also when an exception leaves it.

        It belongs to `turn`, else to the turn this thread is in.
        """
        return Span(self, name, turn) if self.enabled else _NO_SPAN

    def record(self, name: str, seconds: float, turn: int | None = None) -> None:
        """Take a duration that was measured elsewhere and ends now. Raises ValueError when it is negative or NaN."""
        if not seconds >= 0.0:
            raise ValueError(f"profiler.record('{name}'): {seconds} s cannot be a duration; give seconds from 0 up")
        if not self.enabled:
            return
        span = Span(self, name, turn)
        span.place(self.local.state)
        span.began_s, span.seconds, span.failed = self.clock() - seconds, seconds, False
        self.take(span)

    def turn(self, number: int) -> AbstractContextManager[None]:
        """Spans of this thread within it belong to the turn `number`; any number of threads may be in one turn."""
        return TurnScope(self.local, number) if self.enabled else _NO_TURN

    def timed(self, name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorator: every call is a span.

        A generator function gives `name`, from its first `next` to its end with all that happens between the items,
        and `name.first`, until its first item; what is sent to it is not passed on. Raises TypeError for an
        asynchronous function.
        """

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise TypeError(f"profiler.timed('{name}'): {function.__qualname__} is asynchronous; time its parts")
            if not self.enabled:
                return function
            if inspect.isgeneratorfunction(function):
                return cast(Callable[P, R], self._timed_generator(name, function))

            @functools.wraps(function)
            def timed_call(*args: P.args, **kwargs: P.kwargs) -> R:
                with Span(self, name, None):
                    return function(*args, **kwargs)

            return timed_call

        return decorate

    def statistics(self) -> tuple[SpanStatistics, ...]:
        """Of every name, the largest total first."""
        with self._lock:
            found = self._read().statistics()
        return tuple(sorted(found, key=lambda one: -one.total_s))

    def statistics_of(self, name: str) -> SpanStatistics | None:
        """Of one name; None before its first span has ended."""
        with self._lock:
            return self._read().statistics_of(name)

    def turns(self) -> tuple[int, ...]:
        """Numbers of the turns that are kept, ascending."""
        with self._lock:
            return self._read().turns()

    def turn_record(self, number: int) -> TurnTimes | None:
        """The spans of a turn that have ended; None when it has none or is no longer kept."""
        with self._lock:
            return self._read().turn(number)

    def spans(self) -> tuple[SpanRecord, ...]:
        """The last spans, in the order they ended."""
        with self._lock:
            return self._read().spans()

    def reset(self) -> None:
        """Forget everything; a span under way is recorded when it ends."""
        with self._lock:
            self._ended.clear()
            self._books = TimingBooks(self.config, self.clock())

    def as_json(self) -> dict[str, Any]:
        """Plain values: statistics by name, and the turns."""
        records = (self.turn_record(number) for number in self.turns())
        return {
            "spans": [one.as_json() for one in self.statistics()],
            "turns": [record.as_json() for record in records if record],
        }

    def chrome_trace(self) -> dict[str, Any]:
        """The last spans as chrome://tracing and Perfetto read them."""
        return chrome_trace(self.spans(), os.getpid())

    def export(self, path: Path) -> None:
        """Write `as_json()`, readable by the user alone. Raises DataError when the file cannot be written."""
        _write(path, self.as_json())

    def export_chrome_trace(self, path: Path) -> None:
        """Write `chrome_trace()`, readable by the user alone. Raises DataError when the file cannot be written."""
        _write(path, self.chrome_trace())

    def take(self, span: Span) -> None:
        """Called by a span at its end."""
        self._ended.append(span)
        if self._lock.acquire(False):
            try:
                self._enter(ENTERED_AT_ONCE)
            finally:
                self._lock.release()

    def _read(self) -> TimingBooks:
        """The books with everything entered that has ended until now. Only with the lock."""
        self._enter(len(self._ended))
        return self._books

    def _enter(self, limit: int) -> None:
        """Only with the lock: nobody else empties the deque."""
        ended, add = self._ended, self._books.add
        while limit and ended:
            limit -= 1
            add(ended.popleft())

    def _timed_generator(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed_generator(*args: Any, **kwargs: Any) -> Generator[Any, None, Any]:
            with Stopwatch(self, name) as stopwatch, closing(function(*args, **kwargs)) as items:
                try:
                    first = next(items)
                except StopIteration as end:
                    return end.value
                stopwatch.note(f"{name}.first")
                yield first
                return (yield from items)

        return timed_generator


def _write(path: Path, document: dict[str, Any]) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        with open(partial, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            json.dump(document, out, indent=1)
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise DataError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
