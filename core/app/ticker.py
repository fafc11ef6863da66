"""An inbox that time fills: for stages that watch it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from core.messages import Tick
from core.utils.clock import Clock


class Ticker:
    """An inbox that gives a Tick every `period_s()` seconds of the clock's time, never two for one delay."""

    def __init__(self, clock: Clock, period_s: Callable[[], float]) -> None:
        self._clock = clock
        self._period_s = period_s
        self._next = clock.monotonic()
        self._nobody = threading.Event()

    def get(self, block: bool = True, timeout: float | None = None) -> Tick:
        """The next Tick; raises queue.Empty when none is due within `timeout` seconds."""
        left = self._next - self._clock.monotonic()
        if left > 0 and block:
            self._nobody.wait(left if timeout is None else min(left, timeout))
        now = self._clock.monotonic()
        if now < self._next:
            raise queue.Empty
        self._next = now + self._period_s()
        return Tick(now)
