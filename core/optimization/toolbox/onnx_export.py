"""Export to ONNX: traced by torch.export, cleaned by graph passes, verified against PyTorch, written as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.optimization.toolbox.export_example import DynamicAxes, Example, example_of, read_axes
from core.optimization.toolbox.graph_pass import GraphPass, PassRecord
from core.optimization.toolbox.model_failures import MODEL_REFUSES, first_line
from core.optimization.toolbox.onnx_config import ExportReport, ONNXExportConfig, Verification
from core.optimization.toolbox.onnx_files import move_into_place, weight_bytes, workshop, write_model
from core.optimization.toolbox.onnx_information import model_information
from core.optimization.toolbox.onnx_passes.table import PASSES, run_passes
from core.optimization.toolbox.onnx_trace import inference_mode_of, name_outputs, refuse_untraceable, trace
from core.optimization.toolbox.onnx_verify import check_sizes, flat_outputs, no_tensors, verify
from core.optimization.toolbox.targets import target_of
from core.utils.errors import ExportError

logger = logging.getLogger(__name__)


class ONNXExporter:
    """Exports PyTorch modules. The module stays as it was; so does a file at the path where the export fails.

    `progress` is told of each step, a line at a time.
    """

    def __init__(
        self,
        config: ONNXExportConfig | None = None,
        passes: tuple[GraphPass, ...] = PASSES,
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.config = config or ONNXExportConfig()
        self._passes = passes
        self._progress = progress

    def export(
        self, model: Any, dummy_input: Any, path: Path | str, dynamic_axes: Mapping[str, Any] | None = None
    ) -> ExportReport:
        """Write `model` to `path`. `dummy_input`: a tensor, a tuple of positional or a mapping of keyword arguments.

        `dynamic_axes` here win over the configuration's. Raises ExportError: the model does not trace, has operators
        that ONNX has not, gives other numbers there, or the file cannot be written (OptimizationError where a device is
        there). MissingDependencyError without the extra `toolbox`.
        """
        path = target_of(path)
        refuse_untraceable(model)
        example = example_of(model, dummy_input, self.config.input_names)
        with inference_mode_of(model):
            outputs = self._output_names(model, example)
            axes = read_axes(self.config.dynamic_axes if dynamic_axes is None else dynamic_axes, example, outputs)
            check_sizes(example, axes, self.config.verify_sizes)
            self._progress("tracing")
            graph = trace(model, example, axes, self.config.opset, outputs)
            graph, records = self._optimized(graph)
            name_outputs(graph, outputs)  # passes may have made two of them one
            with workshop(path) as folder:
                made = folder / path.name
                written = write_model(graph, made, self._external(graph, path), path)
                verifications = self._verified(model, made, example, axes)
                data = move_into_place(made, path, written)
        return _report(path, data, records, verifications)

    def _optimized(self, graph: Any) -> tuple[Any, tuple[PassRecord, ...]]:
        if not self.config.optimize:
            return graph, ()
        self._progress(f"{len(self._passes)} graph passes")
        return run_passes(graph, self._passes)

    def _verified(self, model: Any, made: Path, example: Example, axes: DynamicAxes) -> tuple[Verification, ...]:
        if not self.config.verify_export:
            return ()
        self._progress("comparing with PyTorch")
        return verify(model, made, example, axes, (self.config.tolerance, self.config.verify_sizes))

    def _output_names(self, model: Any, example: Example) -> list[str]:
        try:
            result = example.call(model)
            answer, others = flat_outputs(result), no_tensors(result)
        except MODEL_REFUSES as error:
            raise ExportError(
                f"{type(model).__name__} fails on the example input ({first_line(error)}); give one that it takes"
            ) from error
        if not answer:
            raise ExportError(f"{type(model).__name__} gives no tensor, so there is nothing to export: return one")
        if others:
            raise ExportError(
                f"{type(model).__name__} gives {others[0]!r} beside its tensors, and ONNX has tensors alone: leave it "
                "out, or return torch.tensor of it"
            )
        if any(one.dtype.kind == "c" for one in answer):
            raise ExportError(
                f"{type(model).__name__} gives complex numbers, which ONNX has not; give torch.view_as_real of them"
            )
        number, names = len(answer), list(self.config.output_names or ())
        if not names:
            names = ["output"] if number == 1 else [f"output_{place}" for place in range(number)]
        if len(names) != number:
            raise ExportError(f"output_names {names}: {type(model).__name__} gives {number} tensors; name each")
        return names

    def _external(self, graph: Any, path: Path) -> bool:
        size = weight_bytes(graph)
        wanted = self.config.external_data
        if wanted is False and size > self.config.external_limit_bytes:
            raise ExportError(
                f"{path}: {size / 1e9:.1f} GB of weights do not fit into one ONNX file, which ends at 2 GB; "
                'leave external_data at "auto"'
            )
        return size > self.config.external_limit_bytes if wanted == "auto" else wanted


def export_to_onnx(model: Any, path: Path | str, dummy_input: Any = None, **options: Any) -> ExportReport:
    """Export in one call; `options` are fields of ONNXExportConfig.

    Without `dummy_input` the model must say what it takes by an attribute `example_input` (as torch's own idiom
    `example_input_array` does too). Raises as ONNXExporter.export does.
    """
    if dummy_input is None:
        dummy_input = getattr(model, "example_input", getattr(model, "example_input_array", None))
    if dummy_input is None:
        raise ExportError(
            f"{type(model).__name__}: give dummy_input, an example of what it takes, e.g. torch.randn(1, 3, 224, 224)"
        )
    try:
        config = replace(ONNXExportConfig(), **options)
    except TypeError as error:
        raise ExportError(f"export_to_onnx: {error}; the options are the fields of ONNXExportConfig") from None
    return ONNXExporter(config).export(model, dummy_input, path)


def _report(
    path: Path, data: Path | None, records: tuple[PassRecord, ...], verifications: tuple[Verification, ...]
) -> ExportReport:
    found = model_information(path)
    report = ExportReport(
        path=path,
        verified=bool(verifications),
        opset=found.opset,
        nodes=sum(found.nodes.values()),
        parameters=found.parameters,
        size_bytes=found.file_bytes,
        external_data=data,
        passes=records,
        verifications=verifications,
    )
    logger.info(
        "exported %s: %d nodes, %.1f MB, verified: %s", path, report.nodes, report.size_bytes / 1e6, report.verified
    )
    return report
