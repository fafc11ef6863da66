"""A child process that does not outlive the program that started it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time


def end_with(parent: int) -> None:
    """Have this whole process group end soon after `parent` is gone, however it went. POSIX only."""
    if sys.platform == "win32":
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.killpg(os.getpgid(0), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
