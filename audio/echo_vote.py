"""Whether an echo comes at all: a vote of the latest comparisons of what is heard with what is played.

Who speaks over headphones resembles the reply here and there, but not again and again with the same delay. Knows the
comparisons' outcomes only: it reads no sound and moves nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum

from audio.delay import AGREEMENT, CERTAIN, Delay

KEPT = 6
HEIGHT = 10.0
"""of a peak that counts"""
FOUND = 3
"""Votes of six comparisons with the reply that it takes to believe in an echo where none came before: two that agree,
one of them certain, or three. Echoes of `shared/assets/rir` have them after two or three comparisons; a user over
headphones hardly ever, unless theirs is the voice of the reply (`python3 -m benchmarks.echo_parts.headphones`)."""
LIKELY = 2
"""votes with which the voice just heard is not believed: the reply goes on, and the next comparison decides"""
UNFOUND = 12
"""so many on end without as many votes, 3.6 s of reply, and no echo comes"""


class Verdict(Enum):
    """What the comparisons say against what is believed."""

    UNCHANGED = "nothing"
    DOUBTED = "no echo is believed in, and what was heard just now may be one"
    PRESENT = "no echo is believed in, and there is one, where the last comparison found it"
    ABSENT = "an echo is believed in, and there is none"


class EchoVote:
    """Call `take` with each comparison; no two may share a sample."""

    def __init__(self) -> None:
        self._latest: deque[Delay | None] = deque(maxlen=KEPT)
        self._unfound = 0
        """comparisons since they agreed on the echo's delay"""

    def take(self, found: Delay | None, absent: bool) -> Verdict:
        """The delay that the echo seems to have by one more comparison; `absent`: none is believed in."""
        self._latest.append(found if found is not None and found.height >= HEIGHT else None)
        votes = count_votes(self._latest)
        self._unfound = 0 if votes >= FOUND else self._unfound + 1
        if not absent:
            return Verdict.ABSENT if self._unfound >= UNFOUND else Verdict.UNCHANGED
        if votes >= FOUND:
            self._latest.clear()
            return Verdict.PRESENT
        return Verdict.DOUBTED if votes >= LIKELY else Verdict.UNCHANGED


def count_votes(comparisons: Sequence[Delay | None]) -> int:
    """Votes for the last one's delay: each comparison that found it there counts once, and twice if it is certain."""
    last = comparisons[-1]
    if last is None:
        return 0
    agreeing = [one for one in comparisons if one is not None and abs(one.samples - last.samples) <= AGREEMENT]
    return len(agreeing) + sum(one.height >= CERTAIN for one in agreeing)
