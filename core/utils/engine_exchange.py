"""An engine in the place of another: between two turns, never within one.

Guarantees: from `begin` to `end` of a turn the engine stays. The exchange itself only changes a reference: loading and
closing are done by the threads that ask for them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

logger = logging.getLogger(__name__)


class Closable(Protocol):
    """An engine as far as this goes."""

    def close(self) -> None: ...


EngineT = TypeVar("EngineT", bound=Closable | None)


class EngineExchange(Generic[EngineT]):
    """Holds the engine in use, which may be none at first. `offer` and `close` may be called from any thread.

    `does` says for the log what it does ("speaks"), `name` what it is called.
    """

    def __init__(self, first: EngineT, does: str, name: Callable[[EngineT], str]) -> None:
        self._lock = threading.Lock()
        self._present = first
        self._next: EngineT | None = None
        self._retired: list[Closable] = []
        self._turn: int | None = None
        """under way"""
        self._taken = False
        """an offered one has been, since `close_retired` was last called"""
        self._closed = False
        self._does = does
        self._name = name

    @property
    def present(self) -> EngineT:
        """The one in use."""
        return self._present

    def start_with(self, engine: EngineT) -> None:
        """Another first one, before the first turn. The one before stays whose it was."""
        with self._lock:
            self._present = engine

    def offer(self, engine: EngineT) -> bool:
        """Use `engine`, which is loaded and warm: at once where no turn is under way, else from the next one on.

        Its closing is this one's duty from now on. False, and it is left alone, once all is closed. One offered before
        and not yet taken is retired unused.
        """
        with self._lock:
            if self._closed:
                return False
            if self._next is not None:
                self._retired.append(self._next)
            self._next = engine
            if self._turn is None:
                self._take_over()
            return True

    def begin(self, turn: int) -> EngineT:
        """The engine for something of this turn. It stays until the turn ends or another one begins."""
        with self._lock:
            if turn != self._turn:
                self._take_over()
                self._turn = turn
            return self._present

    def end(self, turn: int) -> None:
        """Nothing more of this turn comes."""
        with self._lock:
            if self._turn == turn:
                self._turn = None
                self._take_over()

    def close_retired(self) -> bool:
        """Close what has been replaced, on the calling thread; whether an offered one was taken since last asked."""
        with self._lock:
            retired, self._retired = self._retired, []
            taken, self._taken = self._taken, False
        for engine in retired:
            engine.close()
        return taken

    def close(self) -> None:
        """Give every engine back."""
        with self._lock:
            self._closed = True
            if self._next is not None:
                self._retired.append(self._next)
                self._next = None
        self.close_retired()
        if self._present is not None:
            self._present.close()

    def _take_over(self) -> None:
        """By the next engine, if there is one. The lock is held, and the present one does nothing."""
        if self._next is None:
            return
        logger.info("%s %s now instead of %s", self._name(self._next), self._does, self._name(self._present))
        if self._present is not None:
            self._retired.append(self._present)
        self._present, self._next, self._taken = self._next, None, True
