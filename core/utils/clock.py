"""Time as a value that is passed in: the machine's clocks in use, a virtual one in tests."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The two times a program needs."""

    def monotonic(self) -> float:
        """Seconds that only ever grow; for durations."""
        ...

    def now(self) -> datetime:
        """The wall time, aware of the local time zone; it jumps after a suspension and with daylight saving."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now().astimezone()
