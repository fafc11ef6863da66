"""What becomes of a finished turn, as configured: its times are written down and sent on, its sound is kept.

The latest turns' times are at hand in any case, for who asks why an answer was slow.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from core.app.assistant import Assistant, EngineNames
from core.app.recorded_turn import FOLDER
from core.app.telemetry import Telemetry, make_telemetry
from core.app.turn_file import FILE, PastTurn, TurnFile, past_turn, read_turns
from core.app.turn_recording import TurnRecording
from core.app.turns import latest_wait
from core.messages import Language
from core.turns import TurnRecord
from core.utils.clock import Clock
from core.utils.config import Config
from core.utils.errors import DataError
from core.utils.paths import data_folder
from core.utils.waterfall import Wait

RECORDING: dict[Language, str] = {
    "en": "record is on: the sound and the words of each turn are kept in {folder}; record: false ends that",
    "fr": "record est actif : le son et les mots de chaque tour sont gardés dans {folder} ; record: false y met fin",
}


logger = logging.getLogger(__name__)

WAITING = 64
"""turns that may wait for a slow disk; more are not written down"""
CLOSE_S = 2.0
AT_HAND = 100
"""turns of this conversation, and as many of earlier ones, that another one is compared with"""

Job = Callable[[], None]


class TurnKeeping:
    """Made from the configuration, told of the assistant by `follow`, and of each turn by `finished`.

    Writing is done on a thread of its own: a slow disk never holds up a conversation.
    """

    def __init__(self, config: Config, clock: Clock, offline: bool = False) -> None:
        self._config = config
        self._clock = clock
        self._offline = offline
        self._keepers: list[Callable[[TurnRecord], Job]] = []
        self._rest: Callable[[], Job] | None = None
        """what the end breaks off"""
        self._jobs: queue.Queue[Job | None] = queue.Queue(WAITING)
        """None is the last"""
        self._thread: threading.Thread | None = None
        self._telemetry: Telemetry | None = None
        self._engines: Callable[[], EngineNames] | None = None
        self._lock = threading.Lock()
        """of what follows"""
        self._earlier: list[PastTurn] = []
        self._present: deque[PastTurn] = deque(maxlen=AT_HAND)

    def follow(self, assistant: Assistant) -> None:
        """Begin, once the assistant's stages are joined. Raises MissingDependencyError for want of a package."""
        config, now = self._config, self._clock.now

        def engines() -> EngineNames:
            return assistant.engine_names

        self._engines = engines
        if config.log.turns:
            self._jobs.put_nowait(self._look_back)
            file = TurnFile(data_folder() / FILE, now, engines, config.memory.enabled)
            self._keepers.append(lambda record: partial(file.keep, record))
        if config.record:
            seconds = self._clock.monotonic
            folder = data_folder() / FOLDER
            recording = TurnRecording(folder, config, now, seconds, lambda: engines().llm, assistant.tell)
            recording.watch(assistant.pipeline)
            self._keepers.append(recording.keep)
            self._rest = recording.rest
        if config.log.telemetry and not self._offline:
            telemetry = self._telemetry = make_telemetry(config.log.telemetry, now, engines)
            self._keepers.append(lambda record: partial(telemetry.export, record))
        if self._keepers:
            self._thread = threading.Thread(target=self._work, name="merline-turns", daemon=True)
            self._thread.start()

    def finished(self, record: TurnRecord) -> None:
        """A turn has ended. Returns at once."""
        if self._engines is not None:
            with self._lock:
                self._present.append(past_turn(record, self._clock.now(), self._engines(), words=False))
        for keep in self._keepers:
            try:
                self._jobs.put_nowait(keep(record))
            except queue.Full:
                logger.warning("turn %d is not written down: %d others wait for the disk", record.turn, WAITING)

    def last_wait(self) -> Wait | None:
        """What the user waited for before the last answer of this conversation, compared with earlier ones too."""
        with self._lock:
            present, earlier = list(self._present), self._earlier
        return latest_wait(present, earlier)

    def notice(self, language: Language) -> str:
        """What the user must know: that they are being recorded. Empty when they are not."""
        return RECORDING[language].format(folder=data_folder() / FOLDER) if self._config.record else ""

    def close(self) -> None:
        """Write and send what is left, for at most `CLOSE_S` each."""
        if self._thread is not None:
            with suppress(queue.Full):
                if self._rest is not None:
                    self._jobs.put(self._rest(), timeout=CLOSE_S)
                self._jobs.put(None, timeout=CLOSE_S)
            self._thread.join(CLOSE_S)
        if self._telemetry is not None:
            self._telemetry.close()

    def _look_back(self) -> None:
        """The first job, before the file is written to. What cannot be read is told by `turns`."""
        try:
            earlier = read_turns(data_folder() / FILE)[-AT_HAND:]
        except DataError as error:
            logger.info("how long turns usually take is not known: %s", error)
            return
        with self._lock:
            self._earlier = [replace(turn, transcript="", reply="") for turn in earlier]

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
