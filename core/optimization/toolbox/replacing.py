"""Puts smaller layers in the places of float ones; a layer that computes what its kind does not is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.optimization.toolbox.graphs import replace_module
from core.optimization.toolbox.int8_kernels import CONVOLUTIONS
from core.optimization.toolbox.int8_layers import CONVOLUTION_LAYERS
from core.optimization.toolbox.model_failures import MODEL_FAILS
from core.utils.errors import QuantizationError

Maker = Callable[[nn.Module], nn.Module | str]
COMPUTED = (
    "its weight is computed from others (weight norm or another parametrization): make it plain first, by "
    "torch.nn.utils.parametrize.remove_parametrizations"
)
_TRIED_WITH = 4
"""rows of an embedding, and places beyond a convolution's kernel"""


def own_weights(layer: nn.Module) -> bool:
    """Whether it holds a matrix of its own."""
    weights = (getattr(layer, "weight", None), getattr(layer, "weight_ih_l0", None))
    return any(isinstance(weight, nn.Parameter) and weight.dim() > 1 for weight in weights)


def computed_weights(model: nn.Module) -> Iterator[str]:
    """Names of layers whose weight is no parameter but made of others."""
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | nn.Embedding | nn.Conv1d | nn.Conv2d | nn.Conv3d) and not own_weights(layer):
            yield name


def replace_layers(work: nn.Module, maker: Maker, skip: frozenset[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Put what `maker` gives in each layer's places: names replaced, and those left with the reason.

    Raises QuantizationError for a skipped name that there is not, or weights that are not finite.
    """
    places: dict[int, list[str]] = {}
    for name, layer in work.named_modules(remove_duplicate=False):
        places.setdefault(id(layer), []).append(name)
    layers = {name: layer for name, layer in work.named_modules() if own_weights(layer)}
    _check_names(work, skip, "skip")
    made: list[str] = []
    left: list[tuple[str, str]] = [(name, COMPUTED) for name in computed_weights(work)]
    for name, layer in layers.items():
        if any(_is_within(place, skip) for place in places[id(layer)]):
            left.append((name, "skipped"))
            continue
        try:
            new = _why_it_stays(name, layer) or maker(layer)
        except QuantizationError as error:
            raise QuantizationError(f"{name}: {error}") from error
        if isinstance(new, str):
            left.append((name, new))
        else:
            replace_module(work, layer, new.eval())
            made.append(name)
    return made, left


def named_layers(work: nn.Module, names: frozenset[str], what: str) -> set[int]:
    """The id of the weight of each layer that is named, or lies within a module that is.

    Raises QuantizationError for a name that there is not.
    """
    _check_names(work, names, what)
    every = work.named_modules(remove_duplicate=False)
    within = (layer for name, layer in every if own_weights(layer) and _is_within(name, names))
    return {id(layer.weight) for layer in within if hasattr(layer, "weight")}


def _check_names(work: nn.Module, names: frozenset[str], what: str) -> None:
    if unknown := names - {name for name, _ in work.named_modules(remove_duplicate=False)}:
        raise QuantizationError(f"{what}: no layer is called {', '.join(sorted(unknown))}; see named_modules()")


def _is_within(place: str, names: frozenset[str]) -> bool:
    return any(place == one or place.startswith(f"{one}.") for one in names)


def _why_it_stays(name: str, layer: nn.Module) -> str:
    """ "" where a layer that computes what its kind does may take its place."""
    if not name:
        return "it is the whole model; put it into a Sequential"
    if layer._forward_hooks or layer._forward_pre_hooks:
        return "it has hooks, which would be lost"
    return "" if _computes_as_its_kind(layer) else f"{type(layer).__name__} computes something else than its kind does"


def _computes_as_its_kind(layer: nn.Module) -> bool:
    """Of a class with a forward of its own, and such are scaled embeddings and casting linear layers, by trying it."""
    for kind in (nn.Linear, nn.Embedding, *CONVOLUTION_LAYERS, nn.LSTM, nn.GRU):
        if isinstance(layer, kind):
            parts = ("forward", "_conv_forward") if kind in CONVOLUTION_LAYERS else ("forward",)
            own = [part for part in parts if getattr(type(layer), part) is not getattr(kind, part)]
            return not (own or "forward" in vars(layer)) or _tried(layer)
    return True


@torch.no_grad()
def _tried(layer: Any) -> bool:
    """Whether it gives what its kind would for an input made here."""
    if isinstance(layer, nn.LSTM | nn.GRU) or layer.weight.is_meta:
        return False
    weight: Tensor = layer.weight
    try:
        if isinstance(layer, nn.Embedding):
            rows = torch.arange(min(_TRIED_WITH, len(weight)), device=weight.device).flip(0).view(1, -1)
            wanted, found = weight[rows], layer(rows)
        elif isinstance(layer, nn.Linear):
            x = _ramp((2, layer.in_features), weight)
            wanted, found = F.linear(x, weight, layer.bias), layer(x)
        else:
            sizes = [d * (k - 1) + _TRIED_WITH for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
            x = _ramp((1, layer.in_channels, *sizes), weight)
            moves = (layer.stride, layer.padding, layer.dilation, layer.groups)
            wanted, found = CONVOLUTIONS[len(sizes)](x, weight, layer.bias, *moves), layer(x)
    except MODEL_FAILS:
        return False
    return isinstance(found, Tensor) and found.shape == wanted.shape and bool(torch.allclose(found, wanted, 1e-3, 1e-5))


def _ramp(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Numbers from -1 to 1, each another."""
    return torch.linspace(-1, 1, torch.Size(shape).numel(), device=like.device).view(shape).to(like.dtype)
