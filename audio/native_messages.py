"""Keeps what ALSA, JACK and PortAudio write to the terminal by themselves out of the user's sight.

They write to file descriptor 2 from their own threads, so there is no handler to set: the descriptor itself moves.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

logger = logging.getLogger(__name__)


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


def shorten_native_messages(file: Path, most_bytes: int) -> None:
    """Where the messages go to `file` and it has grown beyond `most_bytes`, keep the latest half of them.

    It is written in place, as the drivers hold the descriptor and a full disk has no room for another file. Looking
    takes microseconds.
    """
    try:
        written = os.fstat(2)
        if written.st_size <= most_bytes or not os.path.samestat(written, file.stat()):
            return
        with file.open("rb") as reader:
            reader.seek(-(most_bytes // 2), os.SEEK_END)
            latest = reader.read().partition(b"\n")[2]
        os.ftruncate(2, 0)
        os.write(2, latest)
    except OSError as error:
        logger.debug("%s is not shortened: %s", file, error)
