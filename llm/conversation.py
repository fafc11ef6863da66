"""What was said by both, and how much of each reply was heard. Bounded, safe from any thread.

With `memory.enabled` it is also kept in the store; without, it is gone when the program ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.messages import Heard, Language
from core.utils.config import MemoryConfig
from core.utils.errors import DataError
from llm.store import Row, Store

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
    written: str = ""
    """the reply as a language model wrote it, before it was made speech; empty where none did"""
    call: str = ""
    """the tool that was called for it, as a language model would write that; empty where none was"""

    @property
    def reply(self) -> str:
        return " ".join(sentence for sentence in self.sentences if sentence)

    @property
    def heard(self) -> str:
        """What left the speaker."""
        parts = zip(self.sentences, self.heard_characters, strict=False)
        return " ".join(part for sentence, count in parts if (part := sentence[:count].strip()))

    @property
    def heard_whole(self) -> bool:
        """Whether all of it left the speaker."""
        counts = self.heard_characters
        return len(counts) == len(self.sentences) and all(
            count >= len(sentence.rstrip()) for sentence, count in zip(self.sentences, counts, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """Exchanges in a row, the oldest first."""

    first: int
    """how many came before them since the start"""
    exchanges: tuple[Exchange, ...]


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
        self._added = 0
        self._held: Exchange | None = None
        """begun before the user has finished, and no part of the conversation until they have"""
        self._began = time.time()
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

    def since(self, number: int) -> Stretch:
        """All but the first `number` exchanges since the start, as far as they are kept."""
        with self._lock:
            first = max(number, self._added - len(self._exchanges))
            kept = tuple(self._exchanges)[first - self._added + len(self._exchanges) :]
        return Stretch(first, kept)

    def earlier(self, limit: int, not_before: float) -> tuple[Exchange, ...]:
        """What was heard or done before this session, from the store: at most `limit` exchanges since that second."""
        if self._store is None:
            return ()
        try:
            rows = self._store.query(
                "SELECT user, reply, heard, language, call FROM turns WHERE said_at >= ? AND said_at < ?"
                " AND user <> '' AND (heard <> '' OR call <> '') ORDER BY id DESC LIMIT ?",
                (not_before, self._began, limit),
            )
        except DataError as error:
            logger.warning("the earlier conversation cannot be read: %s", error)
            return ()
        return tuple(map(_kept, reversed(rows)))

    def add(self, exchange: Exchange) -> None:
        """Append an exchange. A history that cannot be written costs a warning, not the turn."""
        self.begin(exchange)
        self.settle(exchange.turn)

    def begin(self, exchange: Exchange, held: bool = False) -> None:
        """Append an exchange whose reply is still being written; `extend` it, then `settle` it.

        One that is `held` leaves no trace unless it is confirmed before it is settled.
        """
        exchange = replace(exchange, heard_characters=exchange.heard_characters or (0,) * len(exchange.sentences))
        with self._lock:
            if held:
                self._held = exchange
            else:
                self._append(exchange)

    def confirm(self, turn: int) -> None:
        """The user has finished: the held exchange of this turn is part of the conversation from now on."""
        with self._lock:
            held, self._held = self._held, None
            if held is not None and held.turn == turn:
                self._append(held)

    def _append(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange)
        self._added += 1

    def extend(
        self,
        turn: int,
        sentences: Sequence[str],
        written: str = "",
        language: Language | None = None,
        call: str = "",
    ) -> None:
        """Add sentences to the reply of a turn; what else is given replaces what was known of it."""

        def extended(exchange: Exchange) -> Exchange:
            return replace(
                exchange,
                sentences=(*exchange.sentences, *sentences),
                heard_characters=(*exchange.heard_characters, *(0 for _ in sentences)),
                written=written or exchange.written,
                language=language or exchange.language,
                call=call or exchange.call,
            )

        with self._lock:
            if self._held is not None and self._held.turn == turn:
                self._held = extended(self._held)
                return
            for position in range(len(self._exchanges) - 1, -1, -1):
                if self._exchanges[position].turn == turn:
                    self._exchanges[position] = extended(self._exchanges[position])
                    return

    def settle(self, turn: int, again: bool = False) -> None:
        """Write the exchange of a turn, complete now; `again`: it was settled, and has been gone on with.

        One that cannot be written costs a warning, not the turn.
        """
        with self._lock:
            self._held = None
            exchange = self._find(turn)
        if self._store is None or exchange is None:
            return
        if again and self._last_row is not None and self._last_row.turn == turn:
            self._rewrite(self._last_row, exchange)
            return
        self.flush()
        try:
            row = self._store.execute(
                "INSERT INTO turns (said_at, user, reply, heard, language, call) VALUES (?, ?, ?, ?, ?, ?)",
                (time.time(), exchange.user, exchange.reply, exchange.heard, exchange.language, exchange.call),
            )
            self._store.execute("DELETE FROM turns WHERE id <= ?", (row - self._limit,))
        except DataError as error:
            logger.warning("the conversation is not kept: %s", error)
            return
        self._last_row = _Row(row, exchange.turn)

    def _rewrite(self, row: _Row, exchange: Exchange) -> None:
        """What was settled before has been gone on with."""
        assert self._store is not None
        try:
            self._store.execute(
                "UPDATE turns SET reply = ?, heard = ?, language = ?, call = ? WHERE id = ?",
                (exchange.reply, exchange.heard, exchange.language, exchange.call, row.id),
            )
        except DataError as error:
            logger.warning("the conversation is not kept: %s", error)

    def forget(self, turn: int) -> None:
        """The latest exchange, if it is this turn's, was none."""
        with self._lock:
            if not self._exchanges or self._exchanges[-1].turn != turn:
                return
            self._exchanges.pop()
            self._added -= 1
            row = self._last_row if self._last_row is not None and self._last_row.turn == turn else None
            self._last_row = None if row is not None else self._last_row
        if row is None or self._store is None:
            return
        try:
            self._store.execute("DELETE FROM turns WHERE id = ?", (row.id,))
        except DataError as error:
            logger.warning("the conversation keeps words that were gone on with: %s", error)

    def heard(self, heard: Heard) -> None:
        """Note how far a sentence was heard. Writes nothing, so the thread that plays may call it."""
        with self._lock:
            for position in range(len(self._exchanges) - 1, -1, -1):
                exchange = self._exchanges[position]
                if exchange.turn == heard.turn and heard.index < len(exchange.heard_characters):
                    break
            else:
                return
            if heard.characters <= exchange.heard_characters[heard.index]:
                return
            counts = list(exchange.heard_characters)
            counts[heard.index] = heard.characters
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


def _kept(row: Row) -> Exchange:
    """An exchange of the store. Where a reply was cut is known as long as what was heard is its beginning."""
    reply, heard = row["reply"], row["heard"]
    sentences = (reply,) if reply.startswith(heard) else (heard,)
    return Exchange(
        0, row["user"], sentences, "fr" if row["language"] == "fr" else "en", (len(heard),), call=row["call"]
    )
