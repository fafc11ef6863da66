"""What is in an ONNX file: opset, inputs, outputs, nodes by operator, parameters, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.optimization.toolbox.onnx_files import read_model
from core.optimization.toolbox.onnx_passes.table import count


@dataclass(frozen=True, slots=True)
class OnnxValue:
    """An input or output of the graph."""

    name: str
    type: str
    shape: tuple[int | str, ...]
    """a dynamic axis by its name"""


@dataclass(frozen=True, slots=True)
class OnnxInformation:
    """As the file says it."""

    path: str
    opset: int
    ir_version: int
    producer: str
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    nodes: Mapping[str, int]
    """by operator"""
    parameters: int
    weights_bytes: int
    file_bytes: int
    """with external data"""
    external_files: tuple[str, ...]
    quantised: bool
    """whether there are QuantizeLinear nodes or integer products"""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "nodes": dict(self.nodes)}


def model_information(path: Path | str) -> OnnxInformation:
    """Read a file's facts; weights are not loaded. Raises ModelLoadError: absent, damaged, not ONNX."""
    path = Path(path)
    model = read_model(path)
    tensors = [
        value.const_value
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.const_value is not None
    ]
    external = sorted({str(one.path) for one in tensors if type(one).__name__ == "ExternalTensor"})
    nodes = count(model).nodes
    return OnnxInformation(
        path=str(path),
        opset=int(model.graph.opset_imports.get("", 0) or model.opset_imports.get("", 0)),
        ir_version=int(model.ir_version),
        producer=f"{model.producer_name or 'unknown'} {model.producer_version or ''}".strip(),
        inputs=tuple(_value(one) for one in model.graph.inputs),
        outputs=tuple(_value(one) for one in model.graph.outputs),
        nodes=dict(sorted(nodes.items(), key=lambda one: (-one[1], one[0]))),
        parameters=sum(int(one.size) for one in tensors),
        weights_bytes=sum(int(one.nbytes) for one in tensors),
        file_bytes=path.stat().st_size + sum(Path(name).stat().st_size for name in external),
        external_files=tuple(Path(name).name for name in external),
        quantised=bool(
            {"QuantizeLinear", "DequantizeLinear", "MatMulInteger", "ConvInteger", "DynamicQuantizeLinear"} & set(nodes)
        ),
    )


def _value(value: Any) -> OnnxValue:
    axes = value.shape if value.shape is not None else ()
    shape = tuple(axis if isinstance(axis, int) else str(axis.value or "?") for axis in axes)
    return OnnxValue(str(value.name), str(value.dtype.name if value.dtype else "?").lower(), shape)
