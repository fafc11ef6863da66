"""What is under way, on a stream: one line that is written over in a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

LINE_S = 1.0
"""between two lines, where they cannot be written over each other"""
REDRAW_S = 0.2


class ShownLine:
    """`show` as often as there is something to show, then `end`."""

    def __init__(self, stream: TextIO, line_s: float = LINE_S, now_s: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._every_s = REDRAW_S if self._terminal else line_s
        self._now_s = now_s
        self._shown_s = float("-inf")
        self._open = False

    def show(self, line: str) -> None:
        """Nothing is shown where the last line was shown a moment ago."""
        now_s = self._now_s()
        if now_s - self._shown_s < self._every_s:
            return
        self._shown_s = now_s
        if self._terminal:
            print(f"\r{line}\x1b[K", end="", file=self._stream, flush=True)
            self._open = True
        else:
            print(line, file=self._stream, flush=True)

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._open:
            print(file=self._stream, flush=True)
            self._open = False
