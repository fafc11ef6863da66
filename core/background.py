"""The full engines' packages, installed by a child process while the user already talks.

The child ends with the app, even one that was killed, and the next start resumes it. Its failure is recorded, told
through `progress()`, and tried again after a pause that grows; it never changes what is installed and works.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from core.environment.own import PYPROJECT, ROOT, STATE, Stamp, inside_own

State = Literal["waiting", "resolving", "downloading", "building", "installing", "done", "next-start", "failed"]

FOLDER = STATE / "full"
PROGRESS = FOLDER / "progress.json"
FAILURES = FOLDER / "failures.json"
FIRST_PAUSE_S = 600.0  # before the second try; doubles with each failure
LONGEST_PAUSE_S = 86_400.0
_WRITE_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Progress:
    """Where it stands: package `done` of `total` (0: not known), bytes of the file in hand, what is wrong if it is."""

    state: State = "waiting"
    package: str = ""
    done: int = 0
    total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    message: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen in this run."""
        return self.state in ("done", "next-start", "failed")


class BackgroundInstall:
    """The child at work. `progress()` at any time; `close()` when the app ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def progress(self) -> Progress:
        """Where it stands now."""
        code = self._process.poll()
        found = _read_progress()
        if code is not None and not found.finished:
            return Progress("failed", message=f"it ended early (exit code {code}); see {FOLDER}/child.log")
        return found

    def close(self) -> None:
        """End the child and its pip; what is fetched so far is kept for the next start."""
        if self._process.poll() is None:
            if sys.platform == "win32":
                subprocess.run(["taskkill", "/F", "/T", "/PID", str(self._process.pid)], capture_output=True)
            else:
                self._signal(signal.SIGTERM)
                try:
                    self._process.wait(timeout=3)
                except subprocess.TimeoutExpired:
                    self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if sys.platform != "win32":
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return  # it ended by itself in this moment


def full_installed() -> bool:
    """Whether .venv holds all of the `full` extra that pyproject.toml asks for now."""
    from core.environment.requirements import read_declared

    return "full" in Stamp.read().current_groups(read_declared(PYPROJECT))


def start_full_install(enabled: bool = True, offline: bool = False) -> BackgroundInstall | None:
    """Start the child; None when there is nothing to do or it may not be done.

    That is: not wanted (`setup.full_packages: false`), offline, in an environment that is not our own .venv, already
    installed, or failed so lately that another try would be too soon.
    """
    if not enabled or offline or not inside_own() or full_installed() or _too_soon(time.time()):
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    PROGRESS.unlink(missing_ok=True)
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with (FOLDER / "child.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.background", str(os.getpid())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            creationflags=flags,
        )
    return BackgroundInstall(process)


def _read_progress() -> Progress:
    try:
        return Progress(**json.loads(PROGRESS.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Progress()


def _read_failures() -> tuple[int, float]:
    try:
        found = json.loads(FAILURES.read_text(encoding="utf-8"))
        return int(found["count"]), float(found["at_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0.0


def _too_soon(now_s: float) -> bool:
    count, at_s = _read_failures()
    return count > 0 and 0 <= now_s - at_s < min(FIRST_PAUSE_S * 2 ** (count - 1), LONGEST_PAUSE_S)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _child(parent: int) -> int:
    """The child process: run the installation, at low priority, and keep the progress file current."""
    from core.environment import full
    from core.environment.failures import SetupError
    from core.environment.own import try_lock
    from core.environment.parent import end_with
    from core.environment.pip import Step

    if hasattr(os, "nice"):
        os.nice(15)
    end_with(parent)
    lock = os.open(FOLDER / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    while not try_lock(lock):
        time.sleep(1.0)  # the child of an app that has just ended
    written_s = [0.0]

    def report(step: Step) -> None:
        now_s = time.monotonic()
        if now_s - written_s[0] >= _WRITE_EVERY_S:
            written_s[0] = now_s
            count = (step.done, step.total, step.bytes_done, step.bytes_total)
            _replace(PROGRESS, json.dumps(asdict(Progress(step.phase, step.package, *count, message=step.trouble))))

    try:
        at_once = full.run(report, print)
    except (SetupError, OSError) as error:
        count, _ = _read_failures()
        _replace(FAILURES, json.dumps({"count": count + 1, "at_s": time.time(), "message": str(error)}))
        _replace(PROGRESS, json.dumps(asdict(Progress("failed", message=str(error)))))
        return 1
    FAILURES.unlink(missing_ok=True)
    _replace(PROGRESS, json.dumps(asdict(Progress("done" if at_once else "next-start"))))
    return 0


if __name__ == "__main__":
    sys.exit(_child(int(sys.argv[1])))
