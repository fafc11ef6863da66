"""Where the output of an int8 layer goes to int8 layers alone, it stays int8 on the way: all share one range."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import fx, nn

from core.optimization.toolbox.graphs import calls, is_relu, module_of, try_trace

_MODULES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten)
_POOLS = (nn.MaxPool2d, nn.MaxPool3d)
"""torch has no others for uint8"""
_FUNCTIONS = (torch.flatten, torch.transpose, torch.permute, torch.reshape, torch.squeeze, torch.unsqueeze)
_METHODS = frozenset(("flatten", "view", "reshape", "transpose", "permute", "contiguous", "squeeze", "unsqueeze"))
_QUESTIONS = frozenset(("size", "dim", "numel"))


@dataclass(frozen=True, slots=True)
class Flow:
    """A layer that hands on int8, and those that take it."""

    source: str
    takers: tuple[str, ...]


def find_flows(model: nn.Module, int8: Collection[str], with_relu: Collection[str]) -> list[Flow]:
    """Of a traceable model in evaluation mode whose layers named in `int8` will be int8 ones; else none."""
    graph, _ = try_trace(model)
    if graph is None:
        return []
    by_name = calls(graph)
    once = {name for name, nodes in by_name.items() if len(nodes) == 1 and name in int8}
    found = []
    for name in once:
        takers: set[str] = set()
        if _reaches_only(model, by_name[name][0], once, name in with_relu, takers) and takers:
            found.append(Flow(name, tuple(sorted(takers))))
    return sorted(found, key=lambda flow: flow.source)


def _reaches_only(model: nn.Module, node: fx.Node, int8: set[str], relu_is_done: bool, takers: set[str]) -> bool:
    for user in node.users:
        if user.op == "call_module" and str(user.target) in int8:
            takers.add(str(user.target))
        elif _asks_only(user):
            continue
        elif not (_passes(model, user, relu_is_done) and _reaches_only(model, user, int8, relu_is_done, takers)):
            return False
    return True


def _asks_only(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in _QUESTIONS
    return node.op == "call_function" and node.target is getattr and node.args[1] in ("shape", "ndim")


def _passes(model: nn.Module, node: fx.Node, relu_is_done: bool) -> bool:
    """What moves codes and leaves them as they are. The largest code is that of the largest value."""
    if is_relu(model, node):
        return relu_is_done
    if node.op == "call_function":
        return node.target in _FUNCTIONS
    if node.op == "call_method":
        return node.target in _METHODS
    module = module_of(model, node)
    return isinstance(module, _MODULES) or (isinstance(module, _POOLS) and not module.return_indices)
