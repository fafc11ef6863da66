"""An example input in the order of a traced graph's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.utils.errors import OptimizationError

if TYPE_CHECKING:
    from torch import fx


def positional_inputs(graph: fx.Graph, example: Any) -> tuple[Any, ...]:
    """`example`: a tensor, a tuple of positional or a mapping of keyword arguments.

    Raises OptimizationError where an argument without a default is not given.
    """
    names = [node for node in graph.nodes if node.op == "placeholder"]
    if not isinstance(example, Mapping):
        return example if isinstance(example, tuple) else (example,)
    given = []
    for node in names:
        if str(node.target) in example:
            given.append(example[str(node.target)])
        elif node.args:
            given.append(node.args[0])
        else:
            raise OptimizationError(f"the example input lacks {node.target!r}; it has {', '.join(example)}")
    return tuple(given)
