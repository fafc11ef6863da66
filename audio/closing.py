"""Closes streams on threads of their own: PortAudio waits for its thread, that for a server that may hang.

Guarantees that nobody waits longer than `CLOSE_S`. What has not closed by then is left to its thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

CLOSE_S = 0.5


class Closing:
    """The streams of one backend that are being closed."""

    def __init__(self, patience_s: float = CLOSE_S) -> None:
        self._patience_s = patience_s
        self._threads: list[threading.Thread] = []

    @property
    def stuck(self) -> bool:
        """Whether a stream still closes: PortAudio must not be ended under it."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        return bool(self._threads)

    def run(self, close: Callable[[], None]) -> None:
        """Call `close`, and return when it has, or when it does not in time."""
        thread = threading.Thread(target=close, name="merline-closing", daemon=True)
        thread.start()
        thread.join(self._patience_s)
        if thread.is_alive():
            logger.warning("a sound device does not close; going on without it")
            self._threads.append(thread)
