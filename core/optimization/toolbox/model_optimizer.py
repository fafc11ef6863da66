"""ModelOptimizer: the offline half of the optimiser behind short methods. Models given are never changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from core.optimization.toolbox.batches import as_batches
from core.optimization.toolbox.comparison import Comparison, compare_strategies
from core.optimization.toolbox.deployment import Deployment, deploy
from core.optimization.toolbox.distillation import DistillationConfig, Distilled, Distiller, Progress
from core.optimization.toolbox.loader import LoadedModel, load_optimized_model
from core.optimization.toolbox.onnx_export import export_to_onnx
from core.optimization.toolbox.performance_metrics import ITERATIONS, PerformanceMetrics, measure
from core.optimization.toolbox.pruning import prune_unstructured
from core.optimization.toolbox.quality import outputs_of
from core.optimization.toolbox.quantization import ModelQuantizer, is_quantized, lean_copy
from core.optimization.toolbox.quantization_config import QuantizationConfig, QuantizationReport, type_named
from core.optimization.toolbox.registry import RegisteredModels, Registry
from core.optimization.toolbox.structured_pruning import StructuredPruner
from core.utils.errors import OptimizationError

if TYPE_CHECKING:
    from core.optimization.toolbox.onnx_config import ExportReport

ModelOrName = str | nn.Module
STEPS_A_LINE = 50
"""of a distillation, between two lines of progress"""


class ModelOptimizer:
    """`models_registry`: name -> module, a function that makes one, or a RegisteredModel with its data.

    `progress` is told what is being done, a line at a time. `report` tells of the last quantisation, `distilled` of the
    last distillation.
    """

    def __init__(
        self, models_registry: Registry | None = None, progress: Callable[[str], None] = lambda line: None
    ) -> None:
        self._models = RegisteredModels(models_registry or {})
        self._progress = progress
        self.report: QuantizationReport | None = None
        self.distilled: Distilled | None = None

    def quantize_model(
        self, model_name: ModelOrName, quantization_type: str = "dynamic", calibration_data: Any = None
    ) -> nn.Module:
        """A smaller copy: dynamic, static, fp16, bf16, qat, int8_weight or int4_weight.

        Static and QAT take `calibration_data`, else what is registered. Raises QuantizationError, or OptimizationError
        for an unknown name.
        """
        subject = self._models.subject(model_name)
        kind = type_named(quantization_type)
        registered = (subject.training if kind.value == "qat" else ()) or subject.calibration or subject.test
        data = calibration_data if calibration_data is not None else list(registered) or None
        quantizer = ModelQuantizer(QuantizationConfig(kind), self._progress)
        quantized = quantizer.quantize(subject.model, data)
        self.report = quantizer.report
        return quantized

    def prune_model_weights(
        self, model: ModelOrName, pruning_ratio: float = 0.2, structured: bool = False, example_input: Any = None
    ) -> nn.Module:
        """A copy with the smallest weights zero (L1, unstructured), or with channels and heads removed.

        Zeros make a file of pruned_files.save_pruned smaller, not memory or time; structured pruning needs
        `example_input`, else the registered test data. Raises OptimizationError for a ratio outside 0..1.
        """
        subject = self._models.subject(model)
        if not structured:
            pruned = prune_unstructured(subject.model, pruning_ratio)
            self._progress(pruned.note)
            return pruned.model
        if example_input is None:
            example_input = subject.with_data(None).test[0].inputs
        return StructuredPruner().prune(subject.model, pruning_ratio, example_input).model

    def distill_knowledge(
        self,
        teacher_model: ModelOrName,
        student_model: ModelOrName,
        training_data: Any = None,
        temperature: float = 4.0,
        alpha: float = 0.5,
        **options: Any,
    ) -> nn.Module:
        """The student trained on what the teacher says; `options` are further fields of DistillationConfig.

        Raises OptimizationError as distillation.Distiller does.
        """
        teacher, student = self._models.subject(teacher_model), self._models.subject(student_model)
        data = training_data if training_data is not None else list(student.training or teacher.training)
        try:
            config = DistillationConfig(temperature, alpha, **options)
        except TypeError as error:
            raise OptimizationError(f"distill_knowledge: {error}; options are fields of DistillationConfig") from None
        done = self.distilled = Distiller(config, self._tell).distil(teacher.model, student.model, data)
        if done.resumed_from_step:
            self._progress(f"it went on from step {done.resumed_from_step}, kept in {config.checkpoint_folder}")
        return done.model

    def export_to_onnx(
        self, model: ModelOrName, export_path: Path | str, dummy_input: Any = None, **options: Any
    ) -> ExportReport:
        """Write an ONNX file, checked against the model; `options` are fields of ONNXExportConfig.

        Without `dummy_input` the first registered test batch is taken. Raises ExportError.
        """
        subject = self._models.subject(model)
        example = subject.test[0].inputs if dummy_input is None and subject.test else dummy_input
        return export_to_onnx(subject.model, export_path, example, **options)

    def benchmark_model_performance(
        self,
        model: ModelOrName,
        test_data: Any = None,
        original: ModelOrName | None = None,
        iterations: int = ITERATIONS,
    ) -> PerformanceMetrics:
        """inference_time (ms), memory_usage and model_size (MB), accuracy (0..1).

        Accuracy is by the labels in `test_data`; without labels it is agreement with `original`'s choices, and
        `accuracy_of` says which. Raises OptimizationError where there are neither labels nor an original.
        """
        subject = self._models.subject(model)
        batches = list(subject.test) if test_data is None else as_batches(test_data, "test_data")
        if not batches:
            raise OptimizationError(
                "no test data: give test_data, or register the model as RegisteredModel(model, data)"
            )
        reference = subject.model if original is None else self._models.subject(original).model
        if original is None and is_quantized(subject.model) and any(batch.labels is None for batch in batches):
            raise OptimizationError("accuracy without labels is agreement with the original: give original=, or labels")
        beside = reference if is_quantized(reference) else lean_copy(reference)
        measured = beside if reference is subject.model else _evaluating(subject.model)
        return measure(measured, beside, outputs_of(beside, batches), batches, iterations)[0]

    def auto_optimize_for_deployment(
        self,
        target_platform: str,
        model_name: ModelOrName,
        performance_threshold: Mapping[str, float] | None = None,
        test_data: Any = None,
        out: Path | None = None,
    ) -> Deployment:
        """The best way for "mobile" (small), "edge" (small and fast) or "server" (fast) that meets the thresholds.

        Thresholds: inference_time (ms), memory_usage and model_size (MB), accuracy (0..1). What no threshold speaks of
        does not become worse. Registered training data let it prune and train under rounding too. `out`: write what is
        chosen, under another ending where that is a graph. Raises OptimizationError for an unknown platform, threshold
        or missing data, ThresholdsNotMetError with the closest way and what it lacks.
        """
        subject = self._models.subject(model_name).with_data(test_data)
        return deploy(subject, target_platform, performance_threshold, self._progress, out)

    def compare_strategies(
        self, model: ModelOrName, test_data: Any = None, strategies: list[str] | str | None = None, iterations: int = 50
    ) -> Comparison:
        """Size, speed and quality of each strategy; its text(), as_json() and chart(path) show them."""
        subject = self._models.subject(model).with_data(test_data)
        name = model if isinstance(model, str) else type(model).__name__
        return compare_strategies(subject, name, strategies, iterations, self._progress)

    def load_optimized_model(
        self, model_type: ModelOrName, optimization: str = "auto", example_input: Any = None
    ) -> LoadedModel:
        """Ready to use: "quantize", "tensorrt", or "auto", which measures. Raises as the loader does."""
        subject = self._models.subject(model_type)
        example = subject.test[0].inputs if example_input is None and subject.test else example_input
        return load_optimized_model(subject.model, optimization, example_input=example)  # type: ignore[arg-type]

    def _tell(self, told: Progress) -> None:
        if told.epoch_done:
            self._progress(f"epoch {told.epoch} of {told.epochs}: loss {told.loss:.4g}")
        elif told.step % STEPS_A_LINE == 0:
            where = f"epoch {told.epoch} of {told.epochs}, step {told.step} of {told.steps}"
            self._progress(f"{where}: loss {told.loss:.4g}")


def _evaluating(model: nn.Module) -> nn.Module:
    return model.eval() if is_quantized(model) else lean_copy(model)
