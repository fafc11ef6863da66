"""A speech engine in the place of another: between two turns, never within one."""

from __future__ import annotations

import logging
import threading

from tts.engine import SpeechEngine

logger = logging.getLogger(__name__)


class EngineExchange:
    """Holds the engine in use. `offer` and `close` may be called from any thread."""

    def __init__(self, first: SpeechEngine) -> None:
        self._lock = threading.Lock()
        self._present = first
        self._next: SpeechEngine | None = None
        self._retired: list[SpeechEngine] = []
        self._turn: int | None = None
        self._closed = False

    @property
    def present(self) -> SpeechEngine:
        """The one in use."""
        return self._present

    def offer(self, engine: SpeechEngine) -> bool:
        """Use `engine`, which is loaded: at once where no turn is under way, else from the next one on.

        False, and it is left alone, once all is closed. One offered before and not yet taken is retired unused.
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

    def begin(self, turn: int) -> None:
        """Something of this turn is to be said: until it ends the engine stays."""
        with self._lock:
            if turn != self._turn:
                self._take_over()
                self._turn = turn

    def end(self, turn: int) -> None:
        """Nothing more of this turn is being said."""
        with self._lock:
            if self._turn == turn:
                self._turn = None
                self._take_over()

    def close_retired(self) -> bool:
        """Close what has been replaced, on the calling thread; whether there was anything."""
        with self._lock:
            retired, self._retired = self._retired, []
        for engine in retired:
            engine.close()
        return bool(retired)

    def close(self) -> None:
        """Give every engine back."""
        with self._lock:
            self._closed = True
            if self._next is not None:
                self._retired.append(self._next)
                self._next = None
        self.close_retired()
        self._present.close()

    def _take_over(self) -> None:
        """By the next engine, if there is one. The lock is held, and the present one does nothing."""
        if self._next is None:
            return
        logger.info("%s speaks now instead of %s", self._next.name, self._present.name)
        self._retired.append(self._present)
        self._present, self._next = self._next, None
