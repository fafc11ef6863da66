"""Where the output of an int8 layer goes to int8 layers alone, it stays int8 on the way: all share one range."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import fx, nn

from core.optimization.toolbox.graphs import calls, is_relu, module_of, try_trace

_MODULES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten)
_FUNCTIONS = (torch.flatten, torch.transpose, torch.permute, torch.reshape, torch.squeeze, torch.unsqueeze)
_METHODS = frozenset(("flatten", "view", "reshape", "transpose", "permute", "contiguous", "squeeze", "unsqueeze"))
_QUESTIONS = frozenset(("size", "dim", "numel"))


@dataclass(frozen=True, slots=True)
class Flow:
    """A layer that hands on int8, and those that take it."""

    source: str
    takers: tuple[str, ...]
    pools: tuple[str, ...] = ()
    """max pools on the way: CodesMaxPool2d is to take their places"""


def find_flows(model: nn.Module, int8: Collection[str], with_relu: Collection[str]) -> list[Flow]:
    """Of a traceable model in evaluation mode whose layers named in `int8` will be int8 ones; else none."""
    graph, _ = try_trace(model)
    if graph is None:
        return []
    by_name = calls(graph)
    once = {name for name, nodes in by_name.items() if len(nodes) == 1 and name in int8}
    found = []
    for name in once:
        way = _Way(model, once, name in with_relu)
        if way.leads_to_int8(by_name[name][0]) and way.takers:
            found.append(Flow(name, tuple(sorted(way.takers)), tuple(sorted(way.pools))))
    return sorted(found, key=lambda flow: flow.source)


class _Way:
    """Where the output of one layer goes."""

    def __init__(self, model: nn.Module, int8: set[str], relu_is_done: bool) -> None:
        self._model, self._int8, self._relu_is_done = model, int8, relu_is_done
        self.takers: set[str] = set()
        self.pools: set[str] = set()

    def leads_to_int8(self, node: fx.Node) -> bool:
        """Whether all that is done with a value is known to leave codes as they are, up to int8 layers."""
        for user in node.users:
            if user.op == "call_module" and str(user.target) in self._int8:
                self.takers.add(str(user.target))
            elif not _asks_only(user) and not (self._passes(user) and self.leads_to_int8(user)):
                return False
        return True

    def _passes(self, node: fx.Node) -> bool:
        """What moves codes and leaves them as they are. The largest code is that of the largest value."""
        if is_relu(self._model, node):
            return self._relu_is_done
        if node.op == "call_function":
            return node.target in _FUNCTIONS
        if node.op == "call_method":
            return node.target in _METHODS
        module = module_of(self._model, node)
        if isinstance(module, nn.MaxPool2d) and not module.return_indices:
            self.pools.add(str(node.target))
            return True
        return isinstance(module, _MODULES)


def _asks_only(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in _QUESTIONS
    return node.op == "call_function" and node.target is getattr and node.args[1] in ("shape", "ndim")
