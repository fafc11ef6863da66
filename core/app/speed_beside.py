"""Measures how fast this machine is, once, while the user may talk already: what is worth fetching follows from it.

In a child process of low priority, which keeps the figures where SystemAnalyzer finds them and ends with the app.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from core.environment.parent import end_with
from core.optimization.analyzer import SystemAnalyzer
from core.utils.config import PROJECT_FOLDER

logger = logging.getLogger(__name__)

NICENESS = 15
LONGEST_S = 20.0
"""a machine that takes longer has no time to spare: nobody waits for it, and the next start measures"""
END_S = 3.0
WINDOWS_FLAGS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(
    subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0
)
COMMAND = (sys.executable, "-m", "core.app.speed_beside")


class SpeedBeside:
    """One measurement. All methods are the main thread's and return at once, but for `stop`."""

    def __init__(self, command: Sequence[str] = COMMAND, now_s: Callable[[], float] = time.monotonic) -> None:
        self._command = command
        self._now_s = now_s
        self._process: subprocess.Popen[bytes] | None = None
        self._began_s = 0.0
        self.done = False
        """measured now, so that what was planned before may be planned otherwise"""

    def start(self) -> None:
        """Begin, where this machine was never measured, or only while other programs were at work."""
        speed = SystemAnalyzer().analyze().speed
        if speed is not None and not speed.disturbed:
            return
        self._began_s = self._now_s()
        self._process = subprocess.Popen(
            [*self._command, str(os.getpid())],
            cwd=PROJECT_FOLDER,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=WINDOWS_FLAGS,
        )

    def goes_on(self) -> bool:
        """Look after the child: whether it is still worth waiting for. One that takes too long is ended."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None and self._now_s() - self._began_s < LONGEST_S:
            return True
        if code is None:
            logger.info("measuring this machine took more than %.0f s and was given up", LONGEST_S)
        elif code:
            logger.info("measuring this machine ended with exit code %d", code)
        self.done = code == 0
        self.stop()
        return False

    def stop(self) -> None:
        """End the child; does nothing when it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def _child(parent: int) -> int:
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    end_with(parent)
    return 0 if SystemAnalyzer().analyze(measure=True).speed is not None else 1


if __name__ == "__main__":
    sys.exit(_child(int(sys.argv[1])))
