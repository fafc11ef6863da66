"""The sound of an utterance since the last cut, and where it is best cut. Pure; needs no recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.whisper.results import Piece

KEPT_S = 1.0
"""Sound at the window's end that is never cut off: its words may still change."""
_REACH_S = 0.3
"""How far from a word's edge a pause is looked for: alignment is not exact."""
_FRAME = SAMPLE_RATE_HZ // 50
_PAUSE_LEVEL = 0.2
"""A frame this far below the window's loud half is a pause between words (-14 dB)."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The first `pieces` words leave with the first `samples` of the window."""

    pieces: int
    samples: int
    at_pause: bool


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
    """Where to cut [n] samples behind one of the first `candidates` timed pieces: at the deepest pause between two
    words if there is one, else, unless `only_pauses`, behind the last of them. The last second stays whole."""
    latest = len(samples) - round(KEPT_S * SAMPLE_RATE_HZ)
    level = _levels(samples)
    loud = float(np.median(level[level >= np.median(level)])) if len(level) else 0.0
    best: Cut | None = None
    depth = _PAUSE_LEVEL * loud
    last: Cut | None = None
    for count in range(1, min(candidates, len(pieces)) + 1):
        if count < len(pieces) and not pieces[count].text.startswith(" "):
            continue
        begin, end = _between(pieces, count, len(samples))
        edge = round((pieces[count - 1].end_s or 0.0) * SAMPLE_RATE_HZ)
        at, quiet = _quietest(level, begin, end, edge)
        if not 0 < at <= latest:
            continue
        last = Cut(count, at, quiet <= _PAUSE_LEVEL * loud)
        if quiet <= depth:
            best, depth = last, quiet
    return best or (None if only_pauses else last)


def _between(pieces: Sequence[Piece], count: int, length: int) -> tuple[int, int]:
    """The samples around the edge behind `count` pieces in which a pause would lie, within the neighbours' middles."""
    left, edge = pieces[count - 1].start_s or 0.0, pieces[count - 1].end_s or 0.0
    right = pieces[count].end_s if count < len(pieces) else None
    begin = max(edge - _REACH_S, (left + edge) / 2)
    end = edge + _REACH_S if right is None else min(edge + _REACH_S, (edge + right) / 2)
    return round(begin * SAMPLE_RATE_HZ), min(round(end * SAMPLE_RATE_HZ), length)


def _quietest(level: Samples, begin: int, end: int, edge: int) -> tuple[int, float]:
    """The middle of the quietest frame in a range of samples, and its level; the edge itself in an empty range."""
    first, last = begin // _FRAME, end // _FRAME
    if last <= first or first >= len(level):
        return edge, float("inf")
    part = level[first:last]
    index = int(part.argmin())
    return (first + index) * _FRAME + _FRAME // 2, float(part[index])


def _levels(samples: Samples) -> Samples:
    """Root mean square of each 20 ms, smoothed over three."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))
    padded = np.pad(level, 1, mode="edge") if len(level) else np.zeros(2)
    smooth: Samples = ((padded[:-2] + padded[1:-1] + padded[2:]) / 3).astype(np.float32)
    return smooth
