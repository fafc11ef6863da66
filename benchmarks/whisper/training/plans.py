"""What the examples of a batch are made of, without their sound: drawn by processes, while a card makes the sound.

A plan says which pieces of which speech follow each other, how fast, and what is to be learnt from it: the same draws
as `examples` makes. What else disturbs the sound is drawn on the card, by `batch_sound`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.whisper.training.disturb import Generator
from benchmarks.whisper.training.examples import (
    CONNECTED,
    CUT,
    HOP_SAMPLES,
    LONGEST_CONNECTED_S,
    NO_SPEECH,
    Heard,
    targets,
    window_frames,
)
from benchmarks.whisper.training.feed import Batch, FeedConfig, grouped, hardness, written
from benchmarks.whisper.training.shards import Spoken, read_index
from benchmarks.whisper.training.vocabulary import Vocabulary
from benchmarks.whisper.training.voices import RATE_HZ

PIECES = 4
"""at most, in one example"""
NOTHING, SOUNDS = -1, -2
"""in the place of a file's number: no piece, and a sound that is no speech"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of samples of one file."""

    file: int
    """its number, or SOUNDS"""
    start: int
    size: int
    place: int
    """sample of the example's sound where it begins, before the change of speed"""


@dataclass(frozen=True, slots=True)
class Plan:
    """One example."""

    pieces: tuple[Piece, ...]
    speed: float
    """above 1 faster and higher"""
    before: int
    """samples of silence ahead of the pieces"""
    samples: int
    """of the whole sound, after the change of speed"""
    frames: int
    """of the window: the sound's and zeros"""
    tokens: tuple[int, ...]
    targets: tuple[int, ...]
    phonemes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlanBatch(Batch):
    """Plans as padded arrays."""

    hardness: float
    frames: int
    pieces: NDArray[np.int64]
    """[batch, PIECES, 4]: file or NOTHING, start, size, place"""
    speeds: NDArray[np.float32]
    before: NDArray[np.int64]
    samples: NDArray[np.int64]


class PlanMixer:
    """Draws plans from the files that are there. `sounds` are the sizes of those that are no speech, end to end."""

    def __init__(self, config: FeedConfig, vocabulary: Vocabulary, sounds: Sequence[int]) -> None:
        self._config = config
        self._vocabulary = vocabulary
        self._sounds = sounds
        self._sound_starts = np.cumsum([0, *sounds]).tolist()
        self._files: set[int] = set()
        self._spoken: list[tuple[int, Spoken]] = []
        self._same_voice: dict[tuple[str, str], list[int]] = {}

    def batches(self, pool: int) -> list[PlanBatch]:
        """Those of one pool. Raises FileNotFoundError where no speech is."""
        self._look()
        if not self._spoken:
            raise FileNotFoundError(f"{self._config.folder}: holds no speech; run make with this --folder first")
        rng = np.random.default_rng([self._config.seed, pool])
        groups = grouped(lambda: self.draw(rng), self._config.frames, rng)
        return [_collate(pool, group) for group in groups]

    def draw(self, rng: Generator) -> Plan:
        """One example."""
        if rng.random() < NO_SPEECH:
            return self._no_speech(rng)
        file, one = self._spoken[int(rng.integers(len(self._spoken)))]
        kind = rng.random()
        if kind < CONNECTED:
            pieces, heard = self._connected(file, one, rng)
        elif kind < CONNECTED + CUT and len(one.word_starts) > 2 and min(one.word_starts) >= 0:
            pieces, heard = _cut(file, one, rng)
        else:
            pieces = [Piece(file, one.start, one.size, 0)]
            heard = Heard(one.text, one.phonemes, one.language)
        speed = float(rng.uniform(0.86, 1.18)) if rng.random() < 0.8 else 1.0
        before, after = (int(rng.uniform(0.0, longest) * RATE_HZ) for longest in (0.4, 0.5))
        size = pieces[-1].place + pieces[-1].size
        return self._plan(pieces, heard, rng, (speed, before, before + round(size / speed) + after))

    def _no_speech(self, rng: Generator) -> Plan:
        chosen = int(rng.integers(len(self._sounds)))
        size = self._sounds[chosen]
        piece = Piece(SOUNDS, self._sound_starts[chosen], size, 0)
        return self._plan([piece], Heard("", "", ""), rng, (1.0, 0, size))

    def _plan(self, pieces: list[Piece], heard: Heard, rng: Generator, manner: tuple[float, int, int]) -> Plan:
        speed, before, samples = manner
        frames = window_frames(samples // HOP_SAMPLES, self._config.full, rng)
        rows = targets(self._vocabulary, heard, samples / RATE_HZ, rng)
        spelled = self._vocabulary.phonemes(heard.phonemes)
        return Plan(tuple(pieces), speed, before, samples, frames, *rows, spelled)

    def _connected(self, file: int, first: Spoken, rng: Generator) -> tuple[list[Piece], Heard]:
        others = self._same_voice[first.voice, first.language]
        pieces, chosen = [Piece(file, first.start, first.size, 0)], [first]
        length = first.size
        for _ in range(int(rng.integers(1, PIECES))):
            number, following = self._spoken[others[int(rng.integers(len(others)))]]
            place = length + int(rng.uniform(0.05, 0.6) * RATE_HZ)
            length = place + following.size
            if length > LONGEST_CONNECTED_S * RATE_HZ:
                break
            pieces.append(Piece(number, following.start, following.size, place))
            chosen.append(following)
        text = " ".join(one.text for one in chosen)
        return pieces, Heard(text, "".join(one.phonemes for one in chosen), first.language)

    def _look(self) -> None:
        """Take in what has been made since."""
        for path in sorted(self._config.folder.glob("shard-*.npz")):
            number = int(path.stem.split("-")[1])
            if number in self._files:
                continue
            self._files.add(number)
            for one in read_index(path):
                self._same_voice.setdefault((one.voice, one.language), []).append(len(self._spoken))
                self._spoken.append((number, one))


def _cut(file: int, one: Spoken, rng: Generator) -> tuple[list[Piece], Heard]:
    words = one.text.split()
    begin = int(rng.integers(1, len(words))) if rng.random() < 0.3 else 0
    end = int(rng.integers(begin + 1, len(words) + 1))
    first = one.word_starts[begin]
    last = one.word_starts[end] if end < len(words) else one.size
    size = min(max(last, first + HOP_SAMPLES), one.size) - first
    return [Piece(file, one.start + first, size, 0)], Heard(" ".join(words[begin:end]), "", one.language)


def _collate(pool: int, group: Sequence[Plan]) -> PlanBatch:
    pieces = np.zeros((len(group), PIECES, 4), np.int64)
    pieces[:, :, 0] = NOTHING
    for row, plan in zip(pieces, group, strict=True):
        for line, one in zip(row, plan.pieces, strict=False):
            line[:] = (one.file, one.start, one.size, one.place)
    samples = np.array([one.samples for one in group])
    frames = max(one.frames for one in group)
    return PlanBatch(
        pool=pool,
        hardness=hardness(pool),
        frames=frames,
        pieces=pieces,
        speeds=np.array([one.speed for one in group], np.float32),
        before=np.array([one.before for one in group]),
        samples=samples,
        positions=np.minimum(samples // HOP_SAMPLES, frames) // 2,
        **written(group),
    )
