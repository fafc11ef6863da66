"""Gated channels and attention heads of Llama-like blocks really removed, told by the names of their layers.

Such models do not trace; what is in a block is known from its layers' names (q_proj, k_proj, v_proj, o_proj; gate_proj,
up_proj, down_proj), and that it computes as they say is proven on the example before the result is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from core.models.configuration import DecoderConfig
from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.channel_groups import Removal
from core.optimization.toolbox.quality import outputs_of, relative_error
from core.utils.errors import OptimizationError

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
GATED = ("gate_proj", "up_proj", "down_proj")
TOLERANCE = 0.02
"""between the model with its columns silenced and with them cut: rounding in half precision is below, mistakes above"""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What of one block is to stay: of each layer, rows or columns."""

    removal: Removal
    rows: dict[str, Tensor]
    reader: str
    columns: Tensor


def prune_blocks(work: nn.Module, ratio: float, multiple_of: int, batch: Batch) -> list[Removal]:
    """Cut the share `ratio` of gated channels and of heads, never more heads than that; changes the model itself.

    Queries that share keys go with them, or the same number from each group where that is finer. Those go whose
    outputs on `batch` weigh least in the layer that reads them. Source of that measure: Sun et al., A Simple and
    Effective Pruning Approach for Large Language Models, arXiv 2306.11695. Raises OptimizationError where the blocks
    compute something else than their names say.
    """
    found = list(_blocks(work))
    if not found:
        return []
    scores = _scores(work, [f"{name}.{parts[-1]}" for name, _, parts in found], batch)
    plans = []
    for name, block, parts in found:
        score = scores[f"{name}.{parts[-1]}"]
        plan = _heads(name, block, ratio, score) if parts is ATTENTION else _gated(name, ratio, multiple_of, score)
        plans += [plan] if plan is not None else []
    if not plans:
        return []
    for plan in plans:
        _silence(work.get_submodule(plan.reader), plan.columns)
    (silent,) = outputs_of(work, [batch])
    for plan in plans:
        for name, kept in plan.rows.items():
            _cut(work.get_submodule(name), 0, kept)
        _cut(work.get_submodule(plan.reader), 1, plan.columns)
    settle(work)
    off = relative_error(outputs_of(work, [batch]), [silent])
    if off > TOLERANCE:
        raise OptimizationError(
            f"{type(work).__name__}: its blocks compute something else than the names of their layers say (without the "
            f"columns its outputs are off by {off:.0%}); prune unstructured"
        )
    return [plan.removal for plan in plans]


def block_sizes(work: nn.Module) -> list[int]:
    """Of each block, how many gated channels it has, or what of its heads is removed one by one: see `_heads`."""
    return [
        _head_shape(block)[0] if parts is ATTENTION else int(block.up_proj.out_features)
        for _, block, parts in _blocks(work)
    ]


