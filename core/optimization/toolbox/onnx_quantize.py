"""An ONNX graph in int8, written with QuantizeLinear and DequantizeLinear nodes, for ONNX Runtime and TensorRT."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from core.optimization.toolbox.onnx_files import move_into_place, read_model, workshop
from core.optimization.toolbox.onnx_information import model_information
from core.optimization.toolbox.onnx_runtime import open_session, run_session, runtime_errors
from core.optimization.toolbox.onnx_verify import difference
from core.optimization.toolbox.packages import toolbox_package
from core.utils.errors import InferenceError, QuantizationError

RangeMethod = Literal["minmax", "entropy", "percentile"]
RUINED = 0.1
"""a difference of the outputs beyond which a report warns"""
OUTPUTS_SUFFIX = "_QuantizeLinear_Input"
"""what onnxruntime appends to the name of a graph's output, whose own name its DequantizeLinear takes"""


@dataclass(frozen=True, slots=True)
class OnnxQuantizationConfig:
    """Raises QuantizationError for a value that is none of those named."""

    calibration: RangeMethod = "minmax"
    per_channel: bool = True
    for_tensorrt: bool = False
    """TensorRT wants ranges symmetric about zero, biases in float, and weights behind QuantizeLinear"""
    operators: tuple[str, ...] = ("Conv", "MatMul", "Gemm")
    skip: tuple[str, ...] = ()
    """names of nodes that stay in float"""

    def __post_init__(self) -> None:
        if self.calibration not in get_args(RangeMethod):
            raise QuantizationError(
                f"calibration '{self.calibration}' is unknown; take one of: {', '.join(get_args(RangeMethod))}"
            )


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


