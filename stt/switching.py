"""A recogniser stage whose engine can be exchanged while it listens: between two turns, never within one.

Guarantees: a turn is heard by one engine from its first message to its last, and each message goes to one engine once.
The exchange itself only changes a reference: loading and closing are done by the threads that ask for them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

from core.messages import Interjection, Utterance
from core.stage import Stage

logger = logging.getLogger(__name__)

INTERJECTION = -1
"""stands for the turn of what has none"""


class SwitchingTranscriber:
    """Forwards to the present engine; `offer` may be called from any thread, the rest of a stage as ever."""

    def __init__(self, first: Stage) -> None:
        self._lock = threading.Lock()
        self._present = first
        self._next: Stage | None = None
        self._retired: list[Stage] = []
        self._turn: int | None = None
        """under way: begun, and its final utterance not yet answered"""
        self._closed = False

    @property
    def engine_name(self) -> str:
        """Of the engine in use."""
        return _name(self._present)

    @property
    def fallback_reason(self) -> str:
        """Of the engine in use."""
        return str(getattr(self._present, "fallback_reason", ""))

    def offer(self, stage: Stage) -> bool:
        """Take over to `stage`, loaded and warm: at once where no turn is under way, else before the next.

        Its closing is this one's duty from now on. False, and `stage` is left alone, once all is closed. One engine
        offered before and not yet taken is retired unused.
        """
        with self._lock:
            if self._closed:
                return False
            if self._next is not None:
                self._retired.append(self._next)
            self._next = stage
            if self._turn is None:
                self._exchange()
            return True

    def close_retired(self) -> bool:
        """Close what has been replaced, on the calling thread; whether there was anything."""
        with self._lock:
            retired, self._retired = self._retired, []
        for stage in retired:
            stage.close()
        return bool(retired)

    def load(self) -> None:
        """Load the first engine; raises what it raises."""
        self._present.load()

    def load_words(self) -> None:
        """What the engine in use loads beside the conversation, if it does."""
        load_words = getattr(self._present, "load_words", None)
        if load_words is not None:
            load_words()

    def process(self, message: Any) -> Iterator[Any]:
        """As the engine in use does. A turn not seen before is where another engine may begin."""
        stage = self._engine_for(message)
        try:
            yield from stage.process(message)
        finally:
            # answered, lost or cut off by the next turn: of a final utterance nothing more comes
            if isinstance(message, Interjection):
                self._turn_ended(INTERJECTION)
            elif isinstance(message, Utterance) and message.final:
                self._turn_ended(message.turn)

    def close(self) -> None:
        """Give every engine back."""
        with self._lock:
            self._closed = True
            if self._next is not None:
                self._retired.append(self._next)
                self._next = None
        self.close_retired()
        self._present.close()

    def _engine_for(self, message: Any) -> Stage:
        with self._lock:
            turn = getattr(message, "turn", INTERJECTION)
            if turn != self._turn:
                self._turn = turn
                self._exchange()
            return self._present

    def _turn_ended(self, turn: int) -> None:
        with self._lock:
            if self._turn == turn:
                self._turn = None
                self._exchange()

    def _exchange(self) -> None:
        """To the next engine, if there is one. The lock is held, and no message is with the present one."""
        if self._next is None:
            return
        logger.info("%s listens now instead of %s", _name(self._next), _name(self._present))
        self._retired.append(self._present)
        self._present, self._next = self._next, None


def _name(stage: Stage) -> str:
    return str(getattr(stage, "engine_name", type(stage).__name__.lower()))
