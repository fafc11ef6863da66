"""One talking assistant per data folder: two would answer each other."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from core.utils.errors import AlreadyRunningError, DataError


class InstanceLock:
    """A lock on a file in the data folder, given back by the system even if the program is killed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "talk.lock"
        self._handle: int | None = None

    def __enter__(self) -> InstanceLock:
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataError(f"{self._path}: cannot be written ({error.strerror}); free or unlock the disk") from error
        if not _lock(self._handle):
            owner = os.read(self._handle, 20).decode("ascii", "replace").strip()
            os.close(self._handle)
            self._handle = None
            raise AlreadyRunningError(
                f"Merline is already talking (process {owner or 'unknown'}) with {self._path.parent}; "
                "end that one, or give this one another folder with MERLINE_HOME"
            )
        try:
            os.ftruncate(self._handle, 0)
            os.write(self._handle, f"{os.getpid()}\n".encode("ascii"))
        except OSError as error:
            os.close(self._handle)
            self._handle = None
            raise DataError(f"{self._path}: cannot be written ({error.strerror}); free some disk space") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _lock(handle: int) -> bool:
    """Lock without waiting; False when another process has it."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            os.lseek(handle, 1 << 20, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
