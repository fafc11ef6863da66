"""An ONNX model with its precision in the graph, as a strongly typed TensorRT (11, RTX) wants it.

float16: casts at the graph's ends, halves within. int8: QDQ nodes, whose scales come from ONNX Runtime's entropy
calibration on the CPU, or from the cache of an earlier one. Runs and is tested without TensorRT and without a card.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.optimization.toolbox.onnx_config import PROTOBUF_LIMIT_BYTES
from core.optimization.toolbox.onnx_qdq import OnnxQuantizationConfig
from core.optimization.toolbox.onnx_quantize import quantize_onnx, quantize_with_scales
from core.optimization.toolbox.packages import toolbox_package
from core.optimization.toolbox.tensorrt_calibration import CalibrationCache, CalibrationFeed, read_cache
from core.utils.errors import ExportError

METHOD = "OnnxEntropyCalibration"
"""in the cache's first line: its scales are ONNX Runtime's, not those that TensorRT 10 would find"""
HALF_SCALES_OPSET = 19
"""before it, QuantizeLinear took scales in float32 alone"""
SETTINGS = OnnxQuantizationConfig(calibration="entropy", for_tensorrt=True)


@dataclass(frozen=True, slots=True)
class Precision:
    """What the graph is to be in."""

    float16: bool = False
    quantise: bool = False
    """insert QDQ nodes; a model that has some keeps its own"""
    calibration_data: Iterable[Mapping[str, Any]] | None = None
    calibration_cache: Path | None = None


def write_typed(source: Path, target: Path, precision: Precision) -> Path:
    """The model in that precision, at `target`; `source` itself where nothing is to be done.

    Raises QuantizationError as quantize_onnx and the cache do, ExportError where float16 cannot be had.
    """
    made = source
    if precision.quantise:
        made = _quantised(source, target.with_name(f"int8-{target.name}"), precision)
    return _halved(made, target) if precision.float16 else made


def _quantised(source: Path, target: Path, precision: Precision) -> Path:
    feed = CalibrationFeed((), precision.calibration_cache, None)
    cached = feed.cached(METHOD)
    if cached is not None:
        quantize_with_scales(source, target, read_cache(cached, method=METHOD).scales, SETTINGS)
        return target
    report = quantize_onnx(source, target, precision.calibration_data or (), SETTINGS)
    version = toolbox_package("onnxruntime", "calibrating").__version__.replace(".", "")
    feed.keep(CalibrationCache(version, report.scales, METHOD).text().encode())
    return target


def _halved(source: Path, target: Path) -> Path:
    onnx = toolbox_package("onnx", "a float16 model")
    converter = toolbox_package("onnxruntime.transformers.float16", "a float16 model")
    model = onnx.load(source)
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node) and _opset(model) < HALF_SCALES_OPSET:
        model = onnx.version_converter.convert_version(model, HALF_SCALES_OPSET)
    large = model.ByteSize() > PROTOBUF_LIMIT_BYTES
    try:
        with warnings.catch_warnings():
            # it warns of each weight that is below float16's least or above its largest
            warnings.simplefilter("ignore")
            halved = converter.convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=large)
        onnx.save(halved, target, save_as_external_data=large, location=f"{target.name}.data")
    except (ValueError, RuntimeError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{source} cannot be had in float16 ({error}); leave fp16_mode out") from error
    return target


def _opset(model: Any) -> int:
    return next((int(one.version) for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
