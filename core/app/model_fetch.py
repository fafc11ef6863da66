"""Fetches one model in a child process of low priority, so that capture and conversation never wait for it.

The child ends with the app, even one that was killed; what has come stays, and the next download goes on from there.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace

from core.environment.parent import end_with
from core.utils.config import PROJECT_FOLDER
from core.utils.download_progress import DownloadProgress
from core.utils.errors import MerlineError

logger = logging.getLogger(__name__)

NICENESS = 15
REPORT_S = 0.5
ANSWER_S = 20.0
"""for the hub's first answer: nobody waits for it, and over a slow link it is late"""
END_S = 3.0
"""for the child to end by itself before it is killed: it has nothing to tidy up"""


@dataclass(frozen=True, slots=True)
class FetchState:
    """How far it is."""

    progress: DownloadProgress | None = None
    done: bool = False
    """complete and verified"""
    failure: str | None = None
    """why it has ended without, with the cure"""
    hub_silent: bool = False
    """the hub did not answer, so another model would not come either"""


class ModelFetch:
    """One model on its way. `state()` at any time; `close()` when it is no longer wanted, or the app ends."""

    def __init__(self, name: str) -> None:
        self._lock = threading.Lock()
        self._state = FetchState()
        self._last_words = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "core.app.model_fetch", name, str(os.getpid())],
            cwd=PROJECT_FOLDER,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._reader = threading.Thread(target=self._read, name="merline-model-fetch", daemon=True)
        self._reader.start()

    def state(self) -> FetchState:
        """Where it stands."""
        with self._lock:
            return self._state

    def close(self) -> None:
        """End the child; does nothing when it has ended."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join(END_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._take(line.strip())
        code = self._process.wait()
        with self._lock:
            if not self._state.done and self._state.failure is None:
                reason = self._last_words or f"the download ended early, with exit code {code}"
                self._state = replace(self._state, failure=reason)

    def _take(self, line: str) -> None:
        state = _parsed(line)
        if state is None:
            logger.info("the download says: %s", line)
            self._last_words = line or self._last_words
            return
        with self._lock:
            self._state = replace(state, progress=state.progress or self._state.progress)


def _parsed(line: str) -> FetchState | None:
    """None for what is no report: a library's or the interpreter's own words."""
    try:
        plain = json.loads(line)
        progress = plain.pop("progress")
        return FetchState(DownloadProgress(**progress) if progress else None, **plain)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class _Reports:
    """Writes a line of JSON for the parent, not more often than it can be of use."""

    def __init__(self) -> None:
        self._told_s = float("-inf")

    def progress(self, progress: DownloadProgress) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= REPORT_S:
            self._told_s = now_s
            self.tell(FetchState(progress))

    def tell(self, state: FetchState) -> None:
        sys.stdout.write(json.dumps(asdict(state)) + "\n")
        sys.stdout.flush()


def _child(name: str, parent: int) -> int:
    from core.app.voice_conversion import make_lasting
    from core.utils.hub import Hub, HubOptions, HubSilentError
    from core.utils.model_catalogue import with_needs
    from core.utils.model_download import ModelDownload
    from core.utils.model_store import ModelStore

    if hasattr(os, "nice"):
        os.nice(NICENESS)
    end_with(parent)
    reports = _Reports()
    try:
        store = ModelStore()
        download = ModelDownload(store, Hub(HubOptions(answer_s=ANSWER_S)), report=reports.progress)
        for model in with_needs(name, store.catalogue):
            if store.find(model.name) is None:
                download.fetch(download.plan(model.name))
            make_lasting(store, model.name)
    except MerlineError as error:
        reports.tell(FetchState(failure=str(error), hub_silent=isinstance(error, HubSilentError)))
        return 1
    reports.tell(FetchState(done=True))
    return 0


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1], int(sys.argv[2])))
