"""The sound of an utterance since the last cut, and where it is best cut. Pure; needs no recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.whisper.results import Piece

KEPT_S = 1.0
"""Sound at the window's end that is never cut off: its words may still change."""
_FRAME = SAMPLE_RATE_HZ // 50
_PAUSE_LEVEL = 0.2
"""A frame this far below the window's loud half is quiet (-14 dB)."""
_PAUSE_FRAMES = 6
"""Shorter silences are the stops of consonants."""
_NEAR_FRAMES = 4
_TOLERANCE = SAMPLE_RATE_HZ // 20
_OVERHANG = SAMPLE_RATE_HZ * 4 // 25
"""A word that was said before a pause is timed to end this much behind it at most."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The first `pieces` words leave with the first `samples` of the window."""

    pieces: int
    samples: int


class SpeechWindow:
    """All sound of an utterance in order; what was cut off is forgotten."""

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._cut = 0
        self._length = 0

    @property
    def length(self) -> int:
        """Samples of the whole utterance so far."""
        return self._length

    @property
    def begin(self) -> int:
        """Samples that were cut off."""
        return self._cut

    @property
    def seconds(self) -> float:
        """Since the last cut."""
        return (self._length - self._cut) / SAMPLE_RATE_HZ

    def append(self, samples: Samples) -> None:
        """The next [n] samples."""
        if len(samples):
            self._pieces.append(samples)
            self._length += len(samples)

    def samples(self, at_most_s: float) -> Samples:
        """[n] from the last cut on, no more than so many seconds."""
        if not self._pieces:
            return np.zeros(0, np.float32)
        if len(self._pieces) > 1:
            self._pieces = [np.concatenate(self._pieces)]
        return self._pieces[0][: round(at_most_s * SAMPLE_RATE_HZ)]

    def cut(self, samples: int) -> None:
        """Forget the first `samples` since the last cut."""
        kept = self.samples(self.seconds)[samples:].copy()
        self._cut = min(self._cut + samples, self._length)
        self._pieces = [kept] if len(kept) else []


def choose_cut(samples: Samples, pieces: Sequence[Piece], candidates: int, only_pauses: bool) -> Cut | None:
    """Where to cut [n] samples behind one of the first `candidates` timed pieces: in the longest pause between two
    words if there is one, else, unless `only_pauses`, behind the last of them, and then at least half of the sound
    should go. The last second stays whole."""
    earliest, latest = 0 if only_pauses else len(samples) // 2, len(samples) - round(KEPT_S * SAMPLE_RATE_HZ)
    level = _levels(samples)
    possible = [count for count in range(1, min(candidates, len(pieces)) + 1) if _is_edge(pieces, count)]
    found = []
    for begin, end in _pauses(level):
        # what begins before the pause was said before it
        count = sum((piece.start_s or 0.0) * SAMPLE_RATE_HZ < begin - _TOLERANCE for piece in pieces)
        # alignment errs, and gives the pause to either word: one that goes on behind it may be said there whole
        if count and (pieces[count - 1].end_s or 0.0) * SAMPLE_RATE_HZ > end + _OVERHANG:
            continue
        if count in possible and earliest <= (begin + end) // 2 <= latest:
            found.append((end - begin, Cut(count, (begin + end) // 2)))
    if found:
        return max(found, key=lambda pause: pause[0])[1]
    if only_pauses:
        return None
    cuts = [
        Cut(count, _quietest(level, round((pieces[count - 1].end_s or 0.0) * SAMPLE_RATE_HZ))) for count in possible
    ]
    return next((cut for cut in reversed(cuts) if 0 < cut.samples <= latest), None)


def _is_edge(pieces: Sequence[Piece], count: int) -> bool:
    """Whether a word ends behind `count` pieces: its punctuation stays with it."""
    return count == len(pieces) or pieces[count].text.startswith(" ")


def _pauses(level: Samples) -> list[tuple[int, int]]:
    """First sample and the one after the last of each stretch that is quiet for `_PAUSE_FRAMES` or longer."""
    loud = float(np.median(level[level >= np.median(level)])) if len(level) else 0.0
    quiet = np.concatenate(([False], level <= _PAUSE_LEVEL * loud, [False]))
    edges = np.flatnonzero(quiet[1:] != quiet[:-1]).reshape(-1, 2)
    return [(int(begin) * _FRAME, int(end) * _FRAME) for begin, end in edges if end - begin >= _PAUSE_FRAMES]


def _quietest(level: Samples, edge: int) -> int:
    """The middle of the quietest frame around a word's edge; the edge itself beyond the sound."""
    first = max(edge // _FRAME - _NEAR_FRAMES, 0)
    part = level[first : edge // _FRAME + _NEAR_FRAMES + 1]
    return (first + int(part.argmin())) * _FRAME + _FRAME // 2 if len(part) else edge


def _levels(samples: Samples) -> Samples:
    """Root mean square of each 20 ms."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level: Samples = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1)).astype(np.float32)
    return level
