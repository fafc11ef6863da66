"""The parts of a turn's time one after the other, and which of them the user waited for most: against its usual, where
that is known. A pure function of the times; `turns` and whoever answers "why was that slow?" share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

LEAST_TO_COMPARE = 3
"""turns, before anything is usual"""
WORTH_TELLING_MS = 100.0


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Milliseconds of each part of a turn, one after the other; None for what there was not.

    The reply's audible beginning ends the wait, so `endpoint` to `first_audio` add up to what the user waited.
    """

    speech: float | None = None
    """how long the user spoke"""
    endpoint: float | None = None
    """last voiced sample -> the turn was taken as finished"""
    stt: float | None = None
    """-> final transcript"""
    prefill: float | None = None
    """-> a language model had read its prompt"""
    first_token: float | None = None
    """-> it had written something"""
    first_clause: float | None = None
    """-> the first part of the reply that can be spoken"""
    first_audio: float | None = None
    """-> first voiced sample of the reply leaves the speaker"""
    heard: float | None = None
    """how long the reply was heard"""

    @property
    def waited(self) -> float | None:
        """Last voiced sample of the question -> first voiced sample of the answer; None where there was no answer."""
        if self.first_audio is None or self.endpoint is None:
            return None
        return sum(getattr(self, name) or 0.0 for name in WAITING)


PARTS = tuple(field.name for field in fields(Waterfall))
"""in the order of time"""
WAITING = PARTS[1:-1]
"""what the user waits for"""


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of the wait; `usual_ms` is its median in other turns, None where too few are known."""

    part: str
    took_ms: float
    usual_ms: float | None


@dataclass(frozen=True, slots=True)
class Wait:
    """What the user waited for, from their last voiced sample to the first of the answer."""

    waited_ms: float
    longest: Reason
    """of a slow turn the part that took longest against its usual, else the one that took longest"""
    usual_ms: float | None = None
    """the median wait of the other turns, None where too few are known"""
    slow: bool = False
    """slower than usual"""
    earlier: bool = False
    """in another conversation than the present one"""


def wait_of(waterfall: Waterfall, others: Sequence[Waterfall]) -> Wait | None:
    """None where no answer was heard; `others` are turns by the same engines, without this one."""
    waited = waterfall.waited
    if waited is None:
        return None
    waits = [wait for one in others if (wait := one.waited) is not None]
    known = len(waits) >= LEAST_TO_COMPARE
    usual = median(waits) if known else None
    reasons = [
        Reason(part, took, _usual(part, others) if known else None)
        for part in WAITING
        if (took := getattr(waterfall, part)) is not None
    ]
    if usual is not None and waited - usual >= WORTH_TELLING_MS:
        longest = max(reasons, key=_over_usual)
        if _over_usual(longest) >= WORTH_TELLING_MS / 2:
            return Wait(waited, longest, usual, slow=True)
    return Wait(waited, max(reasons, key=lambda reason: reason.took_ms), usual)


def _over_usual(reason: Reason) -> float:
    return reason.took_ms - (reason.usual_ms or 0.0)


def _usual(part: str, others: Sequence[Waterfall]) -> float:
    """0 for a part that no other turn had."""
    lengths = [length for one in others if (length := getattr(one, part)) is not None]
    return median(lengths) if lengths else 0.0
