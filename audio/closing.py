"""Starts and closes streams on threads of their own: PortAudio waits for its thread, that for a server that may hang.

Guarantees that nobody waits longer than `START_S` and `CLOSE_S`. What is not done by then is left to its thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

CLOSE_S = 0.5
START_S = 3.0
"""PortAudio itself waits for a second; where the device goes between opening and starting, for ever"""


class Closing:
    """The streams of one backend that are being started or closed."""

    def __init__(self, patience_s: float = CLOSE_S) -> None:
        self._patience_s = patience_s
        self._threads: list[threading.Thread] = []

    @property
    def stuck(self) -> bool:
        """Whether a stream still starts or closes: PortAudio must not be ended under it."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        return bool(self._threads)

    def run(self, close: Callable[[], None]) -> None:
        """Call `close`, and return when it has, or when it does not in time."""
        if not self._done(close, self._patience_s):
            logger.warning("a sound device does not close; going on without it")

    def start(self, start: Callable[[], None]) -> bool:
        """Call `start`, and return whether it has returned in time."""
        return self._done(start, START_S)

    def _done(self, task: Callable[[], None], patience_s: float) -> bool:
        thread = threading.Thread(target=task, name="merline-closing", daemon=True)
        thread.start()
        thread.join(patience_s)
        if thread.is_alive():
            self._threads.append(thread)
        return not thread.is_alive()


class Starting:
    """The start of one stream: `begin` starts it, raising one of `errors`, and `end` closes it.

    One that hangs is never closed meanwhile, which would abort; should it start after all, it is closed then.
    """

    def __init__(
        self, closing: Closing, begin: Callable[[], None], end: Callable[[], None], errors: tuple[type[Exception], ...]
    ) -> None:
        self._closing = closing
        self._begin = begin
        self._end = end
        self._errors = errors
        self._problem: Exception | None = None
        self._lock = threading.Lock()
        self._over = False
        self.hangs = False

    def start(self) -> Exception | None:
        """Start; what was wrong, if anything."""
        if not self._closing.start(self._run):
            with self._lock:
                self.hangs = not self._over
        return TimeoutError("it hangs") if self.hangs else self._problem

    def close(self) -> None:
        """Close what has started, or was only opened."""
        if not self.hangs:
            self._closing.run(self._end)

    def _run(self) -> None:
        try:
            self._begin()
        except self._errors as error:
            self._problem = error
        with self._lock:
            self._over, late = True, self.hangs
        if late:
            self._end()
