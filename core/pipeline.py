"""Joins the stages by bounded queues: starts, stops, routes each message by its type, and lets observers look on.

`Pipeline.start()` gives each stage a thread; `Pipeline.step()` runs them all from one thread, in a seeded or a
downstream-first order, so that whole dialogues are deterministic.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import queue
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.messages import (
    Interjection,
    ReplyUnderWay,
    Sentence,
    Speech,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.stage import Inbox, Span, Stage, StageThread, no_span
from core.turn_clock import TurnClock
from core.utils.errors import StageCrashedError

logger = logging.getLogger(__name__)

QUEUE_SIZES = {"stt": 256, "llm": 8, "tts": 16, "play": 8}
"""Bounds in messages. Speech chunks are 32 ms, so the recogniser may lag by 8 s; the rest applies back-pressure."""

ROUTES: dict[type, str] = {
    SpeechStarted: "stt",
    SpeechChunk: "stt",
    Interjection: "stt",
    Utterance: "stt",
    Transcript: "llm",
    TurnFailed: "llm",
    Sentence: "tts",
    Speech: "play",
}
"""Which stage takes which message. What is not listed goes to observers only."""

OF_THE_REPLY = frozenset({ReplyUnderWay, Sentence, Speech})
"""What observers are told of a turn once the user has finished it: of what is prepared for nothing nobody hears."""

JOIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Part:
    """A stage, its name, and where its messages come from (None: a bounded queue made here)."""

    name: str
    stage: Stage
    source: Inbox | None = None
    waits: bool = False
    """It takes nothing of a turn that the user may still go on with."""
    yields: Callable[[int, float], bool] = lambda turn, timeout: False
    """whether its work on a turn is to wait, after waiting for so many seconds; see StageThread"""


class Pipeline:
    """The assistant's stages, in the order of the data's flow."""

    def __init__(self, parts: Sequence[Part], clock: TurnClock, span: Span = no_span) -> None:
        self.clock = clock
        self.passed: Callable[[Any], None] = lambda message: None
        """called with every message that a stage has handed on, told of or not, on its thread; must return at once"""
        self._queues: dict[str, queue.Queue[Any]] = {}
        self._observers: dict[type, list[Callable[[Any], None]]] = {}
        self._telling = threading.RLock()
        self._untold: list[Any] = []
        """of a revision that is held"""
        self._crash: StageCrashedError | None = None
        self._crashed = threading.Event()
        self.threads: list[StageThread] = []
        self._loaded: list[Stage] = []
        for part in parts:
            inbox = part.source
            if inbox is None:
                inbox = self._queues[part.name] = queue.Queue(QUEUE_SIZES[part.name])
            thread = StageThread(part.name, part.stage, inbox, clock, self._deliver)
            thread.crashed = self._stage_crashed
            thread.span = span
            thread.waits, thread.yields = part.waits, part.yields
            self.threads.append(thread)
        self._downstream_first = tuple(reversed(self.threads))

    @functools.cached_property
    def _orders(self) -> tuple[tuple[StageThread, ...], ...]:
        """Every order in which the stages can be looked at."""
        return tuple(itertools.permutations(self.threads))

    def observe(self, message_type: type, callback: Callable[[Any], None]) -> None:
        """Call `callback` with every message of this type, on the thread that sends it; it must return at once."""
        self._observers.setdefault(message_type, []).append(callback)

    def publish(self, message: Any) -> None:
        """Show a message that comes from outside the stages to the observers."""
        for callback in self._observers.get(type(message), ()):
            callback(message)

    def load(self) -> None:
        """Load every stage; those already loaded are closed again if one fails."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            for thread in self.threads:
                thread.stage.load()
                self._loaded.append(thread.stage)
            undo.pop_all()

    def start(self) -> None:
        """Give each stage its thread, the last of the flow first."""
        for thread in reversed(self.threads):
            thread.start()

    def wait(self, timeout: float) -> None:
        """Wait; raises StageCrashedError, with the original error as its cause, once a stage has crashed."""
        if self._crashed.wait(timeout):
            assert self._crash is not None
            raise self._crash

    def step(self, seed: random.Random | None = None) -> bool:
        """Run the stages from the calling thread: one `step()` of the stage furthest downstream that has work,
        or, with `seed`, of any that has. False when none has.
        """
        order = self._downstream_first if seed is None else seed.choice(self._orders)
        return any(thread.step() for thread in order)

    def drain(self) -> None:
        """Step until nothing is left to do."""
        while self.step():
            continue

    def interrupt(self) -> None:
        """End the current turn: whatever it has under way is dropped."""
        self.clock.cancel(self.clock.current)

    def close(self) -> None:
        """Stop all threads, in the order of the flow, and close every loaded stage but those that still work."""
        for thread in self.threads:
            thread.stop()
        busy = []
        for thread in self.threads:
            if thread.join(JOIN_S):
                thread.finish()
            else:
                logger.warning("stage %s did not stop within %.0f s", thread.name, JOIN_S)
                busy.append(thread.stage)
        while self._loaded:
            stage = self._loaded.pop()
            if not any(stage is one for one in busy):
                stage.close()

    def queue_sizes(self) -> dict[str, int]:
        """Messages waiting before each stage."""
        return {name: inbox.qsize() for name, inbox in self._queues.items()}

    def _deliver(self, message: Any, wait_s: float) -> bool:
        if isinstance(message, TurnFailed) and message.stage != "stt" and self.clock.is_held(message):
            message = replace(message, prepared=True)
        target = ROUTES.get(type(message))
        inbox = self._queues.get(target) if target else None
        if inbox is not None:
            try:
                inbox.put(message, wait_s > 0, wait_s if wait_s > 0 else None)
            except queue.Full:
                return False
        self.passed(message)
        self._tell(message)
        return True

    def _tell(self, message: Any) -> None:
        """Show a stage's message to the observers: what is of a held reply once the turn's last words are there."""
        if isinstance(message, TurnFailed) and message.prepared:
            with self._telling:
                self._untold = []
            return
        if type(message) in OF_THE_REPLY:
            with self._telling:
                if self.clock.is_held(message):
                    self._untold = [one for one in self._untold if not self.clock.is_stale(one)] + [message]
                    return
        self.publish(message)
        if isinstance(message, TurnFailed) and message.silent:
            self.clock.cancel(message.turn)  # the rest of a reply that has lost a part is no reply
        if (isinstance(message, Transcript) and message.final) or (
            isinstance(message, TurnFailed) and message.stage == "stt"
        ):
            self._settle(message)

    def _settle(self, message: Transcript | TurnFailed) -> None:
        """The user has finished: release what was prepared. Where no words are left it ends with the turn."""
        with self._telling:
            if isinstance(message, Transcript) and not message.text and self.clock.is_held(message):
                self.clock.cancel(message.turn)
            self.clock.release(message.turn, message.revision)
            untold, self._untold = self._untold, []
            for one in untold:
                if not self.clock.is_stale(one):
                    self.publish(one)

    def _stage_crashed(self, name: str, error: BaseException) -> None:
        if self._crash is None:
            self._crash = StageCrashedError(f"the {name} stage crashed: {error}")
            self._crash.__cause__ = error
            for thread in self.threads:
                thread.stop()
            self._crashed.set()
