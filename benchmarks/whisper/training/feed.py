"""Batches from a process of its own, so that making them and learning from them take a processor each.

Pool number N of batches depends on the seed, N and the shards that are there. The process ends with its parent.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """Padded arrays."""

    pool: int
    mel: NDArray[np.float32]
    """[batch, 80, frames]"""
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
class FeedConfig:
    """What a feed gives."""

    folder: Path
    frames: int = 10_000
    """of 10 ms in a batch, padding counted"""
    full: float = 0.005
    """share of windows of 30 s"""
    seed: int = 1


def feed(config: FeedConfig, vocabulary: Vocabulary, pool: int) -> Iterator[Batch]:
    """Batches without end, from pool `pool` on."""
    context = multiprocessing.get_context("fork")  # a fork keeps this program's command line, by which it is paused
    batches: Any = context.Queue(_WAITING)
    parent = os.getpid()
    worker = context.Process(target=_work, args=(config, vocabulary, pool, batches, parent), daemon=True)
    worker.start()
    while True:
        try:
            yield batches.get(timeout=60)
        except queue.Empty:
            if not worker.is_alive():
                raise RuntimeError("the process that makes the batches has ended; see what it wrote") from None


def _work(config: FeedConfig, vocabulary: Vocabulary, pool: int, batches: Any, parent: int) -> None:
    import torch

    torch.set_num_threads(1)
    batches.cancel_join_thread()  # nobody reads the rest once the parent has ended
    shards: list[Path] = []
    while os.getppid() == parent:
        found = sorted(config.folder.glob("shard-*.npz"))
        if len(found) != len(shards):
            shards = found
            examples = Examples([one for path in shards for one in read_shard(path)], vocabulary, config.full)
        for batch in _pool(examples, config, pool):
            while os.getppid() == parent:
                try:
                    batches.put(batch, timeout=5)
                    break
                except queue.Full:
                    continue
        pool += 1


def _pool(examples: Examples, config: FeedConfig, pool: int) -> list[Batch]:
    rng = np.random.default_rng([config.seed, pool])
    drawn: list[Example] = []
    total = 0
    while total < _POOL * config.frames:
        drawn.append(examples.draw(rng, min(_HARDEST, pool / _EASY_POOLS)))
        total += drawn[-1].frames
    drawn.sort(key=lambda one: one.frames)
    groups: list[list[Example]] = [[]]
    for one in drawn:
        if one.frames * (len(groups[-1]) + 1) > config.frames and groups[-1]:
            groups.append([])
        groups[-1].append(one)
    rng.shuffle(groups)
    return [_collate(pool, group) for group in groups]


def _collate(pool: int, group: Sequence[Example]) -> Batch:
    mel = np.zeros((len(group), 80, max(one.frames for one in group)), np.float32)
    for row, one in zip(mel, group, strict=True):
        row[:, : one.mel.shape[1]] = one.mel
    return Batch(
        pool,
        mel,
        _padded([one.tokens for one in group], 0),
        _padded([one.targets for one in group], IGNORED),
        _padded([one.phonemes for one in group], 0),
        np.array([len(one.phonemes) for one in group]),
        np.array([one.mel.shape[1] // 2 for one in group]),
    )


def _padded(rows: Sequence[Sequence[int]], filler: int) -> NDArray[np.int64]:
    table = np.full((len(rows), max(1, *(len(row) for row in rows))), filler, np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table
