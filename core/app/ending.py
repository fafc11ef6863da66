"""Ctrl-C, SIGTERM and SIGHUP as a wish that is looked at, not as an exception.

An exception can strike inside an import or a library's callback, where it is swallowed or leaves a lock behind. A
second Ctrl-C does raise KeyboardInterrupt, for whoever cannot wait.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class EndingWish:
    """While this context lasts, `asked` says whether the user wants the program to end."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> EndingWish:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, old in self._before.items():
            signal.signal(number, old)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
