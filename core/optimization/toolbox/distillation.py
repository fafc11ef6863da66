"""A small model learns what a large one says: soft choices at a temperature beside the labels.

Source: Hinton et al., Distilling the Knowledge in a Neural Network, arXiv 1503.02531. A training that was killed goes
on from its last checkpoint and ends with the same weights, bit by bit, as one that was not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten

from core.optimization.checkpointing import checkpoint_blocks
from core.optimization.toolbox.batches import Batch, as_batches
from core.optimization.toolbox.fusion import NORMS
from core.optimization.toolbox.model_failures import MODEL_FAILS, first_line
from core.optimization.toolbox.quality import refuse_without_gradient, scores_last, training_loss
from core.optimization.toolbox.training_checkpoint import Lesson, Standing, read_checkpoint, sums_of, write_checkpoint
from core.utils.errors import OptimizationError


@dataclass(frozen=True, slots=True)
class DistillationConfig:
    """How the student learns."""

    temperature: float = 4.0
    """above 1 softens the teacher's choices, so that the unlikely ones teach too"""
    alpha: float = 0.5
    """share of the teacher's voice, 0..1; the rest is the labels'. Without labels the teacher alone speaks"""
    epochs: int = 10
    learning_rate: float = 1e-3
    patience: int = 3
    """epochs without a better validation loss after which it ends"""
    seed: int = 0
    checkpoint_folder: Path | str | None = None
    checkpoint_steps: int = 100
    gradient_checkpointing: bool = False
    """less memory, a third more time"""

    def __post_init__(self) -> None:
        wrong = [
            told
            for told, is_wrong in (
                (f"temperature={self.temperature}: above 0", not self.temperature > 0),
                (f"alpha={self.alpha}: a share, 0..1", not 0 <= self.alpha <= 1),
                (f"epochs={self.epochs}: from 1 up", self.epochs < 1),
                (f"learning_rate={self.learning_rate}: above 0", not self.learning_rate > 0),
                (f"patience={self.patience}: from 1 up", self.patience < 1),
                (f"checkpoint_steps={self.checkpoint_steps}: from 1 up", self.checkpoint_steps < 1),
            )
            if is_wrong
        ]
        if wrong:
            raise OptimizationError(f"distillation: {'; '.join(wrong)}")


@dataclass(frozen=True, slots=True)
class Progress:
    """Told after each step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    validation_loss: float | None = None
    """only after an epoch"""
    epoch_done: bool = False
    """told once more after each epoch; its loss is the epoch's mean"""


@dataclass(frozen=True, slots=True)
class Distilled:
    """The student that was best, and how it came to be."""

    model: nn.Module
    epochs: int
    steps: int
    best_loss: float
    ended_early: bool
    resumed_from_step: int
    """0: from the beginning"""


