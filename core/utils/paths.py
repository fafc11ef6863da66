"""Where Merline keeps its data: one folder, readable by its owner alone (`MERLINE_HOME` overrides)."""

from __future__ import annotations

import os
from pathlib import Path

from core.utils.errors import DataError

APP_NAME = "merline"


def data_folder() -> Path:
    """The data folder; it may not exist yet. Raises DataError for a user without a known home."""
    override = os.environ.get("MERLINE_HOME")
    try:
        if override:
            return Path(override).expanduser().absolute()
        from platformdirs import user_data_path

        return user_data_path(APP_NAME, appauthor=False)
    except RuntimeError as error:
        raise DataError(f"the data folder is not known ({error}); set MERLINE_HOME to a folder") from error


def make_data_folder(folder: Path | None = None) -> Path:
    """Create the data folder with mode 0700 and return it.

    Raises DataError when it cannot be made or written to.
    """
    folder = folder or data_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DataError(
            f"{folder}: the data folder cannot be made ({error.strerror}); set MERLINE_HOME to one you can write to"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{folder}: the data folder is read-only; make it writable or set MERLINE_HOME to another")
    return folder
