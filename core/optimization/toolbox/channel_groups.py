"""Which channels of which layers must go together: followed through the graph from each layer to those that read it.

Channels that meet something not known here (an output, a view by fixed sizes, a concatenation) stay, all of them: what
is found is always safe to remove. Source: the dependency graph of Fang et al., DepGraph, arXiv 2301.12900.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from core.optimization.toolbox.example_inputs import positional_inputs
from core.optimization.toolbox.fusion import NORMS
from core.optimization.toolbox.graphs import ADDITIONS, calls, module_of, trace

_SAME_MODULES = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardtanh),
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
)
_POOLS = (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
)
F = nn.functional
_SAME_FUNCTIONS = (
    *(torch.relu, F.relu, F.relu6, F.gelu, F.silu, F.leaky_relu, F.elu, F.sigmoid, F.hardswish, F.dropout),
    *(torch.sigmoid, torch.tanh, F.tanh),
)
_POOL_FUNCTIONS = (F.max_pool1d, F.max_pool2d, F.max_pool3d, F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool2d)
_SAME_METHODS = frozenset(("relu", "relu_", "sigmoid", "tanh", "contiguous", "float"))


@dataclass(frozen=True, slots=True)
class Removal:
    """What went from one set of layers."""

    layers: tuple[str, ...]
    before: int
    after: int


@dataclass(slots=True)
class Channels:
    """A set of channels that many tensors share."""

    size: int
    kept_for: str = ""
    """why none may go; "" where they may"""
    makers: set[str] = field(default_factory=set)
    """layers whose rows they are"""
    norms: set[str] = field(default_factory=set)
    """layers with a number for each channel: norms and depthwise convolutions"""
    readers: dict[str, int] = field(default_factory=dict)
    """layers whose columns they are, and how many columns each channel has (more than one after flattening)"""
    joined: Channels | None = None

    def root(self) -> Channels:
        """The set that this one has become part of."""
        found = self
        while found.joined is not None:
            found = found.joined
        return found


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor of the graph: its channels, the dimension they are in, and how many places each has in it."""

    channels: Channels
    dimension: int
    repeats: int = 1


def find_channels(model: nn.Module, example: Any) -> list[Channels]:
    """Sets of channels of a traceable model in evaluation mode that may lose members, in the order they are made.

    Raises OptimizationError for a model that does not trace.
    """
    graph = trace(model)
    return _Follower(model, graph, _shapes(model, graph, example)).follow()


def _shapes(model: nn.Module, graph: fx.Graph, example: Any) -> dict[fx.Node, torch.Size]:
    """Of each tensor, by running the graph once."""
    found: dict[fx.Node, torch.Size] = {}

    class Watching(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            if isinstance(result, Tensor):
                found[n] = result.shape
            return result

    with torch.no_grad():
        Watching(model, graph=graph).run(*positional_inputs(graph, example))
    return found


class _Follower:
    def __init__(self, model: nn.Module, graph: fx.Graph, shapes: dict[fx.Node, torch.Size]) -> None:
        self._model, self._graph, self._shapes = model, graph, shapes
        self._values: dict[fx.Node, _Value] = {}
        self._all: list[Channels] = []
        self._often = {name for name, nodes in calls(graph).items() if len(nodes) > 1}
        tied: dict[int, list[str]] = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            tied.setdefault(id(parameter), []).append(name.rpartition(".")[0])
        self._often |= {name for names in tied.values() if len(names) > 1 for name in names}

    def follow(self) -> list[Channels]:
        for node in self._graph.nodes:
            value = self._value(node)
            if value is None:
                for given in node.all_input_nodes:
                    self._keep(given, f"{node.op} {node.target}")
            else:
                self._values[node] = value
        roots = [channels for channels in self._all if channels.joined is None]
        return [channels for channels in roots if not channels.kept_for and channels.readers and channels.makers]

    def _keep(self, node: fx.Node, why: str) -> None:
        if node in self._values:
            root = self._values[node].channels.root()
            root.kept_for = root.kept_for or why

    def _value(self, node: fx.Node) -> _Value | None:
        """What a node gives, in known channels; None: what it takes must stay as it is."""
        given = [self._values.get(one) for one in node.all_input_nodes]
        module = module_of(self._model, node)
        if module is not None and str(node.target) in self._often:
            return None
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            return self._layer(node, module, given[0])
        if len(given) == 1 and given[0] is not None:
            return self._same(node, module, given[0])
        if node.target in ADDITIONS and len(given) == 2 and given[0] is not None and given[1] is not None:
            return self._join(node, given[0], given[1])
        return None

    def _layer(self, node: fx.Node, module: Any, given: _Value | None) -> _Value | None:
        name, is_linear = str(node.target), isinstance(module, nn.Linear)
        rank = len(self._shapes[node])
        if given is not None:
            own = rank - 1 if is_linear else rank - (len(module.kernel_size) + 1)
            if given.dimension != own:
                self._keep(node.all_input_nodes[0], f"{name} reads another dimension")
            elif not is_linear and module.groups > 1:
                return self._grouped(node, module, given)
            else:
                given.channels.root().readers[name] = given.repeats
        elif not is_linear and module.groups > 1:
            return None
        made = Channels(module.out_features if is_linear else module.out_channels, makers={name})
        self._all.append(made)
        return _Value(made, rank - 1 if is_linear else rank - (len(module.kernel_size) + 1))

    def _grouped(self, node: fx.Node, module: Any, given: _Value) -> _Value | None:
        if module.groups != module.in_channels or module.out_channels != module.in_channels or given.repeats > 1:
            return None
        given.channels.root().norms.add(str(node.target))
        return given

    def _same(self, node: fx.Node, module: nn.Module | None, given: _Value) -> _Value | None:
        """What leaves channels as they are."""
        if isinstance(module, NORMS):
            if given.dimension != 1 or given.repeats > 1:
                return None
            given.channels.root().norms.add(str(node.target))
            return given
        if node.op == "call_function" and node.target in ADDITIONS:
            return given  # a number is added
        same = (
            isinstance(module, _SAME_MODULES)
            or (node.op == "call_function" and node.target in _SAME_FUNCTIONS)
            or (node.op == "call_method" and node.target in _SAME_METHODS)
        )
        if same:
            return given
        if isinstance(module, _POOLS) or (node.op == "call_function" and node.target in _POOL_FUNCTIONS):
            return given if len(self._shapes.get(node, ())) > 2 and given.dimension == 1 else None
        return self._flattened(node, module, given)

    def _flattened(self, node: fx.Node, module: nn.Module | None, given: _Value) -> _Value | None:
        """[batch, channels, ...] -> [batch, channels * places]: each channel becomes `places` columns in a row."""
        begins: tuple[Any, ...] | None = None
        if isinstance(module, nn.Flatten):
            begins = (module.start_dim, module.end_dim)
        elif node.target is torch.flatten or (node.op == "call_method" and node.target == "flatten"):
            begins = (*node.args[1:], *([0, -1][len(node.args) - 1 :])) if not node.kwargs else None
        if begins != (1, -1) or given.dimension != 1 or given.repeats > 1:
            return None
        return _Value(given.channels, 1, self._shapes[node][1] // given.channels.size)

    def _join(self, node: fx.Node, one: _Value, other: _Value) -> _Value | None:
        if (one.dimension, one.repeats) != (other.dimension, other.repeats):
            return None
        first, second = one.channels.root(), other.channels.root()
        if first.size != second.size:
            return None
        if first is not second:
            first.kept_for = first.kept_for or second.kept_for
            first.makers |= second.makers
            first.norms |= second.norms
            first.readers |= second.readers
            second.joined = first
        return one
