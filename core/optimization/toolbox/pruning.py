"""Weights set to zero, smallest first; and the file that is smaller for it. Dense storage does not shrink by zeros."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, SupportsFloat

import torch
from torch import Tensor, nn

from core.optimization.toolbox.artifact import unshared
from core.optimization.toolbox.graphs import refuse_script
from core.optimization.toolbox.pruned_files import sparse_bytes
from core.optimization.toolbox.quantization import working_copy
from core.optimization.toolbox.replacing import COMPUTED, computed_weights, own_weights
from core.utils.errors import OptimizationError

Scope = Literal["global", "layer"]


@dataclass(frozen=True, slots=True)
class Pruned:
    """A copy of the model with zeros in it."""

    model: nn.Module
    sparsity: float
    """share of zeros among the weights that could be pruned"""
    dense_bytes: int
    """as it is kept in memory: not less than before"""
    sparse_bytes: int
    """as save_pruned writes it"""
    layers: dict[str, float]
    """share of zeros by layer"""

    @property
    def note(self) -> str:
        """What this brings and what not."""
        return (
            f"{self.sparsity:.0%} of the weights are zero. Memory stays {self.dense_bytes / 1e6:.3g} MB and speed as "
            f"it is, as dense kernels multiply by zeros too; save_pruned writes {self.sparse_bytes / 1e6:.3g} MB. "
            "Structured pruning makes layers smaller"
        )


def checked_ratio(ratio: float) -> float:
    """Raises OptimizationError unless above 0 and below 1."""
    if not isinstance(ratio, SupportsFloat) or not 0 < float(ratio) < 1:
        raise OptimizationError(f"pruning ratio {ratio!r}: give a share above 0 and below 1; begin with 0.1 or 0.2")
    return float(ratio)


@torch.no_grad()
def prune_unstructured(model: nn.Module, ratio: float, scope: Scope = "global") -> Pruned:
    """Zero the share `ratio` of weights that are smallest in size, of the whole model or of each layer alike.

    Biases and norms stay. Source: magnitude pruning, Han et al., arXiv 1506.02626. Raises OptimizationError for a ratio
    outside 0..1 or a model without weights.
    """
    ratio = checked_ratio(ratio)
    if scope not in ("global", "layer"):
        raise OptimizationError(f"scope {scope!r}: take 'global' or 'layer'")
    refuse_script(model, OptimizationError)
    work = working_copy(model)
    weights = _prunable(work)
    if not weights:
        computed = next(computed_weights(work), None)
        why = "" if computed is None else f": {computed or 'the model'}: {COMPUTED}"
        raise OptimizationError(f"{type(model).__name__} holds no layer with weights to prune{why}")
    if scope == "layer":
        for weight in weights.values():
            _zero_smallest([weight], ratio)
    else:
        _zero_smallest(list(weights.values()), ratio)
    zeros = {name: float((weight == 0).float().mean()) for name, weight in weights.items()}
    total = sum(weight.numel() for weight in weights.values())
    share = sum(int((weight == 0).sum()) for weight in weights.values()) / total
    state, _ = unshared(work.state_dict())
    dense = sum(tensor.nbytes for tensor in state.values())
    sparse = sum(min(tensor.nbytes, sparse_bytes(tensor)) for tensor in state.values())
    return Pruned(work, share, dense, sparse, zeros)


def _prunable(work: nn.Module) -> dict[str, Tensor]:
    """Matrices by the layer's name, those that are shared once."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, layer in work.named_modules():
        if not own_weights(layer):
            continue
        for part, weight in layer.named_parameters(recurse=False):
            if weight.dim() > 1 and id(weight) not in seen:
                seen.add(id(weight))
                found[name if part == "weight" else f"{name}.{part}"] = weight
    return found


def _zero_smallest(weights: list[Tensor], ratio: float) -> None:
    sizes = torch.cat([weight.detach().abs().flatten().float().cpu() for weight in weights])
    if not bool(torch.isfinite(sizes).all()):
        raise OptimizationError("weights are not all finite; train or fetch the model again")
    count = int(ratio * len(sizes))
    if not count:
        return
    smallest = sizes.topk(count, largest=False).indices
    keep = torch.ones(len(sizes), dtype=torch.bool)
    keep[smallest] = False
    for weight, kept in zip(weights, torch.split(keep, [weight.numel() for weight in weights]), strict=True):
        weight.mul_(kept.view(weight.shape).to(weight))


@dataclass(frozen=True, slots=True)
class StepwiseConfig:
    """How far to prune by steps."""

    step: float = 0.1
    most: float = 0.9
    most_loss: float = 0.01
    """of accuracy, against the model before pruning"""

    def __post_init__(self) -> None:
        checked_ratio(self.step)
        checked_ratio(self.most)
        if self.step > self.most:
            raise OptimizationError(f"step={self.step}, most={self.most}: no step is that small; lower step")
        if not 0 <= self.most_loss <= 1:
            raise OptimizationError(f"most_loss={self.most_loss}: a share of accuracy, 0..1")


@dataclass(frozen=True, slots=True)
class Step:
    """One ratio that was tried."""

    ratio: float
    accuracy: float
    kept: bool


def prune_stepwise(
    model: nn.Module,
    evaluate: Callable[[nn.Module], float],
    config: StepwiseConfig | None = None,
    prune: Callable[[nn.Module, float], nn.Module] | None = None,
    fine_tune: Callable[[nn.Module], nn.Module] | None = None,
) -> tuple[nn.Module, list[Step]]:
    """Prune more and more of the original until accuracy falls by more than `most_loss`; the last model before that.

    `evaluate` gives an accuracy 0..1; `prune(model, ratio)` is unstructured by default; `fine_tune` may train what
    `prune` gave, and is given back what it made. A copy of the model itself, with no step kept, where the first is
    too much. Raises OptimizationError for an accuracy that is none.
    """
    config = config or StepwiseConfig()
    cut = prune or (lambda given, ratio: prune_unstructured(given, ratio).model)
    best, before = working_copy(model), _accuracy(evaluate, working_copy(model))
    steps: list[Step] = []
    for number in range(1, int(config.most / config.step + 1e-9) + 1):
        tried = cut(model, number * config.step)
        tried = fine_tune(tried) if fine_tune is not None else tried
        accuracy = _accuracy(evaluate, tried)
        steps.append(Step(number * config.step, accuracy, accuracy >= before - config.most_loss))
        if not steps[-1].kept:
            break
        best = tried
    return best, steps


def _accuracy(evaluate: Callable[[nn.Module], float], model: nn.Module) -> float:
    found = evaluate(model)
    if not isinstance(found, SupportsFloat) or not 0 <= float(found) <= 1:
        raise OptimizationError(
            f"evaluate gave {found!r}: a share from 0 to 1 is wanted, the more the better; for a perplexity p, 1 / p"
        )
    return float(found)
