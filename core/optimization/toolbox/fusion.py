"""Convolution, batch norm and ReLU become one layer: the norm's scale and shift move into the weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import fx, nn

from core.optimization.toolbox.graphs import calls, is_relu, module_of, only_user, sequences, set_module, try_trace
from core.optimization.toolbox.int8_layers import CONVOLUTION_LAYERS

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, slots=True)
class Fusion:
    """A layer, and what follows it alone."""

    layer: str
    norm: str | None
    relu: bool
    relu_module: str | None = None
    """the ReLU, where it is a module that nothing else calls"""


def find_fusions(model: nn.Module) -> tuple[list[Fusion], str]:
    """Of a model in evaluation mode; and what could not be looked at: without a graph only Sequentials are read."""
    graph, why = try_trace(model)
    if graph is None:
        return _in_sequences(model), f"{why}; layers were joined within Sequentials only"
    by_name = calls(graph)
    found = []
    for name, nodes in by_name.items():
        layer = module_of(model, nodes[0])
        if len(nodes) == 1 and isinstance(layer, (*CONVOLUTION_LAYERS, nn.Linear)):
            fusion = _follow(model, by_name, name, nodes[0])
            if fusion.norm or fusion.relu:
                found.append(fusion)
    return found, ""


def _follow(model: nn.Module, by_name: dict[str, list[fx.Node]], name: str, node: fx.Node) -> Fusion:
    norm, after = None, only_user(node)
    if after is not None and _folds(module_of(model, node), module_of(model, after)):
        if len(by_name[str(after.target)]) == 1:
            norm, after = str(after.target), only_user(after)
        else:
            after = None
    if after is None or not is_relu(model, after):
        return Fusion(name, norm, False)
    alone = after.op == "call_module" and len(by_name[str(after.target)]) == 1
    return Fusion(name, norm, True, str(after.target) if alone else None)


def _in_sequences(model: nn.Module) -> list[Fusion]:
    found = []
    places = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    for names in sequences(model):
        for at, name in enumerate(names):
            layer = model.get_submodule(name)
            if not isinstance(layer, (*CONVOLUTION_LAYERS, nn.Linear)) or places[id(layer)] > 1:
                continue
            following = names[at + 1 : at + 3]
            norm = None
            if following and _folds(layer, model.get_submodule(following[0])):
                norm = following.pop(0)
            relu = following[0] if following and isinstance(model.get_submodule(following[0]), nn.ReLU) else None
            if norm or relu:
                found.append(Fusion(name, norm, relu is not None, relu))
    return found


def _folds(layer: nn.Module | None, norm: nn.Module | None) -> bool:
    """Linear layers take in a BatchNorm1d, whose channels are their last dimension only for [batch, channels] inputs,
    which nothing proves: so they do not."""
    if not isinstance(layer, CONVOLUTION_LAYERS) or not isinstance(norm, NORMS):
        return False
    return norm.running_mean is not None and norm.num_features == layer.out_channels and not norm.training


@torch.no_grad()
def fold_norms(model: nn.Module, fusions: list[Fusion]) -> None:
    """Change the model itself: norms move into weights, and their places hold Identity."""
    for fusion in fusions:
        if fusion.norm is None:
            continue
        layer, norm = model.get_submodule(fusion.layer), model.get_submodule(fusion.norm)
        assert isinstance(layer, CONVOLUTION_LAYERS)
        assert isinstance(norm, NORMS)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = torch.rsqrt(norm.running_var + norm.eps)
        gain = gain if norm.weight is None else gain * norm.weight
        shift = -norm.running_mean * gain if norm.bias is None else norm.bias - norm.running_mean * gain
        bias = shift if layer.bias is None else layer.bias * gain + shift
        weight = layer.weight * gain.view(-1, *(1,) * (layer.weight.dim() - 1))
        layer.weight = nn.Parameter(weight, requires_grad=layer.weight.requires_grad)
        layer.bias = nn.Parameter(bias)
        set_module(model, fusion.norm, nn.Identity())


def drop_relus(model: nn.Module, fusions: list[Fusion]) -> None:
    """ReLUs that their layers compute now become Identity; functions stay, to which nothing is left to do."""
    for fusion in fusions:
        if fusion.relu_module is not None:
            set_module(model, fusion.relu_module, nn.Identity())
