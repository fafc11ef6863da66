"""A pass over an ONNX graph, and the record of what it changed. Needs no package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

PassSource = Literal["merline", "onnx-ir", "onnxscript", "onnxoptimizer"]


@dataclass(frozen=True, slots=True)
class GraphPass:
    """`run` takes an onnx_ir.Model and gives the changed one, which may be the same object."""

    name: str
    what: str
    source: PassSource
    run: Callable[[Any], Any]
    needs: frozenset[str] = frozenset()
    """operators of which one must be in the graph, else there is nothing to do; empty: it is always tried"""


@dataclass(frozen=True, slots=True)
class GraphCount:
    """A graph's nodes by operator, and its initialisers."""

    nodes: Mapping[str, int] = field(default_factory=dict)
    initialisers: int = 0

    @property
    def total(self) -> int:
        """All nodes."""
        return sum(self.nodes.values())


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one pass did, over all rounds."""

    name: str
    what: str
    source: PassSource
    before: GraphCount
    after: GraphCount
    left_out: str = ""
    """why it was not run, or was undone"""

    @property
    def changed(self) -> bool:
        """Whether a node or an initialiser came or went."""
        return self.before != self.after

    @property
    def differences(self) -> dict[str, int]:
        """Operator -> nodes more (or, negative, fewer) than before; "initialisers" among them."""
        operators = sorted({*self.before.nodes, *self.after.nodes})
        found = {name: self.after.nodes.get(name, 0) - self.before.nodes.get(name, 0) for name in operators}
        found["initialisers"] = self.after.initialisers - self.before.initialisers
        return {name: difference for name, difference in found.items() if difference}

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "source": self.source,
            "nodes_before": dict(self.before.nodes),
            "nodes_after": dict(self.after.nodes),
            "initialisers_before": self.before.initialisers,
            "initialisers_after": self.after.initialisers,
            "changed": self.differences,
            "left_out": self.left_out,
        }

    def line(self) -> str:
        """For people."""
        if self.left_out:
            return f"{self.name}: left out: {self.left_out}"
        changes = ", ".join(f"{name} {difference:+d}" for name, difference in self.differences.items())
        return f"{self.name}: {self.before.total} -> {self.after.total} nodes ({changes or 'nothing'})"
