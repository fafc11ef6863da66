"""The four numbers by which a model is chosen: time, memory, size, accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.measuring import MEGABYTE, size_bytes, typical_ms, working_bytes
from core.optimization.toolbox.quality import AccuracyOf, judge, outputs_of

if TYPE_CHECKING:
    from torch import Tensor

ITERATIONS = 20


@dataclass(frozen=True, slots=True)
class PerformanceMetrics:
    """Of one model on some data. Megabytes are 10^6 bytes."""

    inference_time: float
    """ms of one call with the first batch: the lower quartile"""
    memory_usage: float
    """MB: the weights, and the most that tensors of one call take together"""
    model_size: float
    """MB of weights and buffers as they are kept"""
    accuracy: float
    """0..1"""
    accuracy_of: AccuracyOf
    """labels, or agreement with the original's choices where there are none"""
    error: float
    """distance of the outputs to the original's, relative to their size"""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure(
    model: Any, original: Any, exact: Sequence[Tensor], batches: Sequence[Batch], iterations: int = ITERATIONS
) -> tuple[PerformanceMetrics, float]:
    """The metrics of `model`, and ms of a call of `original` measured by turns with it.

    `exact`: the original's outputs for `batches`. Raises OptimizationError where a model does not take the data.
    """
    quality = judge(outputs_of(model, batches), exact, batches)
    ways = {"model": partial(batches[0].run, model)}
    if model is not original:
        ways["original"] = partial(batches[0].run, original)
    took = typical_ms(ways, iterations)
    weights = size_bytes(model)
    memory = weights + working_bytes(model, batches[0])
    metrics = PerformanceMetrics(
        took["model"], memory / MEGABYTE, weights / MEGABYTE, quality.accuracy, quality.accuracy_of, quality.error
    )
    return metrics, took.get("original", took["model"])
