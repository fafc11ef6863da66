"""A seeded, single-threaded scheduler on a virtual clock: minutes of dialogue in seconds, the same every time."""

from __future__ import annotations

import random
from collections.abc import Callable

from core.pipeline import Pipeline
from tests.fakes import VirtualClock

STEPS_A_TICK = 12
"""how much the stages get done in one tick; what they do not, waits, as on a busy machine"""


class Scheduler:
    """Moves the clock, lets the devices and the stages work, in an order that only the seed decides."""

    def __init__(self, pipeline: Pipeline, clock: VirtualClock, devices: Callable[[], None], seed: int) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._devices = devices
        self._order = random.Random(seed)

    def run(self, seconds: float, tick_s: float = 0.02) -> None:
        """Let `seconds` of virtual time pass; `devices()` gives and takes `tick_s` of sound at each tick."""
        for _ in range(round(seconds / tick_s)):
            self._clock.advance(tick_s)
            self._devices()
            for _ in range(STEPS_A_TICK):
                if not self._pipeline.step(self._order):
                    break
