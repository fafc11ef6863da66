"""The whole way of a model: exported to ONNX, quantised there by QDQ nodes, built into a TensorRT engine.

Each step's file stays, so that a machine without a card ends with an ONNX model that runs; the step says why it ended.
The engine's step is unverified: see core.optimization.toolbox.tensorrt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from core.optimization.toolbox.batches import as_batches
from core.optimization.toolbox.export_example import example_of
from core.optimization.toolbox.onnx_config import ONNXExportConfig
from core.optimization.toolbox.onnx_export import ONNXExporter
from core.optimization.toolbox.onnx_qdq import OnnxQuantizationConfig
from core.optimization.toolbox.onnx_quantize import quantize_onnx
from core.optimization.toolbox.onnx_verify import numpy_inputs
from core.optimization.toolbox.tensorrt import TensorRTConfig, TensorRTOptimizer
from core.utils.errors import ExportError, TensorRTUnavailableError

StepName = Literal["onnx", "quantize", "tensorrt"]


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """What the steps are to do."""

    export: ONNXExportConfig = field(default_factory=ONNXExportConfig)
    quantize: bool = True
    quantization: OnnxQuantizationConfig = field(default_factory=OnnxQuantizationConfig)
    tensorrt: TensorRTConfig | None = None
    """None: no engine is built"""
    input_shapes: Mapping[str, Any] | None = None
    """for the engine; default: the example's own shapes"""
    require_engine: bool = False
    """without TensorRT: an error instead of ending with the ONNX model"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was done, or why it was not."""

    name: StepName
    path: Path | None
    told: Mapping[str, Any]
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """All steps; `path` is what the last one made."""

    steps: tuple[Step, ...]

    @property
    def path(self) -> Path:
        """Of the furthest result."""
        return [step.path for step in self.steps if step.path is not None][-1]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        steps = [
            {"name": one.name, "path": str(one.path) if one.path else None, "skipped": one.skipped, **one.told}
            for one in self.steps
        ]
        return {"path": str(self.path), "steps": steps}

    def lines(self) -> list[str]:
        """For people."""
        told = [f"{one.name}: {one.skipped or one.path}" for one in self.steps]
        return told + [str(note) for one in self.steps if (note := one.told.get("warning"))]


class TransformPipeline:
    """Runs the steps. `progress` is told what begins; `build` stands in for the TensorRT optimizer in tests."""

    def __init__(
        self,
        config: PipelineConfig | None = None,
        progress: Callable[[str], None] | None = None,
        build: Callable[[TensorRTConfig], TensorRTOptimizer] = TensorRTOptimizer,
    ) -> None:
        self.config = config or PipelineConfig()
        self._tell = progress or (lambda line: None)
        self._build = build

    def run(self, model: Any, dummy_input: Any, folder: Path | str, calibration_data: Any = None) -> PipelineReport:
        """Write model.onnx, model.int8.onnx and model.engine into `folder`; `calibration_data` as as_batches takes it.

        Without calibration data the example itself calibrates, and the step says so. Raises ExportError and
        QuantizationError as the steps do, TensorRTUnavailableError where an engine is required.
        """
        folder, config = Path(folder), self.config
        self._tell("exporting to ONNX")
        exported = ONNXExporter(config.export).export(model, dummy_input, folder / "model.onnx")
        steps = [Step("onnx", exported.path, exported.as_json())]
        example = numpy_inputs(example_of(model, dummy_input, config.export.input_names))
        if config.quantize:
            steps.append(self._quantized(model, exported.path, example, calibration_data))
        if config.tensorrt is not None:
            steps.append(self._engine(steps[-1].path or exported.path, example, config.tensorrt))
        return PipelineReport(tuple(steps))

    def _quantized(self, model: Any, source: Path, example: Mapping[str, Any], data: Any) -> Step:
        self._tell("quantising to int8")
        names = self.config.export.input_names
        inputs = [dict(example)]
        if data is not None:
            batches = as_batches(data, "calibration_data")
            inputs = [numpy_inputs(example_of(model, one.inputs, names)) for one in batches]
        settings = replace(self.config.quantization, for_tensorrt=self.config.tensorrt is not None)
        done = quantize_onnx(source, source.with_name("model.int8.onnx"), inputs, settings)
        told = done.as_json()
        if data is None:
            told["note"] = "calibrated on the example input alone: give calibration_data like what is used"
        return Step("quantize", done.path, told)

    def _engine(self, source: Path, example: Mapping[str, Any], config: TensorRTConfig) -> Step:
        self._tell("building a TensorRT engine")
        shapes = self.config.input_shapes or {name: tuple(one.shape) for name, one in example.items()}
        config = replace(config, int8_mode=config.int8_mode or self.config.quantize)
        try:
            built = self._build(config).optimize_from_onnx(source, source.with_name("model.engine"), shapes)
        except TensorRTUnavailableError as error:
            if self.config.require_engine:
                raise
            return Step("tensorrt", None, {}, str(error))
        if not built.path.exists():
            raise ExportError(f"{built.path}: the engine was not written")
        return Step("tensorrt", built.path, built.as_json())
