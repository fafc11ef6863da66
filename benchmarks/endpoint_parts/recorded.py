"""People's recordings as turns: cut at their own phrase boundaries, composed anew with other pauses, and rated once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.corpora.speech import ASSETS, read
from core.messages import SAMPLE_RATE_HZ, Samples, Transcript
from core.utils.vad_compat import CHUNK_SAMPLES, load_vad

SEED = 7
QUIET = 0.05
"""of a recording's loud parts: below it is a gap"""
GAP_S = 0.15
PHRASE_S = 0.8
LONGEST_S = 12.0
SAME_S = 0.35
"""two ends of speech nearer than this are one"""
LJ = (
    ("0001", "0002"),
    ("0003", "0004", "0005"),
    ("0006", "0007", "0008"),
    ("0009",),
    ("0010", "0011"),
    ("0014", "0015"),
)
"""files that make a sentence together; 0012, 0013 go on after a semicolon, 0016 is unfinished"""
OTHERS = ("jfk", "speechbrain", "picovoice", "azure")
ROOM_RMS = 3e-4


@dataclass(frozen=True, slots=True)
class Spoken:
    """One turn's sound with pauses in it."""

    samples: Samples
    pauses: tuple[tuple[float, float], ...]
    """(where it begins, how long it is), seconds"""
    ends_at: float
    """seconds of the last sound"""
    ratings: tuple[float, ...]
    """what the voice detector makes of each chunk; it hears the sound alone, so once is enough for all ways"""

    def boundary(self, at: float) -> int | None:
        """Which phrase ends at this time; the last one's number is that of the pauses."""
        ends = (*(start for start, _ in self.pauses), self.ends_at)
        return next((number for number, end in enumerate(ends) if abs(end - at) <= SAME_S), None)


def turns() -> list[list[Samples]]:
    """Each turn as its phrases."""
    folder = ASSETS / "speech"
    found = []
    for group in LJ:
        phrases = [part for number in group for part in split(read(folder / "ljspeech" / f"LJ001-{number}.flac"))]
        found.append(last_seconds(phrases))
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
        if entry["set"] in OTHERS and entry["lang"] == "en":
            found.append(last_seconds(split(read(folder / entry["file"]))))
    return found


def last_seconds(phrases: list[Samples]) -> list[Samples]:
    while len(phrases) > 1 and sum(map(len, phrases)) > LONGEST_S * SAMPLE_RATE_HZ:
        phrases = phrases[1:]
    return phrases


def split(samples: Samples) -> list[Samples]:
    """A recording's phrases, without the gaps between them."""
    block = SAMPLE_RATE_HZ // 100
    levels = np.sqrt(np.mean(samples[: len(samples) // block * block].reshape(-1, block) ** 2, axis=1))
    loud = levels > QUIET * np.percentile(levels, 95)
    phrases: list[tuple[int, int]] = []
    for at in np.flatnonzero(loud):
        if phrases and (at - phrases[-1][1] < GAP_S * 100 or phrases[-1][1] - phrases[-1][0] < PHRASE_S * 100):
            phrases[-1] = (phrases[-1][0], int(at) + 1)
        else:
            phrases.append((int(at), int(at) + 1))
    if len(phrases) > 1 and phrases[-1][1] - phrases[-1][0] < PHRASE_S * 100:
        last = phrases.pop()
        phrases[-1] = (phrases[-1][0], last[1])
    return [samples[start * block : end * block] for start, end in phrases]


def compose(phrases: Sequence[Samples], pauses: Iterator[float]) -> Spoken:
    """The phrases in a room, with the next pauses between them and 3 s behind them."""
    room = np.random.default_rng(SEED)
    pieces, placed, at = [np.zeros(SAMPLE_RATE_HZ // 2, np.float32)], [], 0.5
    for number, phrase in enumerate(phrases):
        pieces.append(phrase)
        at += len(phrase) / SAMPLE_RATE_HZ
        last = number == len(phrases) - 1
        pause = 3.0 if last else next(pauses)
        if not last:
            placed.append((at, pause))
        pieces.append(np.zeros(round(pause * SAMPLE_RATE_HZ), np.float32))
        at += pause
    sound = np.concatenate(pieces)
    sound = sound + room.normal(0, ROOM_RMS, len(sound)).astype(np.float32)
    return Spoken(sound, tuple(placed), at - 3.0, _rate(sound))


def _rate(sound: Samples) -> tuple[float, ...]:
    engine = load_vad()
    size = engine.chunk_samples
    return tuple(engine.probability(sound[at : at + size]) for at in range(0, len(sound) - size + 1, size))


@dataclass(frozen=True, slots=True)
class Understood:
    """The words at each turn's ends of phrases."""

    texts: list[dict[int, Transcript]]
    after_s: float
    """between a pause's notice and its words"""


class Rated:
    """A voice detector that has heard the sound before. Its listener may skip chunks only at the sound's end."""

    name, chunk_samples = "rated", CHUNK_SAMPLES

    def __init__(self, ratings: Sequence[float]) -> None:
        self._ratings = iter(ratings)

    def probability(self, samples: Samples) -> float:
        """Of the next chunk."""
        return next(self._ratings)

    def reset(self) -> None:
        """Nothing is forgotten: the ratings are of one sound in its order."""
