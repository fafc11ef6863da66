"""Cached values in files that survive the program: one a key, whole or absent after a crash, for the user's eyes alone.

Several processes may share the folder. Trouble with the disk turns the tier off with one warning and raises nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from core.optimization.disk_entry import DamagedEntryError, decode_entry, encode_entry
from core.utils.clock import Clock, SystemClock

logger = logging.getLogger(__name__)

ENTRY = ".entry"
PARTIAL = ".partial"
ABANDONED_S = 60.0
"""age at which an unfinished file is taken for a crashed writer's: a write takes milliseconds"""
ROOM = 0.9
"""share of the bound that is left filled when it was reached, so that not every write has to look through the folder"""
PUTS_BETWEEN_SCANS = 64
"""after as many, what other processes wrote is counted too"""
# A link is not followed and a named pipe does not block; neither flag exists on Windows.
_READ_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class DiskCacheConfig:
    """Where, and how much. Other processes may pass the bound by what they write between two looks at the folder."""

    folder: Path
    max_bytes: int = 256 * 2**20

    def __post_init__(self) -> None:
        if self.max_bytes < 1:
            raise ValueError(f"DiskCacheConfig.max_bytes: {self.max_bytes} must be at least 1")


@dataclass(frozen=True, slots=True)
class DiskValue:
    """What was found."""

    value: object
    age_s: float


@dataclass(frozen=True, slots=True)
class DiskStatistics:
    """Of this process."""

    available: bool
    """False once the tier is off"""
    hits: int
    misses: int
    written: int
    not_kept: int
    """values of a kind that files do not hold, or larger than the bound"""
    evicted: int
    dropped: int
    """files that were damaged, cut short or not ours"""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    used_ns: int

    @property
    def partial(self) -> bool:
        return self.path.endswith(PARTIAL)


class DiskCache:
    """Bytes, numpy arrays and plain JSON values under string keys; the least recently used file goes first."""

    def __init__(self, config: DiskCacheConfig, clock: Clock | None = None) -> None:
        self.config = config
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._available = True
        self._bytes = 0
        self._puts = 0
        self._hits = self._misses = self._written = self._not_kept = self._evicted = self._dropped = 0
        try:
            self._open_folder()
            self._make_room(0)
        except OSError as error:
            self._turn_off(error)

    def get(self, key: str, max_age_s: float | None = None) -> DiskValue | None:
        """The value and its age; None when absent, at least `max_age_s` old, or unreadable (that file is removed)."""
        found = self._read(key) if self._available else None
        if found is not None and max_age_s is not None and found.age_s >= max_age_s:
            self.remove(key)
            found = None
        with self._lock:
            if found is None:
                self._misses += 1
            else:
                self._hits += 1
        return found

    def put(self, key: str, value: object) -> bool:
        """Write, flush and rename; whether it was kept. An older value of the key is gone either way."""
        if not self._available:
            return False
        raw = encode_entry(key, value, self._clock.now().timestamp())
        if raw is None or len(raw) > self.config.max_bytes:
            self.remove(key)
            with self._lock:
                self._not_kept += 1
            return False
        try:
            with self._lock:
                if self._bytes + len(raw) > self.config.max_bytes or self._puts % PUTS_BETWEEN_SCANS == 0:
                    self._make_room(len(raw))
                self._puts += 1
                self._bytes += len(raw)
            self._write(self._path(key), raw)
        except OSError as error:
            self._turn_off(error)
            self.remove(key)
            return False
        with self._lock:
            self._written += 1
        return True

    def remove(self, key: str) -> None:
        """Forget one key."""
        with suppress(OSError):
            self._path(key).unlink()

    def clear(self) -> None:
        """Forget everything, other processes' entries too; foreign files in the folder stay."""
        with self._lock, suppress(OSError):
            for file in self._files():
                if not file.partial:  # another process may be at it
                    with suppress(OSError):
                        os.unlink(file.path)
            self._bytes = 0

    def statistics(self) -> DiskStatistics:
        """What happened since this process began."""
        with self._lock:
            return DiskStatistics(
                self._available,
                self._hits,
                self._misses,
                self._written,
                self._not_kept,
                self._evicted,
                self._dropped,
            )

    def _path(self, key: str) -> Path:
        return self.config.folder / (blake2b(key.encode(), digest_size=20).hexdigest() + ENTRY)

    def _open_folder(self) -> None:
        folder = self.config.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name == "posix":
            found = folder.stat()
            if found.st_uid != os.geteuid():
                raise PermissionError(1, "the folder belongs to another user", str(folder))
            if found.st_mode & 0o077:
                folder.chmod(0o700)

    def _read(self, key: str) -> DiskValue | None:
        path = self._path(key)
        try:
            with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _READ_FLAGS)) as file:
                if os.fstat(file.fileno()).st_size > self.config.max_bytes:
                    raise DamagedEntryError("larger than the whole cache")
                entry = decode_entry(file.read(), key)
        except FileNotFoundError:
            return None
        except (DamagedEntryError, OSError) as error:
            logger.debug("cache file %s is dropped: %s", path, error)
            with self._lock:
                self._dropped += 1
            self.remove(key)
            return None
        with suppress(OSError):
            os.utime(path)
        # A clock that was set back must not make an entry live longer than from now on.
        return DiskValue(entry.value, max(0.0, self._clock.now().timestamp() - entry.kept_at_s))

    def _write(self, path: Path, raw: bytes) -> None:
        partial = path.with_name(f"{path.stem}.{secrets.token_hex(8)}{PARTIAL}")
        try:
            with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError:
            with suppress(OSError):
                partial.unlink()
            raise

    def _make_room(self, needed: int) -> None:
        """Count what the folder holds, sweep what crashed writers left, and let the least recently used files go."""
        abandoned_ns = time.time_ns() - round(ABANDONED_S * 1e9)
        kept = []
        for file in sorted(self._files(), key=lambda file: file.used_ns):
            if file.partial and file.used_ns < abandoned_ns:
                with suppress(OSError):
                    os.unlink(file.path)
            else:
                kept.append(file)
        total = sum(file.size for file in kept)
        if total + needed > self.config.max_bytes:
            target = max(0, round(ROOM * self.config.max_bytes) - needed)
            for file in kept:
                if total <= target:
                    break
                if file.partial:
                    continue
                with suppress(FileNotFoundError):
                    os.unlink(file.path)
                total -= file.size
                self._evicted += 1
        self._bytes = total

    def _files(self) -> list[_File]:
        found = []
        with os.scandir(self.config.folder) as listing:
            for item in listing:
                if item.name.endswith((ENTRY, PARTIAL)):
                    with suppress(FileNotFoundError):  # another process may remove it meanwhile
                        facts = item.stat(follow_symlinks=False)
                        found.append(_File(item.path, facts.st_size, facts.st_mtime_ns))
        return found

    def _turn_off(self, error: OSError) -> None:
        with self._lock:
            was_available, self._available = self._available, False
        if was_available:
            logger.warning(
                "the cache in %s is switched off until the next start: %s; free some room there or make it writable",
                self.config.folder,
                error.strerror or error,
            )
