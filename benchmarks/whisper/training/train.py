"""Training that may be killed at any moment: the same call goes on from the last checkpoint.

On a CPU processes of one thread each learn from examples that another one makes; on a card one process learns, from
plans that others draw, and makes their sound there too.

A warm-up, a constant rate, and a linear end.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from benchmarks.whisper.training.batch_sound import BatchSound, no_speech_sounds
from benchmarks.whisper.training.disturb import Rooms
from benchmarks.whisper.training.feed import Batch, ExampleMixer, FeedConfig, SoundBatch, feed
from benchmarks.whisper.training.network import Network
from benchmarks.whisper.training.optimisers import optimisers
from benchmarks.whisper.training.plans import PlanMixer
from benchmarks.whisper.training.score import Listener, score, total
from benchmarks.whisper.training.shards import Utterance, read_shard
from benchmarks.whisper.training.vocabulary import Vocabulary, load_vocabulary
from benchmarks.whisper.training.voices import HELD_OUT_VOICES

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
_SEED = 1
_EVERY_THIRD = 3
_CLIP = 1.0
_PHONEMES_FIRST = 1500
_HEAD_ALONE = 150
"""steps in which a new head for CTC on a trained encoder does not disturb it"""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How long and how fast to learn. `steps` may be changed when training goes on."""

    folder: Path
    steps: int = 8000
    minutes: float = 1e9
    """by the clock, pauses counted; what ends first ends it"""
    rate: float = 3e-3
    warm_up: int = 100
    ending: float = 0.4
    """share of the steps, or minutes, in which the rate falls to nothing"""
    phonemes: float = 0.3
    """weight of CTC's loss after the first steps, in which it falls from 1"""
    save_every_s: float = 60.0
    score_every_s: float = 900.0
    processes: int = 2
    """that learn, on a CPU; that plan, for a card"""
    full: float = 0.005
    """share of windows of 30 s"""
    begin: Path | None = None
    """openai-whisper's file of a trained model to begin from, where the folder has no checkpoint"""
    device: str = "cpu"
    frames: int = 10_000
    """of 10 ms in a step of one process"""
    rooms: int = 300
    noises: int = 120
    sounds: int = 1000
    """that are no speech; these three are made once for a card to draw from"""


@dataclass(frozen=True, slots=True)
class _Work:
    """What every process of the training is given."""

    config: TrainConfig
    vocabulary: Vocabulary
    saved: dict[str, Any]
    batches: Iterator[Any]
    sound: BatchSound | None = None
    """makes the sound of plans"""


def train(config: TrainConfig) -> None:
    """Learn up to step `config.steps`, from the checkpoint in the folder if there is one.

    On a CPU in several processes of one thread each, which average their gradients: on a busy machine two threads of
    one process wait for each other after every product.
    """
    torch.set_num_threads(1)
    vocabulary = load_vocabulary(config.folder / "vocabulary.json")
    saved = _saved(config.folder / CHECKPOINT) or _begun(config.begin, vocabulary)
    feeding = FeedConfig(config.folder, config.frames, config.full)
    pool = saved.get("pool", -1) + 1
    # everything is forked before torch starts threads, which would not be there in the new process
    if config.device == "cpu":
        _learn_together(_Work(config, vocabulary, saved, feed(ExampleMixer(feeding, vocabulary), pool)))
        return
    rooms = Rooms(np.random.default_rng(0), config.rooms, config.noises)
    sounds = no_speech_sounds(rooms, config.sounds)
    batches = feed(PlanMixer(feeding, vocabulary, [one.size for one in sounds]), pool, config.processes)
    first = next(batches)
    sound = BatchSound(config.folder, rooms, sounds, torch.device(config.device))
    _learn(_Work(config, vocabulary, saved, batches, sound), first)


def _learn_together(work: _Work) -> None:
    config, batches = work.config, work.batches
    first = next(batches)
    meeting = f"file://{config.folder / 'meeting'}-{os.getpid()}"
    context = multiprocessing.get_context("fork")
    others: list[Any] = [
        context.Process(target=_learn_at, args=(work, next(batches), rank, meeting))
        for rank in range(1, config.processes)
    ]
    for process in others:
        process.start()
    _learn_at(work, first, 0, meeting)
    for process in others:
        process.join()


def _learn_at(work: _Work, batch: Batch, rank: int, meeting: str) -> None:
    distributed.init_process_group("gloo", meeting, timedelta(days=1), work.config.processes, rank)
    _learn(work, batch, rank)


def _learn(work: _Work, batch: Batch, rank: int = 0) -> None:
    config = work.config
    torch.manual_seed(_SEED)
    logging.getLogger().setLevel(logging.INFO if rank == 0 else logging.WARNING)
    run = _Run(work)
    held_out = read_shard(config.folder / "held-out.npz")[::_EVERY_THIRD]
    saved_at = scored_at = time.monotonic()
    while not run.ended:
        run.learn(batch)
        ended = run.agree_to_end()
        now = time.monotonic()
        if rank == 0 and (ended or now - saved_at >= config.save_every_s):
            run.save(batch.pool)
            saved_at = now
        if rank == 0 and (ended or now - scored_at >= config.score_every_s):
            run.report(held_out)
            scored_at = time.monotonic()
        batch = next(work.batches)


def load_network(folder: Path) -> tuple[Network, Vocabulary]:
    """The network of the last checkpoint. Raises FileNotFoundError before the first."""
    if not (folder / CHECKPOINT).exists():
        raise FileNotFoundError(f"{folder / CHECKPOINT}: nothing is trained there yet; run train with this --folder")
    vocabulary = load_vocabulary(folder / "vocabulary.json")
    network = Network(vocabulary)
    network.load_state_dict(_saved(folder / CHECKPOINT)["network"])
    return network.eval(), vocabulary


