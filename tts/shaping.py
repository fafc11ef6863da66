"""Makes an engine's raw sound fit to be joined: trims silence, fades the edges, cuts it into chunks. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.messages import Mark, Samples

CHUNK_MS = 150
FADE_MS = 2
LEAD_MS = 5
TAIL_MS = 10
SILENCE = 0.002
"""amplitude below which espeak-ng's sound is inaudible (-54 dB of full scale)"""


@dataclass(frozen=True, slots=True)
class TrimmedSound:
    """Sound without its silent edges; `cut` samples were removed before it."""

    samples: Samples
    cut: int


def to_samples(duration_ms: float, sample_rate_hz: int) -> int:
    """Milliseconds as a number of samples."""
    return round(duration_ms * sample_rate_hz / 1000)


def trim_silence(samples: Samples, sample_rate_hz: int, quiet: float = SILENCE) -> TrimmedSound:
    """Leave at most LEAD_MS before the sound and TAIL_MS after it of what is at most `quiet`; if all is, nothing."""
    loud = np.flatnonzero(np.abs(samples) > quiet)
    if not len(loud):
        return TrimmedSound(np.zeros(0, np.float32), len(samples))
    start = max(int(loud[0]) - to_samples(LEAD_MS, sample_rate_hz), 0)
    end = min(int(loud[-1]) + 1 + to_samples(TAIL_MS, sample_rate_hz), len(samples))
    return TrimmedSound(samples[start:end], start)


def fade_edges(samples: Samples, sample_rate_hz: int) -> Samples:
    """A copy that rises from and falls to zero within FADE_MS, so that joining it makes no click."""
    faded = samples.astype(np.float32, copy=True)
    count = min(to_samples(FADE_MS, sample_rate_hz), len(faded) // 2)
    if count:
        ramp = np.linspace(0.0, 1.0, count, dtype=np.float32)
        faded[:count] *= ramp
        faded[-count:] *= ramp[::-1]
    return faded


def silence(duration_ms: float, sample_rate_hz: int) -> Samples:
    """Zeros for that long."""
    return np.zeros(to_samples(duration_ms, sample_rate_hz), np.float32)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a longer sound with the marks that lie in it, counted from its own start."""

    samples: Samples
    marks: tuple[Mark, ...]
    last: bool


def cut_chunks(samples: Samples, marks: tuple[Mark, ...], sample_rate_hz: int) -> Iterator[Chunk]:
    """Chunks of CHUNK_MS, the last one up to half longer; at least one, also of empty sound. Marks keep their order."""
    size = to_samples(CHUNK_MS, sample_rate_hz)
    start, first = 0, 0
    while True:
        last = len(samples) - start <= size + size // 2
        end = len(samples) if last else start + size
        after = first
        while after < len(marks) and (last or marks[after].sample < end):
            after += 1
        inside = tuple(Mark(mark.sample - start, mark.characters) for mark in marks[first:after])
        yield Chunk(samples[start:end], inside, last)
        if last:
            return
        start, first = end, after
