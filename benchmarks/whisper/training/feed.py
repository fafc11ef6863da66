"""Batches from processes of their own, so that making them and learning from them take a processor each.

Pool number N of batches depends on the seed, N and the shards that are there. The processes end with their parent.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.whisper.training.examples import Example, Examples
from benchmarks.whisper.training.shards import read_shard
from benchmarks.whisper.training.vocabulary import IGNORED, Vocabulary

_POOL = 12
_WAITING = 12
_HARDEST, _EASY_POOLS = 0.5, 80
"""over so many pools noise and rooms come in"""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be learnt from some examples, as padded arrays; the classes below say from which sound."""

    pool: int
    tokens: NDArray[np.int64]
    """[batch, longest]"""
    targets: NDArray[np.int64]
    """[batch, longest], IGNORED where there is nothing to learn"""
    phonemes: NDArray[np.int64]
    """[batch, longest]"""
    phoneme_lengths: NDArray[np.int64]
    positions: NDArray[np.int64]
    """of the encoder, that hold sound"""


@dataclass(frozen=True, slots=True)
class SoundBatch(Batch):
    """Examples with their sound."""

    mel: NDArray[np.float32]
    """[batch, 80, frames]"""


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """What a feed gives."""

    folder: Path
    frames: int = 10_000
    """of 10 ms in a batch, padding counted"""
    full: float = 0.005
    """share of windows of 30 s"""
    seed: int = 1


class Framed(Protocol):
    """What is put into batches by its length."""

    @property
    def frames(self) -> int:
        """Of its window."""


class Written(Protocol):
    """What is to be learnt from one example."""

    @property
    def tokens(self) -> Sequence[int]: ...
    @property
    def targets(self) -> Sequence[int]: ...
    @property
    def phonemes(self) -> Sequence[int]: ...


T = TypeVar("T", bound=Framed)


class Mixer(Protocol):
    """Makes batches, in the process that it is sent to."""

    def batches(self, pool: int) -> Sequence[Any]:
        """Those of one pool."""


class ExampleMixer:
    """Examples with their sound, made on this processor from the speech that is there."""

    def __init__(self, config: FeedConfig, vocabulary: Vocabulary) -> None:
        self._config = config
        self._vocabulary = vocabulary
        self._shards: list[Path] = []
        self._examples = Examples([], vocabulary, config.full)

    def batches(self, pool: int) -> list[SoundBatch]:
        """Those of one pool."""
        found = sorted(self._config.folder.glob("shard-*.npz"))
        if len(found) != len(self._shards):
            self._shards = found
            spoken = [one for path in found for one in read_shard(path)]
            self._examples = Examples(spoken, self._vocabulary, self._config.full)
        rng = np.random.default_rng([self._config.seed, pool])
        groups = grouped(lambda: self._examples.draw(rng, hardness(pool)), self._config.frames, rng)
        return [_collate(pool, group) for group in groups]


def feed(mixer: Mixer, pool: int, processes: int = 1) -> Iterator[Any]:
    """Batches without end, from pool `pool` on; each process makes whole pools. Raises RuntimeError where all ended."""
    context = multiprocessing.get_context("fork")  # a fork keeps this program's command line, by which it is paused
    batches: Any = context.Queue(_WAITING)
    parent = os.getpid()
    workers = [
        context.Process(target=_work, args=(mixer, range(first, sys.maxsize, processes), batches, parent), daemon=True)
        for first in range(pool, pool + processes)
    ]
    for worker in workers:
        worker.start()
    return _taken(batches, workers)


def _taken(batches: Any, workers: Sequence[Any]) -> Iterator[Any]:
    while True:
        try:
            yield batches.get(timeout=60)
        except queue.Empty:
            if not any(worker.is_alive() for worker in workers):
                raise RuntimeError("the processes that make the batches have ended; see what they wrote") from None


def _work(mixer: Mixer, pools: range, batches: Any, parent: int) -> None:
    import torch

    torch.set_num_threads(1)
    batches.cancel_join_thread()  # nobody reads the rest once the parent has ended
    for pool in pools:
        for batch in mixer.batches(pool):
            while os.getppid() == parent:
                try:
                    batches.put(batch, timeout=5)
                    break
                except queue.Full:
                    continue
        if os.getppid() != parent:
            break


def hardness(pool: int) -> float:
    """How often rooms and noise are in the examples of a pool, 0 to 1."""
    return min(_HARDEST, pool / _EASY_POOLS)


def grouped(draw: Callable[[], T], frames: int, rng: np.random.Generator) -> list[list[T]]:
    """A pool of drawn ones in groups of like length, of at most so many frames each, in any order."""
    drawn: list[T] = []
    total = 0
    while total < _POOL * frames:
        drawn.append(draw())
        total += drawn[-1].frames
    drawn.sort(key=lambda one: one.frames)
    groups: list[list[T]] = [[]]
    for one in drawn:
        if one.frames * (len(groups[-1]) + 1) > frames and groups[-1]:
            groups.append([])
        groups[-1].append(one)
    rng.shuffle(groups)
    return groups


def _collate(pool: int, group: Sequence[Example]) -> SoundBatch:
    mel = np.zeros((len(group), 80, max(one.frames for one in group)), np.float32)
    for row, one in zip(mel, group, strict=True):
        row[:, : one.mel.shape[1]] = one.mel
    positions = np.array([one.mel.shape[1] // 2 for one in group])
    return SoundBatch(pool=pool, mel=mel, positions=positions, **written(group))


def written(group: Sequence[Written]) -> dict[str, NDArray[np.int64]]:
    """The fields of a `Batch` that are about words: tokens, targets, phonemes and their lengths."""
    return {
        "tokens": _padded([one.tokens for one in group], 0),
        "targets": _padded([one.targets for one in group], IGNORED),
        "phonemes": _padded([one.phonemes for one in group], 0),
        "phoneme_lengths": np.array([len(one.phonemes) for one in group]),
    }


def _padded(rows: Sequence[Sequence[int]], filler: int) -> NDArray[np.int64]:
    """Rows of one length, with `filler` behind each."""
    table = np.full((len(rows), max(1, *(len(row) for row in rows))), filler, np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table
