"""The ways to optimise a model that are tried beside each other, each with what it needs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.optimization.toolbox.distillation import DistillationConfig, Distiller
from core.optimization.toolbox.export_example import example_of
from core.optimization.toolbox.onnx_config import ONNXExportConfig
from core.optimization.toolbox.onnx_export import ONNXExporter
from core.optimization.toolbox.onnx_files import sweep
from core.optimization.toolbox.onnx_model import OnnxModel
from core.optimization.toolbox.onnx_quantize import quantize_onnx
from core.optimization.toolbox.onnx_runtime import SessionOptions
from core.optimization.toolbox.onnx_verify import numpy_inputs
from core.optimization.toolbox.packages import missing_packages
from core.optimization.toolbox.quantization import ModelQuantizer
from core.optimization.toolbox.quantization_config import QuantizationConfig, QuantizationType
from core.optimization.toolbox.registry import Subject
from core.optimization.toolbox.structured_pruning import StructuredPruner
from core.optimization.toolbox.tensorrt_library import check_card, describe_card, load_library
from core.utils.errors import MerlineError, TensorRTUnavailableError

PREFIX = "merline-onnx-"
PRUNED_SHARE = 0.2
"""what the founding documents advise to begin with"""
TRAINING_EPOCHS = 4


class Workbench:
    """A folder while ways are tried, and in it the ONNX file that two of them begin with, exported once.

    `progress` is told what takes long within a way.
    """

    def __init__(self, progress: Callable[[str], None] = lambda line: None) -> None:
        self.progress = progress
        sweep(Path(tempfile.gettempdir()), PREFIX)
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        self._exported: Path | MerlineError | None = None

    def __enter__(self) -> Workbench:
        return self

    def __exit__(self, *failure: object) -> None:
        self._folder.cleanup()

    def exported(self, subject: Subject) -> Path:
        """Raises the same MerlineError each time where it cannot be."""
        if self._exported is None:
            path = Path(self._folder.name) / "model.onnx"
            config = ONNXExportConfig(verify_export=False, dynamic_axes=_varying_axes(subject))
            try:
                ONNXExporter(config, progress=self.progress).export(subject.model, subject.test[0].inputs, path)
                self._exported = path
            except MerlineError as error:
                self._exported = error
        if isinstance(self._exported, MerlineError):
            raise self._exported
        return self._exported


@dataclass(frozen=True, slots=True)
class Strategy:
    """`make` gives a model that is called like the original. It raises MerlineError where it cannot.

    The workbench is there for as long as ways are tried.
    """

    name: str
    make: Callable[[Subject, Workbench], Any]
    obstacle: Callable[[], str] = str
    """why it cannot be tried on this machine; "" where it can"""
    on_card: bool = False
    """what it gives runs on a graphics card too"""
    card_only: bool = False
    """and nowhere else"""
    trains: bool = False
    """it takes as long as training does: only on request"""


def quantized(kind: QuantizationType, subject: Subject, bench: Workbench) -> nn.Module:
    """In int8, int4 or half precision, with the subject's data."""
    data = subject.training if kind is QuantizationType.QAT else subject.calibration
    return ModelQuantizer(QuantizationConfig(kind), bench.progress).quantize(subject.model, list(data))


def _pruned(subject: Subject, bench: Workbench) -> nn.Module:
    """And trained on by what the original says, where there is data to train with."""
    pruned = StructuredPruner().prune(subject.model, PRUNED_SHARE, subject.test[0].inputs).model
    if not subject.training:
        return pruned
    config = DistillationConfig(epochs=TRAINING_EPOCHS)
    return Distiller(config).distil(subject.model, pruned, list(subject.training)).model


def _onnx(quantize: bool, subject: Subject, bench: Workbench) -> OnnxModel:
    path = bench.exported(subject)
    if quantize:
        data = [numpy_inputs(example_of(subject.model, batch.inputs)) for batch in subject.calibration]
        path = quantize_onnx(path, path.with_name("model.int8.onnx"), data).path
    return OnnxModel(path, SessionOptions(threads=torch.get_num_threads(), spinning=False))


def _varying_axes(subject: Subject) -> dict[str, dict[int, str]]:
    """Axes whose size differs between batches, to judge by or to calibrate on; those of one size each time have one
    name."""
    batches = (*subject.test, *subject.calibration)
    tensors = [example_of(subject.model, batch.inputs).tensors() for batch in batches]
    axes: dict[str, dict[int, str]] = {}
    labels: dict[tuple[int, ...], str] = {}
    for name, first in tensors[0].items():
        for axis in range(first.dim()):
            sizes = tuple(int(one[name].shape[axis]) for one in tensors)
            if len(set(sizes)) > 1:
                axes.setdefault(name, {})[axis] = labels.setdefault(sizes, f"size_{len(labels)}")
    return axes


def _without_onnx() -> str:
    missing = missing_packages(("onnx", "onnxscript", "onnxruntime"))
    return f"{', '.join(missing)} missing: the extra `toolbox` brings them" if missing else ""


def _without_tensorrt() -> str:
    try:
        trt = load_library()
        check_card(trt, describe_card()[0])
    except TensorRTUnavailableError as error:
        return str(error).partition(";")[0]
    return ""


def _engine(subject: Subject, bench: Workbench) -> Any:
    from core.optimization.toolbox.loader import load_optimized_model

    return load_optimized_model(subject.model, "tensorrt", example_input=subject.test[0].inputs)


_HALVES = (QuantizationType.FP16, QuantizationType.BF16)
STRATEGIES: dict[str, Strategy] = {
    **{
        kind.value: Strategy(
            kind.value, partial(quantized, kind), on_card=kind in _HALVES, trains=kind is QuantizationType.QAT
        )
        for kind in QuantizationType
    },
    "pruned": Strategy("pruned", _pruned, on_card=True, trains=True),
    "onnx": Strategy("onnx", partial(_onnx, False), _without_onnx),
    "onnx_int8": Strategy("onnx_int8", partial(_onnx, True), _without_onnx),
    "tensorrt": Strategy("tensorrt", _engine, _without_tensorrt, on_card=True, card_only=True),
}