def _saved(path: Path) -> dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else {}


def _begun(path: Path | None, vocabulary: Vocabulary) -> dict[str, Any]:
    """A checkpoint of an exported model, past the first steps: the head for CTC and the optimisers begin anew."""
    if path is None:
        return {}
    network = Network(vocabulary)
    network.take(torch.load(path, weights_only=True)["model_state_dict"], vocabulary)
    return {"step": _PHONEMES_FIRST, "network": network.state_dict()}


class _Run:
    """Network, optimisers and step."""

    def __init__(self, work: _Work) -> None:
        config, saved = work.config, work.saved
        self._config = config
        self._vocabulary = work.vocabulary
        self._sound = work.sound
        self._device = torch.device(config.device)
        self._network = Network(work.vocabulary).to(self._device)
        self._optimisers = optimisers(self._network, config.rate)
        self.step: int = saved.get("step", 0)
        self._first = 0 if "optimisers" in saved else self.step
        self._learnt_s: float = saved.get("learnt_s", 0.0)
        self._seen_s: float = saved.get("seen_s", 0.0)
        self._began = time.time()
        self.ended: bool = self.step >= config.steps
        self._losses: list[Tensor] = []
        if saved:
            self._network.load_state_dict(saved["network"])
            for optimiser, state in zip(self._optimisers, saved.get("optimisers", ()), strict=False):
                optimiser.load_state_dict(state)
            logger.info("going on from step %d", self.step)

    def agree_to_end(self) -> bool:
        """Whether it was the last step; all processes answer alike."""
        late = torch.tensor(float(self.step >= self._config.steps or self._left() <= 0.0))
        if distributed.is_initialized():
            distributed.all_reduce(late, distributed.ReduceOp.MAX)
        self.ended = bool(late)
        return self.ended

    def _left(self) -> float:
        """Of the time, as a share."""
        return 1.0 - (time.time() - self._began) / (60.0 * self._config.minutes)

    def learn(self, batch: Batch) -> None:
        """One step."""
        began = time.monotonic()
        rate = self._config.rate * self._share()
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
        text, phonemes = self._losses_of(batch)
        (text + max(self._config.phonemes, 1 - self.step / _PHONEMES_FIRST) * phonemes).backward()  # type: ignore[no-untyped-call]
        self._average()
        nn.utils.clip_grad_norm_(self._network.parameters(), _CLIP)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self._losses.append(torch.stack((text.detach(), phonemes.detach())))
        self.step += 1
        self._learnt_s += time.monotonic() - began
        alike = distributed.get_world_size() if distributed.is_initialized() else 1
        self._seen_s += float(batch.positions.sum()) / 50 * alike
        if self.step % 25 == 0:
            self._log()

    def save(self, pool: int) -> None:
        """Replace the checkpoint at once. Raises FloatingPointError, and keeps the last one, where it went astray."""
        if not all(bool(weight.isfinite().all()) for weight in self._network.parameters()):
            raise FloatingPointError(f"step {self.step}: weights are not finite; go on with a smaller --rate")
        path = self._config.folder / CHECKPOINT
        part = path.with_suffix(".part")
        state = {
            "step": self.step,
            "pool": pool,
            "learnt_s": self._learnt_s,
            "seen_s": self._seen_s,
            "network": self._network.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
        }
        torch.save(state, part)
        os.replace(part, path)

    def report(self, held_out: Sequence[Utterance]) -> None:
        """Log the word error rate by voice."""
        self._network.eval()
        scores = score(held_out, Listener(self._network, self._vocabulary))
        self._network.train()
        voices = " ".join(f"{one.voice} {one.wer:.2f}" for one in scores)
        logger.info("step %d held-out WER %.3f: %s", self.step, total(scores, HELD_OUT_VOICES), voices)

    def _average(self) -> None:
        if not distributed.is_initialized():
            return
        gradients = [weight.grad for weight in self._network.parameters() if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self._config.processes
        for gradient, mean in zip(gradients, torch.split(flat, [one.numel() for one in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def _losses_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        network = self._network
        encoded = network.encode(self._mel(batch))
        tokens, targets, *labels = (
            torch.from_numpy(one).to(self._device)
            for one in (batch.tokens, batch.targets, batch.phonemes, batch.phoneme_lengths, batch.positions)
        )
        text = network.text_loss(tokens, targets, encoded)
        unlearnt = self._first > 0 and self.step < self._first + _HEAD_ALONE
        return text, network.phoneme_loss(encoded.detach() if unlearnt else encoded, *labels)

    def _mel(self, batch: Batch) -> Tensor:
        if isinstance(batch, SoundBatch):
            return torch.from_numpy(batch.mel).to(self._device)
        if self._sound is None:
            raise ValueError("a batch of plans came to a training that makes no sound: give it a BatchSound")
        with torch.no_grad():
            return self._sound.mel(batch)

    def _share(self) -> float:
        config = self._config
        left = min(self._left(), 1.0 - self.step / config.steps)
        return max(0.0, min(1.0, (self.step - self._first + 1) / config.warm_up, left / config.ending))

    def _log(self) -> None:
        text, phonemes = torch.stack(self._losses).mean(0).tolist()
        logger.info(
            "step %d text %.3f phonemes %.3f; %.1f h heard in %.2f h",
            *(self.step, text, phonemes, self._seen_s / 3600, self._learnt_s / 3600),
        )
        self._losses.clear()
