"""Keys pressed in the terminal, one by one and without Enter; afterwards the terminal is as it was."""

from __future__ import annotations

import errno
import logging
import os
import sys
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

TALK_KEY = " "
MUTE_KEY = "m"
_ESCAPE = "\x1b"


class Keyboard:
    """`pressed()` within the context gives the keys since the last call; nothing where nobody can press any.

    Ctrl-C stays what it is. A program in the background takes no keys, and does again when it is brought back.
    """

    def __init__(self, file: int = 0) -> None:
        self._file = file
        self._before: list[Any] | None = None
        self._gone = False

    def __enter__(self) -> Keyboard:
        if self.there and sys.platform != "win32":
            import termios

            self._before = termios.tcgetattr(self._file)
            self._take_keys_at_once()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None and sys.platform != "win32" and self._in_front():
            import termios

            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    @property
    def there(self) -> bool:
        """Whether a person could press a key."""
        return not self._gone and os.isatty(self._file)

    @property
    def file(self) -> int | None:
        """What can be read once a key is pressed; None where keys can only be asked for, by `pressed`."""
        return self._file if sys.platform != "win32" and self.there and self._in_front() else None

    def pressed(self) -> list[str]:
        """Single characters, in lower case; arrows and other keys with names are left out."""
        if not self.there:
            return []
        return self._typed_windows() if sys.platform == "win32" else self._typed()

    def _typed(self) -> list[str]:
        import select
        import termios

        try:
            if not self._take_keys_at_once():
                return []
            if not select.select([self._file], [], [], 0)[0]:
                return []
            typed = os.read(self._file, 64)
        except (OSError, termios.error) as error:
            logger.info("no more keys from the terminal: %s", error)
            self._gone = True
            return []
        self._gone = not typed
        text = typed.decode("utf-8", "replace")
        return [] if text.startswith(_ESCAPE) else list(text.lower())

    def _take_keys_at_once(self) -> bool:
        """Without Enter and unseen; again after a shell had the terminal. False while another has it."""
        import termios
        import tty

        if not self._in_front():
            return False
        if termios.tcgetattr(self._file)[3] & termios.ICANON:
            tty.setcbreak(self._file, termios.TCSADRAIN)
        return True

    def _typed_windows(self) -> list[str]:
        import msvcrt

        found: list[str] = []
        while msvcrt.kbhit():  # type: ignore[attr-defined]
            found.append(msvcrt.getwch().lower())  # type: ignore[attr-defined]
        return found

    def _in_front(self) -> bool:
        """Whether the terminal is ours: a background process that changes its settings is stopped."""
        try:
            return os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError as error:
            return error.errno == errno.ENOTTY  # a terminal that does not govern this process; gone: EIO