class Distiller:
    """`distil` returns a trained copy; teacher and student stay as they are."""

    def __init__(
        self, config: DistillationConfig | None = None, progress: Callable[[Progress], None] = lambda told: None
    ) -> None:
        self.config = config or DistillationConfig()
        self._progress = progress

    def distil(
        self, teacher: nn.Module, student: nn.Module, training_data: Any, validation_data: Any = None
    ) -> Distilled:
        """Data as batches.as_batches takes it. Without validation data the training loss decides what is best.

        Raises OptimizationError for data or outputs that do not fit each other, a student without weights to train, a
        loss that is not finite, or a full disk; ModelLoadError for a checkpoint of another student or training.
        """
        batches = as_batches(training_data, "training_data")
        validation = as_batches(validation_data, "validation_data") if validation_data is not None else []
        for model in (teacher, student):
            if not isinstance(model, nn.Module):
                raise TypeError(f"a torch.nn.Module is wanted, not a {type(model).__name__}")
        guide, pupil = copy.deepcopy(teacher).eval(), copy.deepcopy(student).train()
        weights = [one for one in pupil.parameters() if one.requires_grad]
        if not weights:
            frozen = any(one.is_floating_point() for one in pupil.parameters())
            cure = "its weights are frozen: student.requires_grad_(True) first" if frozen else "give a float student"
            raise OptimizationError(f"{type(student).__name__} has no weights to train; {cure}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            saving = _saving_memory(pupil) if self.config.gradient_checkpointing else nullcontext()
            with saving, torch.enable_grad():
                run = _Run(self.config, guide, pupil, weights, _lesson(self.config, guide, batches))
                return run.through(batches, validation, self._progress)


@contextmanager
def _saving_memory(pupil: nn.Module) -> Iterator[None]:
    """Blocks compute twice, so their norms look at each batch twice: two steps of this momentum are one of theirs."""
    with checkpoint_blocks(torch, pupil) as blocks:
        norms = [one for block in blocks.blocks for one in block.modules() if isinstance(one, NORMS)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = None if norm.momentum is None else 1 - (1 - norm.momentum) ** 0.5
        try:
            yield
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


class _Run:
    """One training."""

    def __init__(
        self, config: DistillationConfig, teacher: nn.Module, student: nn.Module, weights: list[Any], lesson: Lesson
    ) -> None:
        self._config, self._teacher, self._student = config, teacher, student
        self._optimizer = torch.optim.AdamW(weights, lr=config.learning_rate)
        self._standing, self._lesson = Standing(), lesson
        self._best = _copied(student)
        if config.checkpoint_folder is not None:
            found = read_checkpoint(config.checkpoint_folder, student, self._optimizer, lesson)
            self._standing, self._best = found or (self._standing, self._best)

    def through(
        self, batches: Sequence[Batch], validation: Sequence[Batch], progress: Callable[[Progress], None]
    ) -> Distilled:
        config, resumed = self._config, self._standing.total_steps
        while self._standing.epoch < config.epochs and self._standing.worse_epochs < config.patience:
            loss = self._epoch(batches, progress)
            judged = self._validate(validation) if validation else loss
            now, is_better = self._standing, judged < self._standing.best_loss
            if is_better:
                self._best = _copied(self._student)
            self._standing = replace(
                now, epoch=now.epoch + 1, step=0, epoch_loss=0.0, best_loss=min(judged, now.best_loss),
                worse_epochs=0 if is_better else now.worse_epochs + 1,
            )  # fmt: skip
            self._write()
            steps = len(batches)
            progress(Progress(now.epoch + 1, config.epochs, steps, steps, loss, judged if validation else None, True))
        self._student.load_state_dict(self._best)
        done = self._standing
        early = done.worse_epochs >= config.patience
        return Distilled(self._student.eval(), done.epoch, done.total_steps, done.best_loss, early, resumed)

    def _epoch(self, batches: Sequence[Batch], progress: Callable[[Progress], None]) -> float:
        """The mean loss. Its order depends on seed and epoch alone, so that it can be taken up in the middle."""
        config = self._config
        order = torch.randperm(
            len(batches), generator=torch.Generator().manual_seed(config.seed + self._standing.epoch)
        )
        for index in order.tolist()[self._standing.step :]:
            self._optimizer.zero_grad()
            loss = self._loss(batches[index])
            if not bool(torch.isfinite(loss)):
                raise OptimizationError(
                    f"distillation: the loss is {float(loss.detach())}; lower learning_rate, or look for NaN or empty "
                    "batches in the data"
                )
            refuse_without_gradient(loss, self._student, OptimizationError)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            now, value = self._standing, float(loss.detach())
            self._standing = replace(
                now, step=now.step + 1, total_steps=now.total_steps + 1, epoch_loss=now.epoch_loss + value
            )
            if self._standing.total_steps % config.checkpoint_steps == 0:
                self._write()
            progress(Progress(now.epoch + 1, config.epochs, now.step + 1, len(batches), value))
        return self._standing.epoch_loss / len(batches)

    @torch.no_grad()
    def _validate(self, batches: Sequence[Batch]) -> float:
        self._student.eval()
        total = sum(float(self._loss(batch)) for batch in batches)
        self._student.train()
        return total / len(batches)

    def _loss(self, batch: Batch) -> Tensor:
        try:
            with torch.no_grad():
                wanted = batch.run(self._teacher)
            said = batch.run(self._student)
        except MODEL_FAILS as error:
            raise OptimizationError(
                f"distillation: a model does not take the data ({first_line(error)}); check its shapes"
            ) from error
        return distillation_loss(said, wanted, batch.labels, self._config)

    def _write(self) -> None:
        if self._config.checkpoint_folder is not None:
            write_checkpoint(
                self._config.checkpoint_folder, self._student, self._optimizer, self._best, self._standing, self._lesson
            )


def distillation_loss(said: Tensor, wanted: Tensor, labels: Tensor | None, config: DistillationConfig) -> Tensor:
    """alpha T^2 KL(teacher || student) at temperature T, and 1 - alpha of the labels' cross-entropy.

    Scores are along the last dimension, or the second where labels show it; a single number is the score of yes.
    Raises OptimizationError where student and teacher choose among other classes.
    """
    if said.shape != wanted.shape:
        raise OptimizationError(
            f"distillation: the student gives {tuple(said.shape)}, the teacher {tuple(wanted.shape)}; both must choose "
            "among the same classes"
        )
    t = config.temperature
    both = (scores_last(scores, labels) for scores in (said, wanted))
    said_log, wanted_log = ((scores / t).log_softmax(dim=-1).flatten(0, -2) for scores in both)
    soft = t * t * F.kl_div(said_log, wanted_log, reduction="batchmean", log_target=True)
    if labels is None:
        return soft
    return config.alpha * soft + (1 - config.alpha) * training_loss(said, labels, None)


def _lesson(config: DistillationConfig, teacher: nn.Module, batches: Sequence[Batch]) -> Lesson:
    data = (tree_flatten((batch.inputs, batch.labels))[0] for batch in batches)
    return Lesson(
        config.temperature, config.alpha, config.learning_rate, config.seed, len(batches), sums_of(data),
        f"{type(teacher).__name__} {sums_of([teacher.state_dict().values()])}",
    )  # fmt: skip


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