def settle(work: nn.Module) -> None:
    """Tell blocks, and the model's configuration where all are alike, the sizes that their layers have."""
    counts = set[tuple[str, tuple[int, ...]]]()
    for _, block, parts in _blocks(work):
        if parts is ATTENTION:
            heads, kv_heads = (layer.out_features // block.head_dim for layer in (block.q_proj, block.k_proj))
            told = {"heads": heads, "kv_heads": kv_heads, "num_heads": heads, "num_key_value_heads": kv_heads}
            told |= {"num_attention_heads": heads, "num_key_value_groups": heads // kv_heads}
            counts.add(("heads", (heads, kv_heads, int(block.head_dim))))
        else:
            told = {"intermediate_size": block.up_proj.out_features}
            counts.add(("intermediate", (block.up_proj.out_features,)))
        for name, value in told.items():
            if name in vars(block):
                setattr(block, name, value)
    if "fused" in vars(work):
        work.fused = None  # type: ignore[assignment]  # its packed copy of the weights is of the whole model
    sizes = dict(counts)
    if len(sizes) == len(counts):
        _tell_configuration(work, sizes)


def _tell_configuration(work: Any, sizes: dict[str, tuple[int, ...]]) -> None:
    config: Any = getattr(work, "config", None)
    heads, kv_heads, head_dim = sizes.get("heads", (None, None, None))
    (intermediate,) = sizes.get("intermediate", (None,))
    if isinstance(config, DecoderConfig):
        told: dict[str, Any] = {"heads": heads, "kv_heads": kv_heads, "intermediate": intermediate}
        work.config = replace(config, **{name: value for name, value in told.items() if value is not None})
        return
    told = {"num_attention_heads": heads, "num_key_value_heads": kv_heads, "intermediate_size": intermediate}
    for name, value in told.items():
        if value is not None and hasattr(config, name):
            setattr(config, name, value)
    if head_dim is not None and hasattr(config, "num_attention_heads"):
        config.head_dim = head_dim  # else it is taken from the number of heads


def _blocks(work: nn.Module) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Name, module and the names of its layers."""
    for name, module in work.named_modules():
        for parts in (ATTENTION, GATED):
            layers: list[Any] = [getattr(module, part, None) for part in parts]
            if name and all(isinstance(layer, nn.Linear) for layer in layers) and _fits(module, parts, layers):
                yield name, module, parts


def _fits(module: Any, parts: tuple[str, ...], layers: Sequence[nn.Linear]) -> bool:
    if parts is GATED:
        gate, up, down = layers
        return gate.out_features == up.out_features == down.in_features
    q, k, v, o = (layers[0].out_features, layers[1].out_features, layers[2].out_features, layers[3].in_features)
    size = getattr(module, "head_dim", 0)
    return isinstance(size, int) and size > 0 and q == o and k == v and q % k == 0 and k % size == 0


def _scores(work: nn.Module, readers: Sequence[str], batch: Batch) -> dict[str, Tensor]:
    """Of each column of each reader: the mean size of what comes in times the L1 norm of its weights."""
    found: dict[str, Tensor] = {}

    def watch(name: str, layer: nn.Linear) -> Any:
        def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            sizes = inputs[0].detach().float().abs().flatten(0, -2).mean(dim=0)
            found[name] = (sizes * layer.weight.detach().float().abs().sum(dim=0)).cpu()

        return look

    layers = {name: work.get_submodule(name) for name in readers}
    hooks = [layer.register_forward_pre_hook(watch(name, layer)) for name, layer in layers.items()]  # type: ignore[arg-type]
    try:
        outputs_of(work, [batch])
    finally:
        for hook in hooks:
            hook.remove()
    if unseen := sorted(layers.keys() - found.keys()):
        raise OptimizationError(
            f"{type(work).__name__}: the example never reaches {unseen[0]}; give one like those in use"
        )
    return found


def _gated(name: str, ratio: float, multiple_of: int, score: Tensor) -> _Plan | None:
    size = len(score)
    wanted = max(1, round(size * (1 - ratio)))
    if wanted > multiple_of:
        wanted = min(size, -(-wanted // multiple_of) * multiple_of)
    if wanted == size:
        return None
    kept = score.topk(wanted).indices.sort().values
    layers = tuple(f"{name}.{part}" for part in GATED)
    return _Plan(Removal(layers, size, wanted), dict.fromkeys(layers[:2], kept), layers[2], kept)


def _heads(name: str, block: Any, ratio: float, score: Tensor) -> _Plan | None:
    size = int(block.head_dim)
    count, kv_heads, queries = _head_shape(block)
    heads = score.view(kv_heads, queries, size).sum(dim=-1)  # [groups, queries of each]
    wanted = count - int(ratio * count + 1e-9)
    if wanted == count:
        return None
    numbers = torch.arange(heads.numel()).view(kv_heads, queries)
    if kv_heads >= queries:
        groups = heads.sum(dim=1).topk(wanted).indices.sort().values
        kept = numbers[groups].flatten()
    else:
        groups = torch.arange(kv_heads)
        kept = numbers.gather(1, heads.topk(wanted, dim=1).indices.sort(dim=1).values).flatten()
    of_queries, of_keys = (_spread(one, size) for one in (kept, groups))
    q, k, v, o = (f"{name}.{part}" for part in ATTENTION)
    return _Plan(
        Removal((q, k, v, o), heads.numel(), len(kept)), {q: of_queries, k: of_keys, v: of_keys}, o, of_queries
    )


def _head_shape(block: Any) -> tuple[int, int, int]:
    """What is removed one by one, groups or queries of each; groups; queries of each."""
    size = int(block.head_dim)
    kv_heads = block.k_proj.out_features // size
    queries = block.q_proj.out_features // block.k_proj.out_features
    return max(kv_heads, queries), kv_heads, queries


def _spread(numbers: Tensor, size: int) -> Tensor:
    """Of each head its `size` rows."""
    return (numbers.view(-1, 1) * size + torch.arange(size)).flatten()


@torch.no_grad()
def _silence(reader: Any, kept: Tensor) -> None:
    stays = torch.zeros(reader.in_features, dtype=torch.bool)
    stays[kept] = True
    reader.weight[:, ~stays] = 0


def _cut(layer: Any, dimension: int, kept: Tensor) -> None:
    """Rows with their biases (0), or columns (1)."""
    for part in ("weight", "bias") if dimension == 0 else ("weight",):
        old = getattr(layer, part)
        if old is not None:
            new = old.detach().index_select(dimension, kept.to(old.device)).clone()
            setattr(layer, part, nn.Parameter(new, requires_grad=old.requires_grad))
    layer.out_features, layer.in_features = layer.weight.shape
