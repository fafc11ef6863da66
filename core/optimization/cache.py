"""Results kept for inputs that come again: bounded by entries, bytes and age, each computed once, safe from any thread.

Values are handed out as they were put in, not copied: whoever changes one changes the cache's.
"""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from core.optimization.cache_key import cache_key
from core.optimization.disk_cache import DiskCache
from core.optimization.single_flight import Flight
from core.optimization.sizes import estimate_size
from core.utils.clock import Clock, SystemClock

__all__ = ["CacheConfig", "CacheStatistics", "InferenceCache", "cache_key"]

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """The bounds of a cache."""

    max_entries: int = 1024
    max_bytes: int = 64 * 2**20
    ttl_s: float | None = None
    """age at which an entry is forgotten; None keeps it until room is needed"""
    wait_s: float = 60.0
    """the longest a thread waits for another one's computation"""

    def __post_init__(self) -> None:
        if self.max_entries < 1 or self.max_bytes < 1:
            raise ValueError(f"CacheConfig: {self.max_entries} entries and {self.max_bytes} bytes must be at least 1")
        if (self.ttl_s is not None and not self.ttl_s > 0) or not self.wait_s > 0:
            raise ValueError(f"CacheConfig: ttl_s {self.ttl_s} and wait_s {self.wait_s} must be above 0")


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What is held now, and what has happened since the beginning."""

    entries: int
    bytes: int
    hits: int
    """answered from memory"""
    disk_hits: int
    shared: int
    """answered by a computation that another thread had begun, failed ones included"""
    misses: int
    evicted_for_entries: int
    evicted_for_bytes: int
    expired: int
    too_large: int
    """not kept, being larger than the whole cache"""

    @property
    def hit_rate(self) -> float:
        """Share of look-ups that computed nothing; 0.0 before the first."""
        found = self.hits + self.disk_hits + self.shared
        return found / (found + self.misses) if found + self.misses else 0.0


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    size_bytes: int
    expires_s: float
    serial: int


class InferenceCache(Generic[V]):
    """Least recently used goes first, when there are too many entries or bytes; expired ones go before all others.

    With `disk`, what is put is written there too and looked for there; keys must then be such as `cache_key` takes,
    and values that a DiskCache cannot hold stay in memory only. Writers wait for each other's disk, readers do not.
    """

    def __init__(
        self, config: CacheConfig | None = None, clock: Clock | None = None, disk: DiskCache | None = None
    ) -> None:
        self.config = config or CacheConfig()
        self._clock = clock or SystemClock()
        self._disk = disk
        self._writing: AbstractContextManager[object] = nullcontext() if disk is None else threading.Lock()
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry[V]] = OrderedDict()
        self._flights: dict[Hashable, Flight[V]] = {}
        self._expiry: list[tuple[float, int, Hashable]] = []
        self._bytes = self._serial = self._changes = 0
        self._hits = self._disk_hits = self._shared = self._misses = 0
        self._evicted_for_entries = self._evicted_for_bytes = self._expired = self._too_large = 0

    def get(self, key: Hashable, default: V | None = None) -> V | None:
        """The value, now the most recently used; `default` without one."""
        with self._lock:
            entry = self._use(key)
            if entry is not None:
                return entry.value
            changes = self._changes
            if self._disk is None:
                self._misses += 1
                return default
        found = self._disk.get(cache_key(key), self.config.ttl_s)
        with self._lock:
            if found is None:
                self._misses += 1
                return default
            self._disk_hits += 1
            value = cast(V, found.value)
            # What was read may be older than what another thread has put or invalidated since.
            if changes == self._changes:
                self._insert(key, value, estimate_size(value), found.age_s)
            return value

    def put(self, key: Hashable, value: V, size_bytes: int | None = None) -> None:
        """Keep a value; `size_bytes` where the estimate would be wrong. One larger than the cache is not kept.

        Raises ValueError for a negative size, and TypeError for a key that the disk tier cannot name.
        """
        if size_bytes is not None and size_bytes < 0:
            raise ValueError(f"InferenceCache.put: size_bytes {size_bytes} cannot be negative")
        self._keep(key, value, size_bytes)

    def get_or_compute(self, key: Hashable, compute: Callable[[], V]) -> V:
        """The value, computed by one thread however many ask; no lock is held meanwhile.

        What `compute` raises reaches all who wait and is not kept. Raises InferenceError when another thread's
        computation takes longer than `wait_s` or was interrupted, RuntimeError when `compute` asks for its own key.
        """
        with self._lock:
            entry = self._use(key)
            if entry is not None:
                return entry.value
            flight = self._flights.get(key)
            if flight is None:
                mine = self._flights[key] = Flight()
            else:
                self._shared += 1
        if flight is not None:
            return flight.wait(key, self.config.wait_s)
        try:
            with mine:
                mine.value.append(self._fetch_or_compute(key, mine, compute))
        finally:
            with self._lock:
                if self._flights.get(key) is mine:
                    del self._flights[key]
            mine.ended.set()
        return mine.value[0]

    def invalidate(self, key: Hashable) -> bool:
        """Forget one key, on the disk too; a computation of it under way is not kept. Whether memory held it."""
        with self._writing:
            with self._lock:
                self._purge()
                self._supersede(key)
                held = self._remove(key)
            if self._disk is not None:
                self._disk.remove(cache_key(key))
        return held

    def clear(self) -> None:
        """Forget everything, on the disk too; computations under way are not kept."""
        with self._writing:
            with self._lock:
                for key in list(self._flights):
                    self._supersede(key)
                self._changes += 1
                self._entries.clear()
                self._expiry.clear()
                self._bytes = 0
            if self._disk is not None:
                self._disk.clear()

    def statistics(self) -> CacheStatistics:
        """Of the memory tier; the disk tier has its own."""
        with self._lock:
            self._purge()
            return CacheStatistics(
                entries=len(self._entries),
                bytes=self._bytes,
                hits=self._hits,
                disk_hits=self._disk_hits,
                shared=self._shared,
                misses=self._misses,
                evicted_for_entries=self._evicted_for_entries,
                evicted_for_bytes=self._evicted_for_bytes,
                expired=self._expired,
                too_large=self._too_large,
            )

    def __len__(self) -> int:
        """Entries in memory that have not expired."""
        with self._lock:
            self._purge()
            return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        """Whether memory holds it; changes neither order nor statistics."""
        with self._lock:
            self._purge()
            return key in self._entries

    def _fetch_or_compute(self, key: Hashable, flight: Flight[V], compute: Callable[[], V]) -> V:
        found = self._disk.get(cache_key(key), self.config.ttl_s) if self._disk is not None else None
        with self._lock:
            if found is None:
                self._misses += 1
            else:
                self._disk_hits += 1
                value = cast(V, found.value)
                if not flight.superseded:
                    self._insert(key, value, estimate_size(value), found.age_s)
                return value
        value = compute()
        self._keep(key, value, None, flight)
        return value

    def _keep(self, key: Hashable, value: V, size_bytes: int | None, flight: Flight[V] | None = None) -> None:
        name = cache_key(key) if self._disk is not None else ""
        size = estimate_size(value) if size_bytes is None else size_bytes
        with self._writing:
            with self._lock:
                if flight is None:
                    self._supersede(key)
                elif flight.superseded:
                    return
                self._changes += 1
                self._insert(key, value, size, age_s=0.0)
            if self._disk is not None:
                self._disk.put(name, value)

    def _use(self, key: Hashable) -> _Entry[V] | None:
        self._purge()
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            self._hits += 1
        return entry

    def _insert(self, key: Hashable, value: V, size: int, age_s: float) -> None:
        self._purge()
        self._remove(key)
        if size > self.config.max_bytes:
            self._too_large += 1
            return
        self._serial += 1
        ttl_s = self.config.ttl_s
        expires_s = float("inf") if ttl_s is None else self._clock.monotonic() + ttl_s - age_s
        self._entries[key] = _Entry(value, size, expires_s, self._serial)
        self._bytes += size
        if ttl_s is not None:
            self._note_expiry(key, expires_s)
        while self._bytes > self.config.max_bytes:
            self._remove(next(iter(self._entries)))
            self._evicted_for_bytes += 1
        while len(self._entries) > self.config.max_entries:
            self._remove(next(iter(self._entries)))
            self._evicted_for_entries += 1

    def _note_expiry(self, key: Hashable, expires_s: float) -> None:
        """Entries that went earlier leave their note behind: swept when those are the most."""
        if len(self._expiry) > 2 * len(self._entries) + 64:
            self._expiry = [(entry.expires_s, entry.serial, key) for key, entry in self._entries.items()]
            heapq.heapify(self._expiry)
        else:
            heapq.heappush(self._expiry, (expires_s, self._serial, key))

    def _purge(self) -> None:
        """Remove what has expired."""
        if not self._expiry:
            return
        now_s = self._clock.monotonic()
        while self._expiry and self._expiry[0][0] <= now_s:
            _, serial, key = heapq.heappop(self._expiry)
            entry = self._entries.get(key)
            if entry is not None and entry.serial == serial:
                self._remove(key)
                self._expired += 1

    def _remove(self, key: Hashable) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self._bytes -= entry.size_bytes
        return True

    def _supersede(self, key: Hashable) -> None:
        """Who asks from now on does not get what is being computed for an older state."""
        self._changes += 1
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.superseded = True
