"""Models that were put away begin to come back when somebody begins to speak, and not only when their turn comes.

One after the other, as they will be needed, on a thread of its own. A cough is no speech and brings nothing back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from core.app.memory_watch import available_bytes
from core.messages import SpeechStarted
from core.optimization.memory import MemoryOptimizer, Stage
from core.utils.errors import InferenceError

logger = logging.getLogger(__name__)

STAGES: tuple[Stage, ...] = ("stt", "llm", "tts")


class ComingBack:
    """`get_ready()` is called once the language model is back. `available` reads the memory; another is for tests."""

    def __init__(
        self,
        memory: MemoryOptimizer,
        get_ready: Callable[[], None],
        available: Callable[[], int | None] = available_bytes,
    ) -> None:
        self._memory = memory
        self._get_ready = get_ready
        self._available = available
        self._thread: threading.Thread | None = None

    def speech_started(self, message: SpeechStarted) -> None:
        """Somebody speaks; returns at once, on any thread but one at a time."""
        under_way = self._thread is not None and self._thread.is_alive()
        if message.revision or under_way or not any(map(self._memory.lacks, STAGES)):
            return
        self._thread = threading.Thread(target=self._bring_back, name="merline-come-back", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Until what has begun to come back is here; for tests."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _bring_back(self) -> None:
        for stage in STAGES:
            try:
                if self._memory.bring_back(stage, self._available()) and stage == "llm":
                    self._get_ready()
            except InferenceError as error:
                logger.warning("%s", error)  # whoever uses it tries again, and tells of the failure
