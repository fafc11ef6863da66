"""Keeps what ALSA, JACK and PortAudio write to the terminal by themselves out of the user's sight.

They write to file descriptor 2 from their own threads, so there is no handler to set: the descriptor itself moves.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def divert_native_messages(file: Path) -> None:
    """From now on file descriptor 2 leads to `file` (appended to) and Python's own `sys.stderr` still to the terminal.

    Call it once, before logging is set up. Where the file cannot be opened, the messages are dropped.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        target = os.open(os.devnull, os.O_WRONLY)
    os.dup2(target, 2)
    os.close(target)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
