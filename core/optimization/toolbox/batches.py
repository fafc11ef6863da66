"""Data that models are calibrated, trained and judged with: inputs as a model takes them, maybe with labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from core.optimization.model_call import call_model
from core.utils.errors import OptimizationError

MOST_BATCHES = 100_000
LABELS = "labels"


@dataclass(frozen=True, slots=True)
class Batch:
    """One call of a model."""

    inputs: Any
    """a tensor, a tuple of positional or a mapping of keyword arguments"""
    labels: Tensor | None = None
    """class numbers, int64 [batch] or [batch, ...]; -100 is not looked at"""

    def run(self, model: Any) -> Tensor:
        """The model's main output in float32. Inputs go to where its weights are, to the CPU where it has none."""
        return main_output(call_model(torch, model, self.inputs, torch.device("cpu"))).float()


def as_batches(data: Any, what: str) -> list[Batch]:
    """Batches of whatever data comes as: a Batch, a tensor, a tuple, a mapping, or an iterable of these.

    A pair of a tensor and whole numbers [batch] of its length is inputs and labels; so is a mapping's item `labels`,
    of any shape, as are those of a Batch. Other tuples are positional arguments. Raises OptimizationError where there
    is none; `what` says what it was wanted for.
    """
    batches = list(islice(_read(data, what), MOST_BATCHES))
    if not batches:
        raise OptimizationError(f"{what}: no data; give a tensor, or batches of inputs or of (inputs, labels)")
    return batches


def _read(data: Any, what: str) -> Iterator[Batch]:
    if isinstance(data, Batch | Tensor | Mapping | tuple):
        yield _as_batch(data, what)
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
        for item in data:
            yield _as_batch(tuple(item) if isinstance(item, list) else item, what)
    elif data is not None:
        raise OptimizationError(f"{what}: {type(data).__name__} is no data; give tensors, tuples or mappings of them")


def _as_batch(item: Any, what: str) -> Batch:
    if isinstance(item, Batch):
        return item
    if isinstance(item, Mapping):
        labels = item.get(LABELS)
        if labels is not None and _same(labels, item.get("input_ids")):
            raise OptimizationError(
                f"{what}: the labels are the input_ids themselves, so that a model would learn to repeat; give what "
                "each place is to choose: for a causal model the ids that come next, -100 at the end"
            )
        return Batch({name: value for name, value in item.items() if name != LABELS}, labels)
    if isinstance(item, tuple) and len(item) == 2 and _are_labels(item[0], item[1]):
        return Batch(item[0], item[1])
    if isinstance(item, Tensor | tuple):
        return Batch(item)
    raise OptimizationError(f"{what}: a batch is a {type(item).__name__}; give a tensor, a tuple or a mapping")


def _are_labels(inputs: Any, labels: Any) -> bool:
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dim() != 1:
        return False
    first = inputs[0] if isinstance(inputs, tuple) and inputs else inputs
    first = next(iter(first.values()), None) if isinstance(first, Mapping) else first
    return isinstance(first, Tensor) and first.dim() > 0 and len(first) == len(labels)


def _same(labels: Any, ids: Any) -> bool:
    return isinstance(labels, Tensor) and isinstance(ids, Tensor) and labels.dim() > 1 and torch.equal(labels, ids)


def main_output(output: Any) -> Tensor:
    """The tensor a model is judged by: the output itself, its `logits`, or its first tensor.

    Raises OptimizationError where there is none.
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        if isinstance(output.get("logits"), Tensor):
            logits: Tensor = output["logits"]
            return logits
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        for one in output:
            if isinstance(one, Tensor) and one.is_floating_point():
                return one
    raise OptimizationError(f"the model gives {type(output).__name__}, in which there is no tensor of numbers")
