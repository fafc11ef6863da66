"""What is known of a prompt goes into an engine before it is asked: while nothing else follows, and as words come.

Guarantees: one thread at a time computes in the engine, and words, an answer or the end wait for one piece at most.
What is computed for words that change is the engine's to take back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.utils.errors import InferenceError
from llm.engine import PREFILL_AT_ONCE, Engine, Prompt

logger = logging.getLogger(__name__)

GUESS_S = 0.2
"""words that may still change are prepared with all that closes the prompt as long as that takes no longer"""
CLOSE_S = 10.0
"""how long closing waits for a piece that is being computed"""


class Prefill:
    """Of one engine, which it neither loads nor closes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heard: tuple[str, bool] = ("", False)
        """the words prepared last, and whether as if they were all"""
        self._whole_s = 0.0
        """how long the last preparation of a whole prompt took"""
        self._lock = threading.Lock()
        """held while the engine computes"""
        self._asked = 0
        """how often words have come, or the end: what is prepared ahead of them gives way"""
        self._thread: threading.Thread | None = None

    def begin(self, prompt: Callable[[], Prompt]) -> None:
        """Compute all that stands before the next words, on a thread of its own, until they come.

        From any thread, one at a time; returns at once, also while an answer is written.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(
            target=self._compute, args=(prompt, self._asked), name="merline-prefill", daemon=True
        )
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """For what `begin` began."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def listen(self, text: str, stable: int | None, prompt: Callable[[str], Prompt]) -> None:
        """Words that the user has said so far; the first `stable` characters, or all, are not likely to change.

        Where it is quick, the reply's beginning is prepared as if they were all: after the last word, or at the pause
        behind it, nothing is left to compute before the model writes.
        """
        known, text = text[:stable].strip(), text.strip()
        whole = known == text or self._whole_s <= GUESS_S
        heard = (text if whole else known, whole)
        if not heard[0] or heard == self._heard:
            return
        self._heard = heard
        self._asked += 1
        with self._lock:
            began = time.monotonic()
            try:
                self._engine.prefill(prompt(heard[0]), whole=whole)
            except InferenceError as error:
                logger.warning("the words so far could not be prepared: %s", error)
            if whole:
                self._whole_s = time.monotonic() - began

    @contextmanager
    def give_way(self) -> Iterator[None]:
        """The engine is the caller's alone."""
        self._heard = ("", False)
        self._asked += 1
        with self._lock:
            yield

    def close(self) -> None:
        """Before the engine is closed."""
        self._asked += 1
        self.wait(CLOSE_S)

    def _compute(self, prompt: Callable[[], Prompt], asked: int) -> None:
        """A piece at a time, until all is computed or the next words come, which take it over."""
        before, pieces = None, 1
        while pieces:
            with self._lock:
                if self._asked != asked:
                    return
                if before is None:
                    before = prompt()
                    pieces = self._engine.count(before) // PREFILL_AT_ONCE + 1
                try:
                    self._engine.prefill(before)
                except InferenceError as error:
                    logger.warning("the instructions could not be prepared: %s", error)
                    return
            pieces -= 1
