"""Trims the silent edges of a sound that comes in pieces, and fades them: what is quiet waits until it is known whether
more is to come. Marks move along with the sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from core.messages import Mark, Samples
from tts.engine import SpeechPiece
from tts.shaping import FADE_MS, LEAD_MS, to_samples

QUIET = 0.003
"""amplitude (-50 dB of full scale) below which sound is silence, of voices at their usual loudness"""


class StreamTrimmer:
    """Give it each piece, then `rest`. `cut` is how much was removed before the sound, known once some came out."""

    def __init__(self, sample_rate_hz: int, tail_ms: int) -> None:
        self.cut = 0
        self._rate_hz = sample_rate_hz
        self._tail_ms = tail_ms
        self._fade = to_samples(FADE_MS, sample_rate_hz)
        self._lead = to_samples(LEAD_MS, sample_rate_hz)
        self._begun = False
        self._given = 0
        self._kept: Samples = np.zeros(0, np.float32)

    def take(self, samples: Samples) -> Samples:
        """What can be said by now: all but a quiet end, and a moment that may yet have to fade."""
        self._kept = np.concatenate((self._kept, samples))
        loud = np.flatnonzero(np.abs(self._kept) > QUIET)
        if not len(loud):
            if not self._begun:
                self._drop(max(0, len(self._kept) - self._lead))
            return self._kept[:0]
        if not self._begun:
            self._begin(int(loud[0]))
            loud = loud - loud[0] + min(int(loud[0]), self._lead)
        ready = min(int(loud[-1]) + 1, len(self._kept) - self._fade)
        return self._release(max(ready, 0))

    def rest(self) -> Samples:
        """The end, with `tail_ms` of its quiet at most, fading out."""
        if not self._begun:
            return np.zeros(0, np.float32)
        loud = np.flatnonzero(np.abs(self._kept) > QUIET)
        end = int(loud[-1]) + 1 if len(loud) else 0
        end = min(end + to_samples(self._tail_ms, self._rate_hz), len(self._kept))
        rest = self._release(end).copy()
        count = min(self._fade, len(rest))
        if count:
            rest[-count:] *= np.linspace(1.0, 0.0, count, dtype=np.float32)
        return rest

    def _begin(self, first_loud: int) -> None:
        self._begun = True
        self._drop(max(0, first_loud - self._lead))

    def _drop(self, count: int) -> None:
        self.cut += count
        self._kept = self._kept[count:]

    def _release(self, count: int) -> Samples:
        """The next samples, fading in where they are the first."""
        ready, self._kept = self._kept[:count], self._kept[count:]
        if self._given < self._fade:
            ramp = np.linspace(0.0, 1.0, self._fade, dtype=np.float32)[self._given : self._given + count]
            ready = ready.copy()
            ready[: len(ramp)] *= ramp
        self._given += count
        return ready


def trimmed_pieces(
    windows: Iterable[Samples], marks: Iterable[Mark], sample_rate_hz: int, tail_ms: int
) -> Iterator[SpeechPiece]:
    """The windows as pieces, trimmed. Marks are counted from the first window's start, in order; the last piece, and
    only that, has `last` set and holds all marks that are left."""
    trimmer = StreamTrimmer(sample_rate_hz, tail_ms)
    waiting = list(marks)
    given = 0
    for window in windows:
        ready = trimmer.take(window)
        if len(ready):
            yield SpeechPiece(ready, _inside(waiting, trimmer.cut, given, given + len(ready)))
            given += len(ready)
    rest = trimmer.rest()
    inside = _inside(waiting, trimmer.cut, given, None)
    yield SpeechPiece(rest, tuple(Mark(min(mark.sample, len(rest)), mark.characters) for mark in inside), last=True)


def _inside(waiting: list[Mark], cut: int, start: int, end: int | None) -> tuple[Mark, ...]:
    """Take those that lie before `end` (None: all), counted from `start` of the trimmed sound."""
    inside = []
    while waiting and (end is None or waiting[0].sample - cut < end):
        mark = waiting.pop(0)
        inside.append(Mark(max(mark.sample - cut - start, 0), mark.characters))
    return tuple(inside)
