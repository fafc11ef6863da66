"""Small public fakes, passed to constructors: stages, clocks and inboxes for tests without devices."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any


class VirtualClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime | None = None) -> None:
        self._monotonic = 1000.0
        self._now = start or datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)


class FakeStage:
    """Answers each message with what `answer(message)` yields; remembers what happened to it."""

    def __init__(self, answer: Callable[[Any], Iterator[Any]]) -> None:
        self._answer = answer
        self.seen: list[Any] = []
        self.loaded = self.closed = 0
        self.ended_early = 0

    def load(self) -> None:
        self.loaded += 1

    def process(self, message: Any) -> Iterator[Any]:
        self.seen.append(message)
        try:
            yield from self._answer(message)
        except GeneratorExit:
            self.ended_early += 1
            raise

    def close(self) -> None:
        self.closed += 1


class ListInbox:
    """Gives a list of messages, then nothing."""

    def __init__(self, messages: Sequence[Any] = ()) -> None:
        self._messages = list(messages)

    def put(self, message: Any) -> None:
        self._messages.append(message)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self._messages:
            raise queue.Empty
        return self._messages.pop(0)
