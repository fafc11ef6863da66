"""When the recogniser may look at the growing sound again: every so often, and for at most half of the time.

What a busy machine has no time for is left out, never queued.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from core.messages import SAMPLE_RATE_HZ
from core.utils.clock import Clock


class PassCadence:
    """A pass is due `every_ms` of sound after the last one, but not before that one's duration has passed again.

    0: never.
    """

    def __init__(self, every_ms: int, clock: Clock) -> None:
        self._every = every_ms * SAMPLE_RATE_HZ // 1000
        self._clock = clock
        self._next = self._every
        self._not_before = float("-inf")
        self._given: Collection[int] | None = None

    def due(self, samples: int) -> bool:
        """Whether to look, with so many samples of the utterance there."""
        if self._given is not None:
            return samples in self._given
        return self._every > 0 and self._next <= samples and self._clock.monotonic() >= self._not_before

    @contextmanager
    def looking(self, samples: int) -> Iterator[None]:
        """A pass over so many samples is under way."""
        began = self._clock.monotonic()
        try:
            yield
        finally:
            ended = self._clock.monotonic()
            self._next = samples + self._every
            self._not_before = ended + (ended - began)

    def begin(self, given: Collection[int] | None = None) -> None:
        """A new utterance. The machine is no less busy for that. `given`: look at these counts of samples alone."""
        self._next, self._given = self._every, given
