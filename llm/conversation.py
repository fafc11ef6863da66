"""What was said by both, and how much of each reply was heard. Bounded, safe from any thread.

With `memory.enabled` it is also kept in the store; without, it is gone when the program ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace

from core.messages import Heard, Language
from core.utils.config import MemoryConfig
from core.utils.errors import DataError
from llm.store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One turn: what the user said, what was answered, and how much of that was heard."""

    turn: int
    user: str
    """empty when the assistant spoke unasked"""
    sentences: tuple[str, ...]
    language: Language
    heard_characters: tuple[int, ...] = ()
    """of each sentence"""
    repeatable: bool = True

    @property
    def reply(self) -> str:
        return " ".join(sentence for sentence in self.sentences if sentence)

    @property
    def heard(self) -> str:
        """What left the speaker."""
        parts = zip(self.sentences, self.heard_characters, strict=False)
        return " ".join(part for sentence, count in parts if (part := sentence[:count].strip()))


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    turn: int


class Conversation:
    """The last `memory.history_turns` exchanges, the oldest first."""

    def __init__(self, config: MemoryConfig, store: Store | None = None) -> None:
        self._lock = threading.Lock()
        self._exchanges: deque[Exchange] = deque(maxlen=config.history_turns)
        self._limit = config.history_turns
        self._store = store if config.enabled else None
        self._last_row: _Row | None = None

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        with self._lock:
            return tuple(self._exchanges)

    @property
    def last_reply(self) -> Exchange | None:
        """The last exchange whose reply can be said again, or None."""
        for exchange in reversed(self.exchanges):
            if exchange.repeatable and exchange.reply:
                return exchange
        return None

    def add(self, exchange: Exchange) -> None:
        """Append an exchange. A history that cannot be written costs a warning, not the turn."""
        heard = exchange.heard_characters or (0,) * len(exchange.sentences)
        exchange = replace(exchange, heard_characters=heard)
        with self._lock:
            self._exchanges.append(exchange)
        if self._store is None:
            return
        self.flush()
        try:
            row = self._store.execute(
                "INSERT INTO turns (said_at, user, reply, heard, language) VALUES (?, ?, ?, ?, ?)",
                (time.time(), exchange.user, exchange.reply, exchange.heard, exchange.language),
            )
            self._store.execute("DELETE FROM turns WHERE id <= ?", (row - self._limit,))
        except DataError as error:
            logger.warning("the conversation is not kept: %s", error)
            return
        self._last_row = _Row(row, exchange.turn)

    def heard(self, heard: Heard) -> None:
        """Note how far a sentence was heard. Writes nothing, so the thread that plays may call it."""
        with self._lock:
            for position in range(len(self._exchanges) - 1, -1, -1):
                exchange = self._exchanges[position]
                if exchange.turn == heard.turn and heard.index < len(exchange.heard_characters):
                    break
            else:
                return
            counts = list(exchange.heard_characters)
            counts[heard.index] = max(counts[heard.index], heard.characters)
            self._exchanges[position] = replace(exchange, heard_characters=tuple(counts))

    def flush(self) -> None:
        """Write what was heard of the exchange added last; the next `add` does the same."""
        with self._lock:
            row, self._last_row = self._last_row, None
            exchange = self._find(row.turn) if row else None
        if row is None or exchange is None or self._store is None:
            return
        try:
            self._store.execute("UPDATE turns SET heard = ? WHERE id = ?", (exchange.heard, row.id))
        except DataError as error:
            logger.warning("the conversation is not kept: %s", error)

    def _find(self, turn: int) -> Exchange | None:
        return next((exchange for exchange in reversed(self._exchanges) if exchange.turn == turn), None)