class _Reader:
    """Hands one input after another to ONNX Runtime's calibration."""

    def __init__(self, inputs: list[Mapping[str, Any]]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        """The next, None at the end."""
        found = next(self._inputs, None)
        return None if found is None else dict(found)

    def set_range(self, start_index: int, end_index: int) -> None:
        """ONNX Runtime calls it only for data in parts, which these are not."""


def quantize_onnx(
    source: Path | str,
    target: Path | str,
    calibration_data: Iterable[Mapping[str, Any]] | Mapping[str, Any],
    config: OnnxQuantizationConfig | None = None,
) -> OnnxQuantizationReport:
    """Write `source` with QDQ nodes to `target`; `calibration_data` are numpy inputs by name, like those in use.

    Raises QuantizationError: no data, data that the model refuses, or nothing to quantise, be it that the source is
    quantised; ModelLoadError for a damaged source.
    """
    source, target, config = Path(source), Path(target), config or OnnxQuantizationConfig()
    inputs = _checked(source, calibration_data)
    with workshop(target) as folder, _quiet():
        made = folder / target.name
        prepared = folder / "prepared.onnx"
        _quantize(source, prepared, made, (inputs, config))
        quantize_nodes = model_information(made).nodes.get("DequantizeLinear", 0)
        if not quantize_nodes:
            raise QuantizationError(f"{source} has no {', '.join(config.operators)} to quantise")
        off, agreement = _compared(source, made, inputs)
        move_into_place(made, target)
    before, after = model_information(source).file_bytes, model_information(target).file_bytes
    return OnnxQuantizationReport(target, before, after, quantize_nodes, off, activation_scales(target), agreement)


def _compared(source: Path, made: Path, inputs: list[Mapping[str, Any]]) -> tuple[float, float | None]:
    """How far the outputs are off on the first input, and the share of the choices that stay on all."""
    exact, small = open_session(source), open_session(made)
    off, same, choices = 0.0, 0, 0
    for place, one in enumerate(inputs):
        wanted, found = run_session(exact, one), run_session(small, one)
        off = off if place else difference(wanted, found)
        if wanted[0].ndim > 1 and wanted[0].shape[-1] > 1:
            agrees = wanted[0].argmax(-1) == found[0].argmax(-1)
            same, choices = same + int(agrees.sum()), choices + agrees.size
    return off, same / choices if choices else None


def quantize_with_scales(
    source: Path | str, target: Path | str, scales: Mapping[str, float], config: OnnxQuantizationConfig | None = None
) -> Path:
    """Write `source` with QDQ nodes to `target`, without data: by the scales of an earlier calibration of it.

    They are of ranges symmetric about zero, as `for_tensorrt` makes them. Raises QuantizationError where a tensor has
    no scale: they are another model's.
    """
    source, target, config = Path(source), Path(target), config or OnnxQuantizationConfig(for_tensorrt=True)
    read_model(source)
    ranges = toolbox_package("onnxruntime.quantization.calibrate", "quantising an ONNX model")
    data = {name: ranges.TensorData(**_range(scale)) for name, scale in scales.items()}
    with workshop(target) as folder, _quiet():
        made = folder / target.name
        _quantize(
            source, folder / "prepared.onnx", made, (ranges.TensorsData(ranges.CalibrationMethod.MinMax, data), config)
        )
        move_into_place(made, target)
    return target


def _range(scale: float) -> dict[str, Any]:
    largest = np.asarray(127 * scale, dtype=np.float32)
    return {"lowest": -largest, "highest": largest}


def activation_scales(path: Path) -> dict[str, float]:
    """By tensor, of the QuantizeLinear nodes of a model that do not quantise a weight."""
    model = read_model(path)
    nodes = [node for node in model.graph if node.op_type == "QuantizeLinear"]
    return {
        str(node.inputs[0].name).removesuffix(OUTPUTS_SUFFIX): float(node.inputs[1].const_value.numpy())
        for node in nodes
        if node.inputs[0].const_value is None and node.inputs[1].const_value is not None
    }


def _checked(source: Path, data: Iterable[Mapping[str, Any]] | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if model_information(source).quantised:
        raise QuantizationError(f"{source} is quantised already; give the float model that it was made from")
    data = [data] if isinstance(data, Mapping) else data
    inputs = [{name: np.asarray(value) for name, value in one.items()} for one in data] if data is not None else []
    if not inputs:
        raise QuantizationError(
            f"{source}: static quantisation needs calibration_data: some inputs like those in use, numpy arrays by name"
        )
    session = open_session(source)
    for place, one in enumerate(inputs):
        try:
            run_session(session, one)
        except InferenceError as error:
            raise QuantizationError(f"calibration_data[{place}]: {error}") from error
    return list(inputs)


def _quantize(source: Path, prepared: Path, made: Path, job: tuple[Any, OnnxQuantizationConfig]) -> None:
    """`job` has inputs to calibrate on, or ONNX Runtime's TensorsData of ranges that are known."""
    known, config = job
    library = toolbox_package("onnxruntime.quantization", "quantising an ONNX model")
    shapes = toolbox_package("onnxruntime.quantization.shape_inference", "quantising an ONNX model")
    failures = runtime_errors()
    try:
        shapes.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        if isinstance(known, list):
            _calibrate(library, (prepared, made), known, config)
        else:
            _insert(library, (prepared, made), known, config)
    except failures as error:
        raise QuantizationError(f"{source} cannot be quantised: {' '.join(str(error).split())[:300]}") from error


def _calibrate(library: Any, files: tuple[Path, Path], inputs: list[Any], config: OnnxQuantizationConfig) -> None:
    method = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}[config.calibration]
    library.quantize_static(
        str(files[0]),
        str(files[1]),
        _Reader(inputs),
        quant_format=library.QuantFormat.QDQ,
        op_types_to_quantize=list(config.operators),
        per_channel=config.per_channel,
        nodes_to_exclude=list(config.skip),
        calibrate_method=getattr(library.CalibrationMethod, method),
        activation_type=library.QuantType.QInt8 if config.for_tensorrt else library.QuantType.QUInt8,
        weight_type=library.QuantType.QInt8,
        extra_options=_options(config),
    )


def _insert(library: Any, files: tuple[Path, Path], ranges: Any, config: OnnxQuantizationConfig) -> None:
    onnx = toolbox_package("onnx", "quantising an ONNX model")
    rewriter = toolbox_package("onnxruntime.quantization.qdq_quantizer", "quantising an ONNX model").QDQQuantizer(
        onnx.load(files[0]),
        config.per_channel,
        False,
        library.QuantType.QInt8,
        library.QuantType.QInt8,
        ranges,
        [],
        list(config.skip),
        list(config.operators),
        _options(config),
    )
    rewriter.quantize_model()
    rewriter.model.save_model_to_file(str(files[1]), False)


def _options(config: OnnxQuantizationConfig) -> dict[str, bool]:
    return {
        "ActivationSymmetric": config.for_tensorrt,
        "WeightSymmetric": True,
        "AddQDQPairToWeight": config.for_tensorrt,
        "QuantizeBias": not config.for_tensorrt,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime.quantization prints, and tells the root logger, of what a user cannot change."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)
