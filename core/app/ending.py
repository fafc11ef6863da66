"""How the program ends: Ctrl-C, SIGTERM and SIGHUP as a wish that is looked at, and no thread left computing.

An exception can strike inside an import or a library's callback, where it is swallowed or leaves a lock behind. A
second Ctrl-C does raise KeyboardInterrupt, for whoever cannot wait.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

logger = logging.getLogger(__name__)


class EndingWish:
    """While this context lasts, `asked` says whether the user wants the program to end."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> EndingWish:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, old in self._before.items():
            signal.signal(number, old)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


LEAVE_S = 2.0
"""how long the end of the program waits for threads that still compute"""
WAITING = frozenset({"merline-hub"})
"""threads that only wait for a server, and may be left where they are"""


def _end_now(code: int) -> int:
    atexit._run_exitfuncs()  # as the interpreter would; there is no public name for it
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _dismiss_kernels() -> None:
    """The kernels' threads wait for a next job until they are told that none comes, and look like computing ones."""
    team = getattr(sys.modules.get("core.models.thread_team"), "TEAM", None)
    if team is not None:
        team.dismiss()


def leave(code: int, end_now: Callable[[int], int] = _end_now) -> int:
    """Ends the process with this code, once no thread of ours computes any more. Main thread only, as its last act.

    The interpreter is not taken apart: with torch that takes 0.6 s, several on a busy machine, in which Ctrl-C seems to
    do nothing, and a thread inside torch, numba or CTranslate2 would abort the process meanwhile. One that does not end
    within `LEAVE_S` is not waited for; nothing is lost, as files are closed and the data file is written whole by then.
    `end_now` is for tests.
    """
    _dismiss_kernels()
    try:
        until = time.monotonic() + LEAVE_S
        for thread in threading.enumerate():
            if thread.daemon and thread is not threading.current_thread() and thread.name not in WAITING:
                thread.join(max(0.0, until - time.monotonic()))
                if thread.is_alive():
                    logger.warning("%s still computes; ending without it", thread.name)
                    break
    except KeyboardInterrupt:
        logger.debug("a second Ctrl-C: ending without waiting")
    return end_now(code)
