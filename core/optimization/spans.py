"""A span under way, in its thread and its turn. Made by InferenceProfiler; SpanRecord is what one becomes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol


class SpanOwner(Protocol):
    """Who gives spans a clock and a thread, and takes them when they have ended."""

    clock: Callable[[], float]
    """seconds that only grow"""
    local: ThreadLocal

    def take(self, span: Span) -> None:
        """Called in the span's thread; must not wait."""
        ...


class ThreadState:
    """What is under way in one thread."""

    __slots__ = ("name", "number", "turn", "unfinished")

    def __init__(self, number: int) -> None:
        self.name = threading.current_thread().name
        self.number = number
        self.turn: int | None = None
        self.unfinished: list[Span] = []


class ThreadLocal(threading.local):
    """Each thread's own state."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self.state = ThreadState(next(numbers))


class Span:
    """A piece of work being timed, and how long it took once it has ended. It is entered once.

    Raises RuntimeError when entered again.
    """

    __slots__ = ("_owner", "began_s", "depth", "failed", "name", "parent", "seconds", "thread", "turn")

    def __init__(self, owner: SpanOwner | None, name: str, turn: int | None) -> None:
        self._owner = owner
        self.name = name
        self.turn = turn
        self.thread: ThreadState | None = None
        self.seconds = 0.0
        """set at the end; stays 0.0 where the profiler is disabled"""

    def __enter__(self) -> Span:
        owner = self._owner
        if owner is None:
            return self
        if self.thread is not None:
            raise RuntimeError(f"span '{self.name}' was entered twice; ask the profiler for a new one each time")
        unfinished = self.place(owner.local.state)
        unfinished.append(self)
        self.began_s = owner.clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        owner = self._owner
        if owner is None or self.thread is None:
            return
        self.seconds = owner.clock() - self.began_s
        self.failed = kind is not None and issubclass(kind, Exception)
        unfinished = self.thread.unfinished
        if unfinished[-1] is self:
            unfinished.pop()
        else:  # a span inside a generator may outlive the one that was opened before it
            unfinished.remove(self)
        owner.take(self)

    def place(self, thread: ThreadState) -> list[Span]:
        """Put it below what is under way in `thread`, without opening it; gives what is under way."""
        self.thread = thread
        unfinished = thread.unfinished
        self.depth = len(unfinished)
        self.parent = unfinished[-1].name if unfinished else None
        if self.turn is None:
            self.turn = thread.turn
        return unfinished


class TurnScope(AbstractContextManager[None]):
    """Within it, spans of this thread belong to a turn."""

    __slots__ = ("_before", "_local", "_number", "_state")

    def __init__(self, local: ThreadLocal, number: int) -> None:
        self._local = local
        self._number = number

    def __enter__(self) -> None:
        self._state = self._local.state
        self._before, self._state.turn = self._state.turn, self._number

    def __exit__(self, *_: object) -> None:
        self._state.turn = self._before


class Stopwatch(AbstractContextManager["Stopwatch"]):
    """Times what is not one piece of its thread's time, such as a generator's life: nothing is nested in it."""

    __slots__ = ("_began_s", "_name", "_owner", "_turn")

    def __init__(self, owner: SpanOwner, name: str) -> None:
        self._owner = owner
        self._name = name

    def __enter__(self) -> Stopwatch:
        self._turn = self._owner.local.state.turn
        self._began_s = self._owner.clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.note(self._name, kind is not None and issubclass(kind, Exception))

    def note(self, name: str, failed: bool = False) -> None:
        """Record the time up to now under `name`."""
        span = Span(self._owner, name, self._turn)
        span.place(self._owner.local.state)
        span.began_s, span.seconds, span.failed = self._began_s, self._owner.clock() - self._began_s, failed
        self._owner.take(span)
