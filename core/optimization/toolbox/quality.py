"""What a change of a model cost: its accuracy by labels, else its agreement with the original; and its distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.model_failures import MODEL_FAILS, first_line
from core.utils.errors import OptimizationError

AccuracyOf = Literal["labels", "agreement"]
"""the share of labels that were met, or of choices that are the original's"""
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one model on some data."""

    accuracy: float
    """0..1"""
    accuracy_of: AccuracyOf
    error: float
    """distance of the outputs to the original's, relative to their size; 0.0 for the original"""


@torch.no_grad()
def outputs_of(model: Callable[..., Any], batches: Sequence[Batch]) -> list[Tensor]:
    """The main output for each batch. Raises OptimizationError where the model does not take them."""
    try:
        return [batch.run(model).cpu() for batch in batches]
    except MODEL_FAILS as error:
        raise OptimizationError(
            f"{type(model).__name__} does not take this data ({first_line(error)}); check shapes and types"
        ) from error


def judge(outputs: Sequence[Tensor], reference: Sequence[Tensor], batches: Sequence[Batch]) -> Quality:
    """By labels where every batch has them, else by what `reference`, the original's outputs, chooses."""
    labelled = all(batch.labels is not None for batch in batches)
    hits = total = 0
    for output, exact, batch in zip(outputs, reference, batches, strict=True):
        wanted = batch.labels if labelled and batch.labels is not None else None
        right, count = hits_of(output, exact, wanted)
        hits, total = hits + right, total + count
    accuracy = hits / total if total else 0.0
    return Quality(accuracy, "labels" if labelled else "agreement", relative_error(outputs, reference))


def hits_of(output: Tensor, reference: Tensor, labels: Tensor | None) -> tuple[int, int]:
    """How many choices are right, of how many. A single number is right when its sign is the original's."""
    if labels is None:
        return int((_choices(output) == _choices(reference)).sum()), _choices(reference).numel()
    labels = labels.cpu()
    chosen = _choices(output, 1 if _classes_second(output, labels) else -1)
    if chosen.shape != labels.shape:
        raise OptimizationError(
            f"labels of shape {tuple(labels.shape)} do not fit outputs of shape {tuple(output.shape)}; "
            "give class numbers, one for each choice"
        )
    counted = labels != IGNORED
    return int(((chosen == labels) & counted).sum()), int(counted.sum())


def _classes_second(output: Tensor, labels: Tensor) -> bool:
    """As convolution networks give a class for each place: [batch, classes, ...]."""
    return output.dim() > 2 and output.shape[:1] + output.shape[2:] == labels.shape


def scores_last(output: Tensor, labels: Tensor | None) -> Tensor:
    """[..., classes]. A single number is the score of yes, against 0 for no; where labels show that the classes come
    second, as convolution networks give them, they are moved."""
    if is_one_number(output):
        yes = output.squeeze(-1) if output.dim() > 1 else output
        return torch.stack((torch.zeros_like(yes), yes), dim=-1)
    return output.movedim(1, -1) if labels is not None and _classes_second(output, labels) else output


def is_one_number(output: Tensor, dimension: int = -1) -> bool:
    """Whether each choice is told by one score."""
    return output.dim() < 2 or output.shape[dimension] == 1


def _choices(output: Tensor, dimension: int = -1) -> Tensor:
    if is_one_number(output, dimension):
        return (output > 0).long().reshape(len(output) if output.dim() else 1, -1).squeeze(-1)
    return output.argmax(dim=dimension)


def relative_error(outputs: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """L2 distance over all batches, relative to the reference's norm; infinite where something is not finite."""
    gap = size = 0.0
    for output, exact in zip(outputs, reference, strict=True):
        gap += float((output.double() - exact.double()).square().sum())
        size += float(exact.double().square().sum())
    found = (gap / size) ** 0.5 if size else gap**0.5
    return found if found == found else float("inf")


def training_loss(output: Tensor, labels: Tensor | None, reference: Tensor | None) -> Tensor:
    """Cross-entropy with labels; without, the squared distance to the float model's output.

    Raises OptimizationError for labels that do not fit.
    """
    if labels is None:
        assert reference is not None
        return F.mse_loss(output, reference)
    scores = scores_last(output, labels)
    labels = labels.to(scores.device)
    try:
        return F.cross_entropy(scores.flatten(0, -2), labels.flatten(), ignore_index=IGNORED)
    except (RuntimeError, IndexError, ValueError) as error:
        raise OptimizationError(
            f"labels {labels.dtype} {tuple(labels.shape)} do not fit outputs {tuple(output.shape)} "
            f"({first_line(error)}); give class numbers, one for each choice"
        ) from error


def refuse_without_gradient(loss: Tensor, model: object, kind: type[OptimizationError]) -> None:
    """Raises an error of `kind` for a loss of the model's from which its weights cannot learn."""
    if not loss.requires_grad:
        raise kind(
            f"{type(model).__name__} cannot be trained: its forward computes without gradients (torch.inference_mode, "
            "no_grad or detach); give one that does not, or take a way without training"
        )
