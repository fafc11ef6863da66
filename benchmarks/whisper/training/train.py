"""Training that may be killed at any moment: the same call goes on from the last checkpoint.

AdamW for embeddings, convolutions and biases, Muon (Jordan et al. 2024) for the other matrices; a warm-up, a constant
rate, and a linear end.
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

import torch
from torch import Tensor, distributed, nn

from benchmarks.whisper.training.feed import Batch, FeedConfig, feed
from benchmarks.whisper.training.network import Network
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
    save_every: int = 100
    score_every: int = 500
    processes: int = 2
    full: float = 0.005
    """share of windows of 30 s"""
    begin: Path | None = None
    """openai-whisper's file of a trained model to begin from, where the folder has no checkpoint"""


def train(config: TrainConfig) -> None:
    """Learn up to step `config.steps`, from the checkpoint in the folder if there is one.

    In several processes of one thread each, which average their gradients: on a busy machine two threads of one
    process wait for each other after every product.
    """
    torch.set_num_threads(1)
    vocabulary = load_vocabulary(config.folder / "vocabulary.json")
    saved = _saved(config.folder / CHECKPOINT) or _begun(config.begin, vocabulary)
    # everything is forked before torch starts threads, which would not be there in the new process
    batches = feed(FeedConfig(config.folder, full=config.full), vocabulary, saved.get("pool", -1) + 1)
    first = next(batches)
    meeting = f"file://{config.folder / 'meeting'}-{os.getpid()}"
    context = multiprocessing.get_context("fork")
    others: list[Any] = [
        context.Process(target=_learn, args=(config, vocabulary, saved, batches, next(batches), rank, meeting))
        for rank in range(1, config.processes)
    ]
    for process in others:
        process.start()
    _learn(config, vocabulary, saved, batches, first, 0, meeting)
    for process in others:
        process.join()


def _learn(
    config: TrainConfig,
    vocabulary: Vocabulary,
    saved: dict[str, Any],
    batches: Iterator[Batch],
    batch: Batch,
    rank: int,
    meeting: str,
) -> None:
    distributed.init_process_group("gloo", meeting, timedelta(days=1), config.processes, rank)
    torch.manual_seed(_SEED)
    logging.getLogger().setLevel(logging.INFO if rank == 0 else logging.WARNING)
    run = _Run(config, vocabulary, saved)
    held_out = read_shard(config.folder / "held-out.npz")[::_EVERY_THIRD]
    while not run.ended:
        run.learn(batch)
        ended = run.agree_to_end()
        if rank == 0 and (ended or run.step % config.save_every == 0):
            run.save(batch.pool)
        if rank == 0 and (ended or run.step % config.score_every == 0):
            run.report(held_out)
        batch = next(batches)


def load_network(folder: Path) -> tuple[Network, Vocabulary]:
    """The network of the last checkpoint. Raises FileNotFoundError before the first."""
    vocabulary = load_vocabulary(folder / "vocabulary.json")
    network = Network(vocabulary)
    network.load_state_dict(torch.load(folder / CHECKPOINT, weights_only=True)["network"])
    return network.eval(), vocabulary


def _saved(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True) if path.exists() else {}


def _begun(path: Path | None, vocabulary: Vocabulary) -> dict[str, Any]:
    """A checkpoint of an exported model, past the first steps: the head for CTC and the optimisers begin anew."""
    if path is None:
        return {}
    network = Network(vocabulary)
    network.take(torch.load(path, weights_only=True)["model_state_dict"], vocabulary)
    return {"step": _PHONEMES_FIRST, "network": network.state_dict()}


class _Run:
    """Network, optimisers and step."""

    def __init__(self, config: TrainConfig, vocabulary: Vocabulary, saved: dict[str, Any]) -> None:
        self._config = config
        self._vocabulary = vocabulary
        self._network = Network(vocabulary)
        self._optimisers = _optimisers(self._network, config.rate)
        self.step: int = saved.get("step", 0)
        self._first = 0 if "optimisers" in saved else self.step
        self._learnt_s: float = saved.get("learnt_s", 0.0)
        self._seen_s: float = saved.get("seen_s", 0.0)
        self._began = time.time()
        self.ended: bool = self.step >= config.steps
        self._losses: list[tuple[float, float]] = []
        if saved:
            self._network.load_state_dict(saved["network"])
            for optimiser, state in zip(self._optimisers, saved.get("optimisers", ()), strict=False):
                optimiser.load_state_dict(state)
            logger.info("going on from step %d", self.step)

    def agree_to_end(self) -> bool:
        """Whether it was the last step; all processes answer alike."""
        late = torch.tensor(float(self.step >= self._config.steps or self._left() <= 0.0))
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
        self._losses.append((float(text.detach()), float(phonemes.detach())))
        self.step += 1
        self._learnt_s += time.monotonic() - began
        self._seen_s += float(batch.positions.sum()) / 50 * self._config.processes
        if self.step % 25 == 0:
            self._log()

    def save(self, pool: int) -> None:
        """Replace the checkpoint at once."""
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
        gradients = [weight.grad for weight in self._network.parameters() if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self._config.processes
        for gradient, mean in zip(gradients, torch.split(flat, [one.numel() for one in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def _losses_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        network = self._network
        encoded = network.encode(torch.from_numpy(batch.mel))
        text = network.text_loss(torch.from_numpy(batch.tokens), torch.from_numpy(batch.targets), encoded)
        unlearnt = self._first > 0 and self.step < self._first + _HEAD_ALONE
        phonemes = network.phoneme_loss(
            encoded.detach() if unlearnt else encoded,
            torch.from_numpy(batch.phonemes),
            torch.from_numpy(batch.phoneme_lengths),
            torch.from_numpy(batch.positions),
        )
        return text, phonemes

    def _share(self) -> float:
        config = self._config
        left = min(self._left(), 1.0 - self.step / config.steps)
        return max(0.0, min(1.0, (self.step - self._first + 1) / config.warm_up, left / config.ending))

    def _log(self) -> None:
        text, phonemes = (sum(column) / len(self._losses) for column in zip(*self._losses, strict=True))
        logger.info(
            "step %d text %.3f phonemes %.3f; %.1f h heard in %.2f h",
            *(self.step, text, phonemes, self._seen_s / 3600, self._learnt_s / 3600),
        )
        self._losses.clear()


def _optimisers(network: Network, rate: float) -> list[torch.optim.Optimizer]:
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, weight in network.named_parameters():
        plain = weight.ndim == 2 and ".blocks." in name
        (matrices if plain else others).append(weight)
    return [
        torch.optim.Muon(matrices, rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]
