"""Whether other programs hold the processors that torch's threads are dealt work for. Measured while they work.

OpenMP deals an operator's work out in equal parts and waits for all of them at its end, hundreds of times a sentence.
A thread that does not get a processor holds up the rest each time, so on a busy machine one thread alone is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable

JUDGED_S = 0.05
"""of work, about a dozen of a scheduler's turns, after which a verdict is given"""
_COARSENESS = 10
"""so many ticks of the clock of a thread's processor time are waited for, where these are coarse (Windows)"""
CROWDED_BELOW = 0.75
"""of that time in which the calling thread ran: it waited for a processor, or for a partner that did"""
FREE_ABOVE = 0.9
"""of one thread's"""
MOST_PATIENCE = 16
"""verdicts"""


class Crowding:
    """Gives one thread instead of several while the machine is crowded. Threads may share it.

    Several threads are tried again once one alone runs freely; each time that fails at once, twice as late.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        ran: Callable[[], float] = time.thread_time,
        tick_s: float = time.get_clock_info("thread_time").resolution,
    ) -> None:
        self.clock, self.ran = clock, ran
        self._least_s = max(JUDGED_S, _COARSENESS * tick_s)
        self._whole_s = self._ran_s = 0.0
        self.crowded = False
        self._patience = 1
        self._waited = 0

    def threads(self, planned: int) -> int:
        """How many of the planned ones to use now."""
        return 1 if self.crowded else planned

    def saw(self, whole_s: float, ran_s: float) -> None:
        """The calling thread worked that long, and ran for so much of it."""
        self._whole_s += whole_s
        self._ran_s += ran_s
        if self._whole_s < self._least_s:
            return
        share = self._ran_s / self._whole_s
        self._whole_s = self._ran_s = 0.0
        if not self.crowded:
            self._judge_several(share)
        elif share >= FREE_ABOVE:
            self._waited += 1
            if self._waited >= self._patience:
                self.crowded = False
        else:
            self._waited = 0

    def _judge_several(self, share: float) -> None:
        if share < CROWDED_BELOW:
            if self._waited:  # they were tried just now
                self._patience = min(2 * self._patience, MOST_PATIENCE)
            self.crowded = True
        else:
            self._patience = 1
        self._waited = 0
