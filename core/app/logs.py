"""Where log lines go: a rotated file in the data folder, and the terminal when it is not drawn on."""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from audio.native_messages import shorten_native_messages
from core.app.error_words import logged
from core.messages import Language
from core.utils.config import LogConfig
from core.utils.errors import DataError
from core.utils.paths import data_folder, make_data_folder

DRIVERS_LOG = Path("logs", "drivers.log")
OURS = ("audio", "benchmarks", "core", "llm", "stt", "tts")
"""the packages whose decisions `debug` explains; numba alone writes 58,000 lines of its own while a model is loaded"""
FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"


class PrivateLogFile(RotatingFileHandler):
    """A rotating log file that only its owner can read; a full disk costs log lines, never the program."""

    def _open(self):  # type: ignore[no-untyped-def]
        return open(
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)


class _ForUser(logging.Formatter):
    """One line without time or module, in the user's language where it is known in that."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        self._language: Language = language

    def formatMessage(self, record: logging.LogRecord) -> str:
        return f"merline: {logged(record.message, self._language)}"


def set_up_logs(config: LogConfig, level: str | None, to_terminal: bool, language: Language = "en") -> None:
    """Send Merline's log lines to the file and, with an explicit level, to stderr; without, errors in `language`.

    Without a data folder that can be written to there is no file; the command itself will say so if it needs one.
    """
    root = logging.getLogger()
    wanted = (level or config.level).upper()
    root.setLevel("INFO" if wanted == "DEBUG" else wanted)
    for name in OURS:
        logging.getLogger(name).setLevel(wanted if wanted == "DEBUG" else logging.NOTSET)
    for handler in list(root.handlers):
        root.removeHandler(handler)
        if isinstance(handler, PrivateLogFile):
            handler.close()
    formatter = logging.Formatter(FORMAT, datefmt="%H:%M:%S")
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(formatter if level else _ForUser(language))
    terminal.setLevel(wanted if level and to_terminal else logging.ERROR)
    root.addHandler(terminal)
    if config.file:
        _add_file(root, config)


def native_log() -> Path:
    """Where the sound drivers' own messages of this run go; nowhere without a data folder that can be written to."""
    file = data_folder() / DRIVERS_LOG
    if not file.parent.is_dir():
        return Path(os.devnull)
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return Path(os.devnull)
    return file


class DriversLog:
    """The drivers' messages of this run, within `log.max_mb`: a device that stutters all day says so every time."""

    def __init__(self, config: LogConfig) -> None:
        self._file = data_folder() / DRIVERS_LOG
        self._most_bytes = int(config.max_mb * 1_000_000)

    def shorten(self) -> None:
        """Keep the latest where they have become too many; takes microseconds."""
        shorten_native_messages(self._file, self._most_bytes)


def _add_file(root: logging.Logger, config: LogConfig) -> None:
    try:
        folder = make_data_folder() / "logs"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = PrivateLogFile(
            folder / "merline.log",
            maxBytes=int(config.max_mb * 1_000_000),
            backupCount=config.files,
            encoding="utf-8",
        )
    except (DataError, OSError) as error:
        logging.getLogger(__name__).warning("no log file: %s", error)
        return
    file.setFormatter(logging.Formatter(FORMAT, datefmt="%Y-%m-%d %H:%M:%S"))
    root.addHandler(file)
