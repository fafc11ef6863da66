"""A stage turns messages into messages; StageThread runs one, drops what is stale, and ends it when its turn ends.

Stages see no queue, thread or cancellation: closing a stage's generator is the only way work is stopped.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from core.messages import Interjection, SpeechChunk, SpeechStarted, TurnFailed
from core.turn_clock import TurnClock
from core.utils.errors import InferenceError

logger = logging.getLogger(__name__)

WAIT_S = 0.3
"""the longest a stage thread waits before it looks whether it should stop: each look wakes a processor that rests"""
SHORT_OF_MEMORY = "there was not enough memory to go on; close other programs or take smaller models; this turn is lost"


class Stage(Protocol):
    """One part of the pipeline."""

    def load(self) -> None:
        """Get ready; raises ModelError or DeviceError. Called once, before the first message."""
        ...

    def process(self, message: Any) -> Iterator[Any]:
        """Answer one message with any number of them. Closed early when the message becomes stale."""
        ...

    def close(self) -> None:
        """Give everything back. Called once."""
        ...


class Inbox(Protocol):
    """Where a stage's messages come from: a bounded queue, the microphone, a ticker."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The next message; raises queue.Empty after `timeout` seconds without one."""
        ...


Span = Callable[[str, int | None], AbstractContextManager[object]]
"""Times what is done within it, by a stage's name, for a turn or None"""


def no_span(name: str, turn: int | None) -> AbstractContextManager[object]:
    """Times nothing."""
    return _NOTHING


_NOTHING = nullcontext()
_DONE = object()


def _is_early(message: object) -> bool:
    """Whether the user has not finished yet, so that all of it comes once more with their last words."""
    return isinstance(message, SpeechStarted | SpeechChunk | Interjection) or not getattr(message, "final", True)


class StageThread:
    """Runs one stage: `step()` in a loop of its own thread, or called by a scheduler.

    `deliver(message, timeout)` hands an output on and returns False when its receiver has no room yet.
    An InferenceError, and a lack of memory, lose that turn (before its end nothing yet) and are reported as TurnFailed;
    any other error ends the loop through `crashed`.
    """

    def __init__(
        self,
        name: str,
        stage: Stage,
        inbox: Inbox,
        clock: TurnClock,
        deliver: Callable[[Any, float], bool],
    ) -> None:
        self.name = name
        self.waits = False
        """takes nothing of a revision that is held"""
        self.yields: Callable[[int, float], bool] = lambda turn, timeout: False
        """whether this stage's work on a turn is to wait for another's, after waiting for that for so long"""
        self._kept: Any = None
        self.stage = stage
        self.inbox = inbox
        self.crashed: Callable[[str, BaseException], None] = lambda name, error: None
        self.span: Span = no_span
        self._clock = clock
        self._deliver = deliver
        self._work: Iterator[Any] | None = None
        self._message: Any = None
        self._pending: deque[Any] = deque()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run the stage in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=f"merline-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does within `WAIT_S` and the time between two yields of its stage."""
        self._stopping.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; True when it has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def step(self, wait_s: float = 0.0) -> bool:
        """One unit of work: hand on one message, advance the stage by one, or take one message in.

        Returns False when there was nothing to do within `wait_s`.
        """
        if self._work is not None and self._clock.is_stale(self._message):
            self._abandon()
            return True
        if self._pending:
            return self._hand_on(wait_s)
        if self._work is not None:
            turn = getattr(self._message, "turn", None)
            if turn is not None and self.yields(turn, wait_s):
                return False
            self._advance()
            return True
        return self._accept(wait_s)

    def finish(self) -> None:
        """Close the generator under way, if any; after this the stage holds no work."""
        self._abandon()

    def _accept(self, wait_s: float) -> bool:
        message, self._kept = self._kept, None
        if message is None:
            try:
                message = self.inbox.get(wait_s > 0, wait_s if wait_s > 0 else None)
            except queue.Empty:
                return False
        if self.waits and self._clock.wait_while_held(message, wait_s):
            self._kept = message
            return False
        if self._clock.is_stale(message):
            return True
        self._message = message
        self._work = iter(self.stage.process(message))
        return True

    def _advance(self) -> None:
        assert self._work is not None
        try:
            with self.span(self.name, getattr(self._message, "turn", None)):
                output = next(self._work, _DONE)
        except (InferenceError, MemoryError) as error:
            reason = str(error) if isinstance(error, InferenceError) else SHORT_OF_MEMORY
            turn = getattr(self._message, "turn", self._clock.current)
            revision = getattr(self._message, "revision", self._clock.revision)
            failed = TurnFailed(turn, revision, self.name, reason, prepared=_is_early(self._message))
            if failed.prepared:
                logger.warning("turn %s: %s failed before its end, and tries again then: %s", turn, self.name, reason)
            else:
                # no error, which the log would show on the terminal in English: whoever shows the conversation tells it
                logger.warning("turn %s lost in %s: %s", turn, self.name, reason)
            self._pending.append(failed)
            self._work = self._message = None
            return
        if output is _DONE:
            self._work = self._message = None
        else:
            self._pending.append(output)

    def _hand_on(self, wait_s: float) -> bool:
        if self._clock.is_stale(self._pending[0]):
            self._pending.popleft()
            return True
        if not self._deliver(self._pending[0], wait_s):
            return False
        self._pending.popleft()
        return True

    def _abandon(self) -> None:
        work, self._work, self._message = self._work, None, None
        self._pending.clear()
        close = getattr(work, "close", None)
        if close is not None:
            close()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.step(WAIT_S)
        except Exception as error:  # the one place: whatever a stage raises must reach the pipeline
            logger.exception("stage %s crashed", self.name)
            self.crashed(self.name, error)
        finally:
            self._abandon()
