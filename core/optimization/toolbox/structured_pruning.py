"""Channels and attention heads really removed: the layers become smaller, and everything that reads them with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.channel_groups import Channels, Removal, find_channels
from core.optimization.toolbox.decoder_blocks import block_sizes, prune_blocks
from core.optimization.toolbox.graphs import refuse_script
from core.optimization.toolbox.measuring import size_bytes
from core.optimization.toolbox.pruning import checked_ratio
from core.optimization.toolbox.quality import outputs_of
from core.optimization.toolbox.quantization import working_copy
from core.optimization.toolbox.split_attention import head_counts, prune_heads
from core.utils.errors import OptimizationError


@dataclass(frozen=True, slots=True)
class StructuredResult:
    """A smaller copy of the model."""

    model: nn.Module
    removals: tuple[Removal, ...]
    before_bytes: int
    after_bytes: int


class StructuredPruner:
    """Removes the channels whose weights are smallest in L1 norm, an equal share of each set.

    Source: Li et al., Pruning Filters for Efficient ConvNets, arXiv 1608.08710. `multiple_of`: as many channels stay as
    divide by it, where there are enough, which kernels like.
    """

    def __init__(self, multiple_of: int = 1) -> None:
        if multiple_of < 1:
            raise OptimizationError(f"multiple_of={multiple_of}: give a number from 1 up")
        self._multiple = multiple_of

    def prune(self, model: nn.Module, ratio: float, example_input: Any) -> StructuredResult:
        """`example_input`: a tensor, a tuple of positional or a mapping of keyword arguments.

        Raises OptimizationError for a ratio outside 0..1, a model that does not trace, one where nothing can go, and
        one whose forward does not take the smaller layers.
        """
        ratio = checked_ratio(ratio)
        refuse_script(model, OptimizationError)
        work = working_copy(model)
        sizes = [*block_sizes(work), *head_counts(work)]  # before they are cut
        batch = Batch(example_input)
        (before,) = outputs_of(work, [batch])
        removals = prune_heads(work, ratio) + prune_blocks(work, ratio, self._multiple, batch)
        why_not = ""
        try:
            found = find_channels(work, example_input)
        except OptimizationError as error:
            if not removals:
                raise
            found, why_not = [], str(error)
        found = [*_feed_forwards(work), *found]
        for channels in found:
            if (kept := self._kept(work, channels, ratio)) is not None:
                apply(work, channels, kept)
                names = (*sorted(channels.makers), *sorted(channels.norms), *sorted(channels.readers))
                removals.append(Removal(names, channels.size, len(kept)))
        if not removals:
            sizes += [channels.size for channels in found]
            raise OptimizationError(f"{type(model).__name__}: {self._why_none(ratio, sizes, why_not)}")
        (after,) = outputs_of(work, [batch])
        if after.shape != before.shape:
            raise OptimizationError(f"{type(model).__name__}: its output would become {tuple(after.shape)}; not pruned")
        return StructuredResult(work, tuple(removals), size_bytes(model), size_bytes(work))

    def _why_none(self, ratio: float, sizes: Sequence[int], why_not: str) -> str:
        """Why nothing went, of sets of channels and heads of these sizes, and what to do."""
        most = max(sizes, default=1)
        if most > 1:
            enough = ceil(100 * (self._multiple if self._multiple < most else 1) / most) / 100
            return (
                f"no channels can go at a ratio of {ratio:g}{why_not and f' ({why_not})'}: the largest set has {most}; "
                f"raise it to {enough:g}, or prune unstructured"
            )
        told = why_not or "what its layers give is put out, or goes into what is not followed (LSTM, GRU, fixed views)"
        return f"it has no channels that can go at any ratio: {told}; prune unstructured"

    def _kept(self, work: nn.Module, channels: Channels, ratio: float) -> Tensor | None:
        """Indices that stay, ascending; None where all do."""
        wanted = max(1, round(channels.size * (1 - ratio)))
        if wanted > self._multiple:
            wanted = min(channels.size, -(-wanted // self._multiple) * self._multiple)
        if wanted >= channels.size:
            return None
        scores = torch.zeros(channels.size)
        for name in channels.makers:
            weight = work.get_submodule(name).weight
            assert isinstance(weight, Tensor)
            norms = weight.detach().abs().flatten(1).sum(dim=1).float().cpu()
            scores += norms / norms.mean().clamp_min(1e-12)
        return scores.topk(wanted).indices.sort().values


def _feed_forwards(work: nn.Module) -> list[Channels]:
    """Within torch's own transformer layers, which do not trace."""
    return [
        Channels(layer.linear1.out_features, makers={f"{name}.linear1"}, readers={f"{name}.linear2": 1})
        for name, layer in work.named_modules()
        if isinstance(layer, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer) and name
    ]


@torch.no_grad()
def apply(work: nn.Module, channels: Channels, kept: Tensor) -> None:
    """Cut the rows, the numbers for each channel, and the columns. Changes the model itself."""
    for name in channels.makers:
        layer: Any = work.get_submodule(name)
        _cut(layer, "weight", 0, kept)
        _cut(layer, "bias", 0, kept)
        setattr(layer, "out_features" if isinstance(layer, nn.Linear) else "out_channels", len(kept))
    for name in channels.norms:
        norm: Any = work.get_submodule(name)
        for part in ("weight", "bias", "running_mean", "running_var"):
            _cut(norm, part, 0, kept)
        if isinstance(norm, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            norm.in_channels = norm.out_channels = norm.groups = len(kept)
        else:
            norm.num_features = len(kept)
    for name, repeats in channels.readers.items():
        reader: Any = work.get_submodule(name)
        columns = (kept.view(-1, 1) * repeats + torch.arange(repeats)).flatten()
        _cut(reader, "weight", 1, columns)
        setattr(reader, "in_features" if isinstance(reader, nn.Linear) else "in_channels", len(columns))


def _cut(layer: Any, name: str, dimension: int, kept: Tensor) -> None:
    old = getattr(layer, name, None)
    if old is None:
        return
    new = old.detach().index_select(dimension, kept.to(old.device)).clone()
    if isinstance(old, nn.Parameter):
        setattr(layer, name, nn.Parameter(new, requires_grad=old.requires_grad))
    else:
        setattr(layer, name, new)
