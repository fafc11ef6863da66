"""QuantizeLinear and DequantizeLinear nodes put into an ONNX graph by ONNX Runtime's quantiser.

The weights are read three times: simplified by ONNX Runtime into a file with all shapes, calibrated, and rewritten.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from core.optimization.toolbox.onnx_runtime import runtime_errors
from core.optimization.toolbox.packages import toolbox_package
from core.utils.errors import QuantizationError

RangeMethod = Literal["minmax", "entropy", "percentile"]
LEAST_OPSET = 13
"""the first in which DequantizeLinear has a scale for each channel; older graphs are converted"""


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


def write_quantized(
    source: tuple[Path, int],
    made: Path,
    known: list[Mapping[str, Any]] | Mapping[str, float],
    config: OnnxQuantizationConfig,
) -> None:
    """Write the model of `source`, a path and its opset, with QDQ nodes to `made`, in a folder that may be littered.

    `known` are inputs to calibrate on, or the scale of each tensor. Raises QuantizationError.
    """
    path, opset = source
    failures = (*runtime_errors(), *_onnx_errors())
    try:
        prepared = _prepared(path, opset, made.parent)
        ranges = _calibrated(prepared, known, config) if isinstance(known, list) else _ranges(known)
        _insert(prepared, made, ranges, config)
    except failures as error:
        raise QuantizationError(f"{path} cannot be quantised: {' '.join(str(error).split())[:300]}") from error


def _onnx_errors() -> tuple[type[Exception], ...]:
    onnx = toolbox_package("onnx", "quantising an ONNX model")
    return (onnx.version_converter.ConvertError, onnx.shape_inference.InferenceError)


def _prepared(source: Path, opset: int, folder: Path) -> Path:
    """A file in `folder`, simplified as ONNX Runtime does before it runs a model, with the shape of each tensor."""
    ort = toolbox_package("onnxruntime", "quantising an ONNX model")
    onnx = toolbox_package("onnx", "quantising an ONNX model")
    if 0 < opset < LEAST_OPSET:
        newer = folder / "newer.onnx"
        onnx.save(onnx.version_converter.convert_version(onnx.load(source), LEAST_OPSET), newer)
        source = newer
    simpler, prepared = folder / "simpler.onnx", folder / "prepared.onnx"
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(simpler)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    onnx.shape_inference.infer_shapes_path(str(simpler), str(prepared))
    simpler.unlink()
    return prepared


def _calibrated(prepared: Path, inputs: list[Mapping[str, Any]], config: OnnxQuantizationConfig) -> Any:
    calibrate = toolbox_package("onnxruntime.quantization.calibrate", "quantising an ONNX model")
    method = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}[config.calibration]
    calibrator = calibrate.create_calibrator(
        prepared,
        list(config.operators),
        str(prepared.with_name("observed.onnx")),
        getattr(calibrate.CalibrationMethod, method),
    )
    calibrator.collect_data(_Reader(inputs))
    return calibrator.compute_data()


def _ranges(scales: Mapping[str, float]) -> Any:
    """As if calibrated, symmetric about zero."""
    calibrate = toolbox_package("onnxruntime.quantization.calibrate", "quantising an ONNX model")
    largest = {name: np.asarray(127 * scale, dtype=np.float32) for name, scale in scales.items()}
    data = {name: calibrate.TensorData(lowest=-value, highest=value) for name, value in largest.items()}
    return calibrate.TensorsData(calibrate.CalibrationMethod.MinMax, data)


def _insert(prepared: Path, made: Path, ranges: Any, config: OnnxQuantizationConfig) -> None:
    onnx = toolbox_package("onnx", "quantising an ONNX model")
    library = toolbox_package("onnxruntime.quantization", "quantising an ONNX model")
    model = onnx.load(prepared)
    # else the quantiser copies the model, writes it and infers its shapes once more
    toolbox_package("onnxruntime.quantization.quant_utils", "quantising an ONNX model").add_infer_metadata(model)
    rewriter = toolbox_package("onnxruntime.quantization.qdq_quantizer", "quantising an ONNX model").QDQQuantizer(
        model,
        config.per_channel,
        False,
        library.QuantType.QInt8,
        library.QuantType.QInt8 if config.for_tensorrt else library.QuantType.QUInt8,
        ranges,
        [],
        list(config.skip),
        list(config.operators),
        _options(config),
    )
    rewriter.quantize_model()
    rewriter.model.save_model_to_file(str(made), False)


def _options(config: OnnxQuantizationConfig) -> dict[str, bool]:
    return {
        "ActivationSymmetric": config.for_tensorrt,
        "WeightSymmetric": True,
        "AddQDQPairToWeight": config.for_tensorrt,
        "QuantizeBias": not config.for_tensorrt,
    }


@contextmanager
def quietly() -> Iterator[None]:
    """onnxruntime.quantization prints, and tells the root logger, of what a user cannot change."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)
