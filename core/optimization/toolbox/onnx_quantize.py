"""An ONNX graph in int8, written with QuantizeLinear and DequantizeLinear nodes, for ONNX Runtime and TensorRT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.optimization.toolbox.onnx_files import move_into_place, read_model, workshop
from core.optimization.toolbox.onnx_information import OnnxInformation, model_information
from core.optimization.toolbox.onnx_qdq import OnnxQuantizationConfig, quietly, write_quantized
from core.optimization.toolbox.onnx_runtime import open_session, run_session
from core.optimization.toolbox.onnx_verify import difference
from core.optimization.toolbox.targets import target_of
from core.utils.errors import InferenceError, QuantizationError

RUINED = 0.1
"""a difference of the outputs beyond which a report warns"""
OUTPUTS_SUFFIX = "_QuantizeLinear_Input"
"""what onnxruntime appends to the name of a graph's output, whose own name its DequantizeLinear takes"""


@dataclass(frozen=True, slots=True)
class OnnxQuantizationReport:
    """What came of it."""

    path: Path
    bytes_before: int
    bytes_after: int
    quantize_nodes: int
    difference: float
    """of the outputs on the first calibration input, relative to max(1, largest value)"""
    scales: Mapping[str, float]
    """of each quantised tensor that is no weight; quantize_with_scales takes them in place of data"""
    agreement: float | None = None
    """share of choices, the largest along the first output's last axis, that are the float model's, over the
    calibration inputs; None where that output has one number a place"""

    @property
    def size_reduction_percent(self) -> float:
        """Of the file."""
        return 100 * (1 - self.bytes_after / self.bytes_before)

    @property
    def warning(self) -> str:
        """ "" where the outputs stay near the float model's."""
        if self.difference <= RUINED:
            return ""
        return (
            f"its outputs are off by {self.difference:.0%} of their largest, too much for most uses: calibrate on "
            'inputs like those in use, try calibration="percentile", or leave nodes in float by skip='
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {"size_reduction_percent": self.size_reduction_percent, "warning": self.warning}
        return {**asdict(self), "path": str(self.path), **told}


@dataclass(frozen=True, slots=True)
class _Float:
    """What the float model is and says, so that it is opened and run once."""

    information: OnnxInformation
    outputs: list[Any]
    """for the first input"""
    choices: list[Any]
    """by input; empty where the first output has one number a place"""


def quantize_onnx(
    source: Path | str,
    target: Path | str,
    calibration_data: Iterable[Mapping[str, Any]] | Mapping[str, Any],
    config: OnnxQuantizationConfig | None = None,
) -> OnnxQuantizationReport:
    """Write `source` with QDQ nodes to `target`; `calibration_data` are numpy inputs by name, like those in use.

    Raises QuantizationError: no data, data that the model refuses, or nothing to quantise, be it that the source is
    quantised; ModelLoadError for a damaged source; OptimizationError where `target` is the source or a device.
    """
    source, config = Path(source), config or OnnxQuantizationConfig()
    target = target_of(target, source)
    inputs, exact = _checked(source, calibration_data)
    with workshop(target) as folder, quietly():
        made = folder / target.name
        write_quantized((source, exact.information.opset), made, inputs, config)
        small = model_information(made)
        quantize_nodes = small.nodes.get("DequantizeLinear", 0)
        if not quantize_nodes:
            raise QuantizationError(f"{source} has no {', '.join(config.operators)} to quantise")
        off, agreement = _compared(exact, made, inputs)
        scales = activation_scales(made)
        move_into_place(made, target)
    sizes = exact.information.file_bytes, small.file_bytes
    return OnnxQuantizationReport(target, *sizes, quantize_nodes, off, scales, agreement)


def _compared(exact: _Float, made: Path, inputs: list[Mapping[str, Any]]) -> tuple[float, float | None]:
    """How far the outputs are off on the first input, and the share of the choices that stay on all."""
    session = open_session(made)
    off, same, choices = 0.0, 0, 0
    for place, one in enumerate(inputs):
        found = run_session(session, one)
        off = off if place else difference(exact.outputs, found)
        if exact.choices:
            agrees = exact.choices[place] == found[0].argmax(-1)
            same, choices = same + int(agrees.sum()), choices + agrees.size
    return off, same / choices if choices else None


def quantize_with_scales(
    source: Path | str, target: Path | str, scales: Mapping[str, float], config: OnnxQuantizationConfig | None = None
) -> Path:
    """Write `source` with QDQ nodes to `target`, without data: by the scales of an earlier calibration of it.

    They are of ranges symmetric about zero, as `for_tensorrt` makes them. Raises QuantizationError where a tensor has
    no scale: they are another model's.
    """
    source, config = Path(source), config or OnnxQuantizationConfig(for_tensorrt=True)
    target = target_of(target, source)
    opset = model_information(source).opset
    with workshop(target) as folder, quietly():
        made = folder / target.name
        write_quantized((source, opset), made, scales, config)
        move_into_place(made, target)
    return target


def activation_scales(path: Path) -> dict[str, float]:
    """By tensor, of the QuantizeLinear nodes of a model that do not quantise a weight."""
    model = read_model(path)
    nodes = [node for node in model.graph if node.op_type == "QuantizeLinear"]
    return {
        str(node.inputs[0].name).removesuffix(OUTPUTS_SUFFIX): float(node.inputs[1].const_value.numpy())
        for node in nodes
        if node.inputs[0].const_value is None and node.inputs[1].const_value is not None
    }


def _checked(
    source: Path, data: Iterable[Mapping[str, Any]] | Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], _Float]:
    information = model_information(source)
    if information.quantised:
        raise QuantizationError(f"{source} is quantised already; give the float model that it was made from")
    data = [data] if isinstance(data, Mapping) else data
    inputs = [{name: np.asarray(value) for name, value in one.items()} for one in data] if data is not None else []
    if not inputs:
        raise QuantizationError(
            f"{source}: static quantisation needs calibration_data: some inputs like those in use, numpy arrays by name"
        )
    session = open_session(source)
    first: list[Any] = []
    choices: list[Any] = []
    for place, one in enumerate(inputs):
        try:
            outputs = run_session(session, one)
        except InferenceError as error:
            raise QuantizationError(f"calibration_data[{place}]: {error}") from error
        first = first or outputs
        if outputs[0].ndim > 1 and outputs[0].shape[-1] > 1:
            choices.append(outputs[0].argmax(-1))
    return list(inputs), _Float(information, first, choices if len(choices) == len(inputs) else [])
