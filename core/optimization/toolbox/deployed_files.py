"""The model that `deploy` chose as a file: tensors, or a graph, whichever it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from core.optimization.toolbox.artifact import save_quantized
from core.optimization.toolbox.onnx_files import move_into_place, read_model, workshop, write_model
from core.optimization.toolbox.onnx_model import OnnxModel
from core.optimization.toolbox.pruned_files import save_pruned
from core.optimization.toolbox.quantization import is_quantized
from core.optimization.toolbox.targets import target_of
from core.utils.errors import OptimizationError

GRAPH, TENSORS = ".onnx", ".safetensors"


@dataclass(frozen=True, slots=True)
class DeployedFile:
    """What was written."""

    path: Path
    bytes: int
    """with the external data of a graph"""
    read_by: str
    """the function, or class, that makes a model of it"""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "path": str(self.path)}


def possible_names(out: Path) -> tuple[Path, Path]:
    """Where tensors and where a graph go for `out`: another ending than its own where that says the other kind."""
    is_graph = out.suffix == GRAPH
    return out.with_suffix(TENSORS) if is_graph else out, out if is_graph else out.with_suffix(GRAPH)


def write_deployed(model: Any, out: Path) -> DeployedFile:
    """Write the model under the one of `possible_names` that tells what it is.

    Raises OptimizationError where the disk does not take it, and for an engine, which is built for each card anew.
    """
    tensors, graph = possible_names(out)
    if isinstance(model, OnnxModel):
        return DeployedFile(_copy_graph(model, graph), model.size_bytes, "OnnxModel")
    if not isinstance(model, nn.Module):
        raise OptimizationError(f"{out}: an engine is not kept here; `optimize tensorrt MODEL --out FILE` builds one")
    if is_quantized(model):
        return DeployedFile(tensors, save_quantized(model, tensors), "load_quantized")
    return DeployedFile(tensors, save_pruned(model, tensors), "load_pruned")


def _copy_graph(model: OnnxModel, path: Path) -> Path:
    path = target_of(path, model.path)
    with workshop(path) as folder:
        made = folder / path.name
        data = write_model(read_model(model.path), made, bool(model.information.external_files), path)
        move_into_place(made, path, data)
    return path
