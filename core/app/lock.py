"""One talking assistant per data folder: two would answer each other."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from core.utils.errors import AlreadyRunningError
from core.utils.file_lock import FileLock, LockedError


class InstanceLock:
    """A lock on a file in the data folder, given back by the system even if the program is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / "talk.lock")

    def __enter__(self) -> InstanceLock:
        try:
            self._lock.__enter__()
        except LockedError as error:
            raise AlreadyRunningError(
                f"Merline is already talking (process {error.owner}) with {self._folder}; "
                "end that one, or give this one another folder with MERLINE_HOME"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)
