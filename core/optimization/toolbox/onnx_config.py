"""What an export to ONNX is asked for, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from core.optimization.toolbox.graph_pass import PassRecord
from core.utils.errors import ExportError

OLDEST_OPSET, NEWEST_OPSET = 18, 25
"""What torch 2.13's exporter writes by itself: below 18 it fails and keeps 18, above 25 nothing was converted."""
PROTOBUF_LIMIT_BYTES = 2**31 - 2**20
"""A protobuf message ends at 2 GiB; a megabyte is left for the graph."""


@dataclass(frozen=True, slots=True)
class ONNXExportConfig:
    """How to export. `optimize` runs the graph passes, `verify_export` compares with PyTorch in ONNX Runtime."""

    optimize: bool = True
    verify_export: bool = True
    opset: int = OLDEST_OPSET
    dynamic_axes: Mapping[str, Any] | None = None
    """input name -> {axis: name} or a sequence of axes; outputs follow by themselves"""
    external_data: bool | Literal["auto"] = "auto"
    """weights in a file of their own, NAME.data; "auto": where one file cannot hold them"""
    input_names: tuple[str, ...] | None = None
    """default: "input" for one, else the names of forward's parameters"""
    output_names: tuple[str, ...] | None = None
    """default: "output" for one, else output_0, output_1 ..."""
    tolerance: float = 1e-4
    """largest difference allowed, relative to the largest value of the output where that is above 1"""
    verify_sizes: Mapping[str, int] = field(default_factory=dict)
    """name of a dynamic axis -> size to verify at; default: one more than the example's"""
    external_limit_bytes: int = PROTOBUF_LIMIT_BYTES

    def __post_init__(self) -> None:
        if not OLDEST_OPSET <= self.opset <= NEWEST_OPSET:
            raise ExportError(
                f"opset {self.opset}: torch's exporter writes {OLDEST_OPSET} to {NEWEST_OPSET}; "
                f"ONNX Runtime and TensorRT 10 read {OLDEST_OPSET}, the default"
            )
        if not self.tolerance > 0:
            raise ExportError(f"tolerance {self.tolerance}: give a number above 0, e.g. 1e-4")


@dataclass(frozen=True, slots=True)
class Verification:
    """One comparison of ONNX Runtime with PyTorch."""

    sizes: Mapping[str, int]
    """of the dynamic axes; empty: the example itself"""
    difference: float
    """largest absolute difference relative to max(1, largest value), over all outputs"""
    skipped: str = ""
    """why it was not done: the PyTorch model refuses that size itself"""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export came to; `report["verified"]` reads a field as the founding documents do."""

    path: Path
    verified: bool
    """whether ONNX Runtime gave what PyTorch gives, in every comparison that could be made"""
    opset: int
    nodes: int
    parameters: int
    size_bytes: int
    """of the file and its external data"""
    external_data: Path | None
    passes: tuple[PassRecord, ...]
    verifications: tuple[Verification, ...]

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(f"an export report has no '{name}'; it has {', '.join(self.keys())}")
        return getattr(self, name)

    def keys(self) -> list[str]:
        """Names that `report[name]` takes."""
        return [one.name for one in fields(self)]

    @property
    def largest_difference(self) -> float | None:
        """Over all comparisons; None without any."""
        done = [one.difference for one in self.verifications if not one.skipped]
        return max(done) if done else None

    def as_json(self) -> dict[str, Any]:
        """Plain values; passes that changed nothing are left out."""
        return {
            "path": str(self.path),
            "verified": self.verified,
            "opset": self.opset,
            "nodes": self.nodes,
            "parameters": self.parameters,
            "size_bytes": self.size_bytes,
            "external_data": str(self.external_data) if self.external_data else None,
            "passes": [one.as_json() for one in self.passes if one.changed or one.left_out],
            "verifications": [
                {"sizes": dict(one.sizes), "difference": one.difference, "skipped": one.skipped}
                for one in self.verifications
            ],
        }

    def lines(self) -> list[str]:
        """For people."""
        external = f", weights in {self.external_data.name}" if self.external_data else ""
        told = [
            f"{self.path}: opset {self.opset}, {self.nodes} nodes, {self.parameters:,} parameters, "
            f"{self.size_bytes / 1e6:.1f} MB{external}"
        ]
        told += [f"  {one.line()}" for one in self.passes if one.changed or one.left_out]
        for one in self.verifications:
            where = ", ".join(f"{name}={size}" for name, size in one.sizes.items()) or "the example"
            told.append(f"  {where}: " + (one.skipped or f"differs from PyTorch by {one.difference:.2g} at most"))
        if not self.verifications:
            told.append("  not compared with PyTorch: verify_export is off")
        return told
