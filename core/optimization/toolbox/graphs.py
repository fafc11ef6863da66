"""Reads how the layers of a model follow each other, by torch.fx, without running it. The model is not changed."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from core.optimization.toolbox.model_failures import MODEL_FAILS, first_line
from core.utils.errors import OptimizationError

RELU_FUNCTIONS = (torch.relu, nn.functional.relu, torch.relu_)
ADDITIONS = (operator.add, operator.iadd, torch.add)


class _Tracer(fx.Tracer):
    """Layers with weights of their own that are not torch's stay one node too."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return super().is_leaf_module(module, qualified_name) or hasattr(module, "extras")


def trace(model: nn.Module) -> fx.Graph:
    """The graph; nodes name modules as named_modules() does. Raises OptimizationError for what does not trace."""
    try:
        return _Tracer().trace(model)
    except MODEL_FAILS as error:
        raise OptimizationError(
            f"{type(model).__name__} cannot be traced ({first_line(error)}): its forward branches on "
            "values or shapes; give a part of it that does not"
        ) from error


def try_trace(model: nn.Module) -> tuple[fx.Graph | None, str]:
    """The graph, or None and why."""
    try:
        return trace(model), ""
    except OptimizationError as error:
        return None, str(error)


def module_of(model: nn.Module, node: fx.Node) -> nn.Module | None:
    """The module that a node calls."""
    if node.op != "call_module":
        return None
    return model.get_submodule(str(node.target))


def calls(graph: fx.Graph) -> dict[str, list[fx.Node]]:
    """By a module's name, the nodes that call it."""
    found: dict[str, list[fx.Node]] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            found.setdefault(str(node.target), []).append(node)
    return found


def is_relu(model: nn.Module, node: fx.Node) -> bool:
    """A module, a function or a method."""
    if node.op == "call_function":
        return node.target in RELU_FUNCTIONS
    if node.op == "call_method":
        return node.target in ("relu", "relu_")
    return isinstance(module_of(model, node), nn.ReLU)


def only_user(node: fx.Node) -> fx.Node | None:
    """The node that alone takes this one's value."""
    users = list(node.users)
    return users[0] if len(users) == 1 else None


def refuse_script(model: object, kind: type[OptimizationError]) -> None:
    """Raises an error of `kind` for TorchScript: its layers are compiled code, which cannot be replaced or traced."""
    if isinstance(model, torch.jit.ScriptModule):
        raise kind(
            f"{type(model).__name__} is TorchScript, compiled code whose layers cannot be replaced or traced: give the "
            "Python module that it was made from"
        )


def set_module(model: nn.Module, name: str, new: nn.Module) -> None:
    """Put a module in another's place."""
    parent, _, last = name.rpartition(".")
    holder: Any = model.get_submodule(parent)
    setattr(holder, last, new)


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in another's place, everywhere that one is."""
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child is old:
                setattr(parent, name, new)


def sequences(model: nn.Module) -> Iterator[list[str]]:
    """Names of the members of each Sequential, in order."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Sequential):
            yield [f"{name}.{member}" if name else member for member, _ in module.named_children()]
