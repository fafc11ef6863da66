"""The account of replies that are prepared in a pause: what of that work was for nothing, and whether more may be.

Work is the time that the recogniser, the answering stage and the voice take, a stage at a time; what they do in other
threads meanwhile is not counted twice.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from core.messages import SpeechStarted, Transcript
from core.optimization.profiler import InferenceProfiler, ProfilerConfig
from core.pipeline import Pipeline
from core.stage import Span
from core.turn_clock import TurnClock

logger = logging.getLogger(__name__)

MOST = 1.5
"""all work against that which somebody heard the end of"""
ALLOWED_S = 1.0
"""so much may be for nothing before there is anything to compare with"""
WORKERS = frozenset({"stt", "llm", "tts"})
NOTHING_KEPT = ProfilerConfig(window=1, names=1, spans=1, turns=1, spans_per_turn=1)
"""a span is asked for its time as it ends: 10,000 of them, 145 turns' worth, would stay for nobody"""


@dataclass(frozen=True, slots=True)
class Account:
    """Seconds of work, and how often a pause was an end or none."""

    useful_s: float = 0.0
    wasted_s: float = 0.0
    released: int = 0
    superseded: int = 0

    @property
    def ratio(self) -> float:
        """All work against what was of use; 1.0 where nothing was for nothing."""
        return (self.useful_s + self.wasted_s) / self.useful_s if self.useful_s else 1.0


class Speculation:
    """Times the stages through `span`, and watches what becomes of each pause. Safe from any thread."""

    def __init__(self, turns: TurnClock, inner: Span) -> None:
        self._turns = turns
        self._inner = inner
        self._timing = InferenceProfiler(NOTHING_KEPT)
        """of its own: it is always on, and what `inner` times need not be"""
        self._lock = threading.Lock()
        self._held: dict[tuple[int, int], float] = {}
        self._account = Account()

    @property
    def account(self) -> Account:
        """So far."""
        with self._lock:
            return self._account

    def may_prepare(self) -> bool:
        """Whether another reply may be prepared that perhaps nobody will hear."""
        account = self.account
        return account.wasted_s <= ALLOWED_S + (MOST - 1.0) * account.useful_s

    def watch(self, pipeline: Pipeline) -> None:
        """Observe whether the user goes on or has finished."""
        pipeline.observe(SpeechStarted, lambda message: self._supersede(message.turn, message.revision))
        pipeline.observe(Transcript, lambda message: self._release(message) if message.final else None)

    def span(self, name: str, turn: int | None) -> AbstractContextManager[object]:
        """Times what a stage does within it."""
        inner = self._inner(name, turn)
        return self._counted(inner, turn) if name in WORKERS and turn is not None else inner

    @contextlib.contextmanager
    def _counted(self, inner: AbstractContextManager[object], turn: int) -> Iterator[None]:
        revision, span = self._turns.revision, self._timing.span("work", turn)
        try:
            with inner, span:
                yield
        finally:
            self._add((turn, revision), span.seconds)

    def _add(self, key: tuple[int, int], seconds: float) -> None:
        held = self._turns.holds(*key)
        with self._lock:
            if held:
                self._held[key] = self._held.get(key, 0.0) + seconds
            else:
                self._count(useful_s=seconds)

    def _supersede(self, turn: int, revision: int) -> None:
        with self._lock:
            for key in [key for key in self._held if key != (turn, revision)]:
                self._count(wasted_s=self._held.pop(key), superseded=1)

    def _release(self, message: Transcript) -> None:
        with self._lock:
            self._count(useful_s=self._held.pop((message.turn, message.revision), 0.0), released=1)
            account = self._account
        logger.debug("work so far %.2f times what was of use: %s", account.ratio, account)

    def _count(self, useful_s: float = 0.0, wasted_s: float = 0.0, released: int = 0, superseded: int = 0) -> None:
        """The lock is held."""
        was = self._account
        self._account = Account(
            was.useful_s + useful_s, was.wasted_s + wasted_s, was.released + released, was.superseded + superseded
        )
