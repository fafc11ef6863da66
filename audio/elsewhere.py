"""Whether what is heard beside the echo is the echo itself, come at another time than before.

A card that loses sound moves the echo in the middle of a word, and what is no echo where one is expected looks like a
voice. It is one unless it resembles what was played at another time, and what is learnt of the room explains all of
it from there: who speaks over a reply may have the first by chance, but not the second.
"""

from __future__ import annotations

from audio.alignment import Alignment
from audio.near_end import FRAMES, NearEnd

FIRST, EVERY, LAST = 15, 5, 60
"""frames of the other sound after which it is looked at, and between two looks"""
LEFT, MOST = 0.1, 0.3
"""How much may speak against an echo, of what did where it was expected, and in nats a frame. Against one that jumped
hardly anything does, against voices several nats; keys in `benchmarks.echo_parts.published` had less than one."""


class Elsewhere:
    """Call `look` once a frame while the assistant can be heard."""

    def __init__(self, alignment: Alignment) -> None:
        self._alignment = alignment
        self._frames = 0
        """of the other sound"""

    def look(self, near_end: NearEnd) -> bool:
        """Whether the echo was found elsewhere; the alignment has followed it then."""
        self._frames = self._frames + 1 if near_end.heard else 0
        frames = self._frames + FRAMES
        if frames % EVERY or not FIRST <= frames <= LAST:
            return False
        lag = self._alignment.find_elsewhere(frames)
        if lag is None:
            return False
        there = near_end.rate(*self._alignment.ends(frames, lag))
        if there >= min(MOST, LEFT * near_end.rate(*self._alignment.ends(frames))):
            return False
        self._alignment.take_over(lag, frames)
        self._frames = 0
        return True
