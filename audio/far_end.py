"""What really left the speaker, and when: handed from the output callback to the echo canceller."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from core.messages import Samples

KEPT_BLOCKS = 400
"""more than a listener may ever lag; older blocks are dropped"""


@dataclass(frozen=True, slots=True)
class Played:
    """A block of sound, with volume and ducking applied."""

    samples: Samples
    """[n] mono"""
    sample_rate_hz: int
    leaves_at: float
    """monotonic seconds at which the first sample leaves the speaker"""


class FarEnd:
    """A bounded line of played blocks with one writer and one reader; silence is not handed over."""

    def __init__(self) -> None:
        self._blocks: deque[Played] = deque(maxlen=KEPT_BLOCKS)

    def put(self, played: Played) -> None:
        self._blocks.append(played)

    def take(self) -> Played | None:
        """The oldest block not yet taken, or None."""
        try:
            return self._blocks.popleft()
        except IndexError:
            return None
