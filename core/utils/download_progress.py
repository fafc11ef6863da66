"""Where a download stands, and how fast it is. Does not show it: that is for whoever listens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

PACE_S = 5.0
"""over which the speed is averaged, at least, once so much has passed"""
LEAST_S = 0.5
"""before which there is no speed: what a connection brings first comes at once, from buffers"""


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """Where a download stands."""

    model: str
    file: str
    """being fetched, or verified"""
    done_bytes: int
    total_bytes: int
    bytes_per_s: float
    """over the last PACE_S; 0 until the file has been coming for LEAST_S"""

    @property
    def left_s(self) -> float | None:
        """At this speed; None while it is unknown."""
        return (self.total_bytes - self.done_bytes) / self.bytes_per_s if self.bytes_per_s > 0 else None


class DownloadMeter:
    """Counts the bytes of a whole model, file by file, and tells how fast they come."""

    def __init__(
        self,
        model: str,
        total_bytes: int,
        report: Callable[[DownloadProgress], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._total_bytes = total_bytes
        self._report = report
        self._file = ""
        self._before = 0
        """of the files that are done"""
        self._in_file = 0
        self._now_s = now_s
        self._came = 0
        self._recent: deque[tuple[float, int]] = deque([(now_s(), 0)])

    def begin(self, file: str) -> None:
        """The next file."""
        self._before += self._in_file
        self._in_file = 0
        self._file = file

    def at(self, in_file: int) -> None:
        """So much of the file is there, however it came: looking it over took time that the network did not."""
        self._in_file = in_file
        self._recent = deque([(self._now_s(), self._came)])
        self._tell()

    def came(self, count: int) -> None:
        """A piece of the file came over the network."""
        self._in_file += count
        self._came += count
        now_s = self._now_s()
        self._recent.append((now_s, self._came))
        while now_s - self._recent[1][0] >= PACE_S:
            self._recent.popleft()
        self._tell()

    def _tell(self) -> None:
        (from_s, count), (to_s, to_count) = self._recent[0], self._recent[-1]
        pace = (to_count - count) / (to_s - from_s) if to_s - from_s >= LEAST_S else 0.0
        done = self._before + self._in_file
        self._report(DownloadProgress(self._model, self._file, done, self._total_bytes, pace))
