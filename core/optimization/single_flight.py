"""One computation that many threads want: one thread runs it, the others wait for what comes out."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from types import TracebackType
from typing import Generic, TypeVar

from core.utils.errors import InferenceError

V = TypeVar("V")


class Flight(Generic[V]):
    """Its thread computes inside the context, adds the value, and sets `ended` when newcomers no longer find it."""

    __slots__ = ("_error", "_thread_id", "ended", "superseded", "value")

    def __init__(self) -> None:
        self._thread_id = threading.get_ident()
        self._error: Exception | None = None
        self.ended = threading.Event()
        self.value: list[V] = []
        """one value once it is there"""
        self.superseded = False
        """what comes out is out of date for all who ask from now on"""

    def __enter__(self) -> Flight[V]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._error = error if isinstance(error, Exception) else None

    def wait(self, key: Hashable, wait_s: float) -> V:
        """The value, or what the computation raised.

        Raises InferenceError when it takes longer than `wait_s` or was interrupted, RuntimeError when it is this
        thread's own.
        """
        if self._thread_id == threading.get_ident() and not self.ended.is_set():
            raise RuntimeError(f"cache: computing {key!r} asks for {key!r} itself; break the circle")
        if not self.ended.wait(wait_s):
            raise InferenceError(
                f"cache: another thread has been computing {key!r} for over {wait_s:g} s; ask again or raise wait_s"
            )
        if self._error is not None:
            raise self._error
        if not self.value:
            raise InferenceError(f"cache: the thread that computed {key!r} was interrupted; ask again")
        return self.value[0]
