"""A lock between processes on a file, taken without waiting; one that is killed loses it."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from core.utils.errors import DataError

_OWNER_BYTES = 20


class LockedError(Exception):
    """Another process holds the lock; `owner` is its number, or "unknown"."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"held by process {owner}")
        self.owner = owner


class FileLock:
    """`with FileLock(path):` raises LockedError while another process, or another FileLock, is inside."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def __enter__(self) -> FileLock:
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataError(
                f"{self._path}: cannot be written ({error.strerror}); make it and its folder writable, or free some "
                "disk space"
            ) from error
        if not _lock(handle):
            owner = os.read(handle, _OWNER_BYTES).decode("ascii", "replace").strip()
            os.close(handle)
            raise LockedError(owner or "unknown")
        try:
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode("ascii"))
        except OSError as error:
            os.close(handle)
            raise DataError(f"{self._path}: cannot be written ({error.strerror}); free some disk space") from error
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _lock(handle: int) -> bool:
    """Lock without waiting; False when another has it."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            # far behind the owner's number, which stays readable
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
