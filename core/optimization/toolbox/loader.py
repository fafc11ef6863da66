"""Loads a model in the form that suits this machine: as it is, in int8, or as a TensorRT engine; and says why."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.export_example import example_of
from core.optimization.toolbox.measuring import size_bytes, typical_ms
from core.optimization.toolbox.model_failures import MODEL_REFUSES, first_line
from core.optimization.toolbox.onnx_export import export_to_onnx
from core.optimization.toolbox.quality import outputs_of, relative_error
from core.optimization.toolbox.quantization import ModelQuantizer
from core.optimization.toolbox.quantization_config import QuantizationConfig, QuantizationType
from core.optimization.toolbox.registry import RegisteredModels, Registry
from core.optimization.toolbox.tensorrt import TensorRTConfig, TensorRTOptimizer
from core.optimization.toolbox.tensorrt_library import check_card, describe_card, load_library
from core.optimization.toolbox.tensorrt_runtime import TensorRTEngine
from core.utils.errors import MerlineError, OptimizationError, TensorRTUnavailableError

if TYPE_CHECKING:
    from torch import nn

Optimization = Literal["auto", "quantize", "tensorrt"]
ITERATIONS = 20
LARGEST_ERROR = 0.05
"""relative distance of the outputs, beyond which `auto` leaves a form out"""
CANDIDATES = (QuantizationType.DYNAMIC, QuantizationType.BF16)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is called like the one it was made from."""

    model: Any
    form: str
    """ "original", "dynamic", "bf16" or "tensorrt" """
    why: str
    """for a person: what was measured, or what stood in the way of the others"""

    @property
    def size_bytes(self) -> int:
        """As it is kept: an engine's plan, else weights and buffers."""
        return size_bytes(self.model)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """The model's answer, without gradients."""
        import torch

        with torch.inference_mode():
            return self.model(*inputs, **named)


def load_optimized_model(
    model_type: str | nn.Module,
    optimization: Optimization = "auto",
    models_registry: Registry | None = None,
    example_input: Any = None,
) -> LoadedModel:
    """Load `model_type`, a name of `models_registry` or a module, in the form asked for; the module is not changed.

    "quantize": dynamic int8. "tensorrt": an engine for the card (unverified, see core.optimization.toolbox.tensorrt).
    "auto": TensorRT where it and a card are there and its outputs are the model's, else what measured fastest here of
    itself, dynamic int8 and bfloat16 with outputs within LARGEST_ERROR; it needs `example_input`, registered test
    data, or the model's own attribute `example_input`. Raises OptimizationError for another word or an unknown name,
    QuantizationError and TensorRTUnavailableError where what was asked for cannot be.
    """
    if optimization not in get_args(Optimization):
        raise OptimizationError(
            f"optimization '{optimization}' is unknown; take one of: {', '.join(get_args(Optimization))}"
        )
    subject = RegisteredModels(models_registry or {}).subject(model_type)
    model = subject.model
    if example_input is None:
        example_input = subject.test[0].inputs if subject.test else getattr(model, "example_input", None)
    example = example_input
    if optimization == "quantize":
        return LoadedModel(_quantized(model, QuantizationType.DYNAMIC), "dynamic", "asked for")
    if optimization == "tensorrt":
        return LoadedModel(_engine(model, example), "tensorrt", "asked for; unverified")
    try:
        return _checked_engine(model, example)
    except MerlineError as error:
        return _fastest(model, example, str(error))


def _checked_engine(model: nn.Module, example: Any) -> LoadedModel:
    """Raises TensorRTUnavailableError, ExportError and others where there can be none, or it answers otherwise."""
    loaded = LoadedModel(_engine(model, example), "tensorrt", "TensorRT and a card are here")
    batch = Batch(example)
    original = copy.deepcopy(model).eval()
    off = relative_error(outputs_of(loaded, [batch]), outputs_of(original, [batch]))
    if off > LARGEST_ERROR:
        raise TensorRTUnavailableError(f"TensorRT's engine gives outputs off by {off:.1%}")
    return replace(loaded, why=f"{loaded.why}; its outputs are off by {off:.2%}")


def _quantized(model: nn.Module, kind: QuantizationType) -> nn.Module:
    return ModelQuantizer(QuantizationConfig(kind)).quantize(model)


def _engine(model: nn.Module, example: Any) -> Any:
    """Built anew each time, in a folder that goes at the end: an engine in use lives on the card."""
    check_card(load_library(), describe_card()[0])
    if example is None:
        raise OptimizationError('optimization="tensorrt": give example_input, whose shapes the engine is built for')
    with tempfile.TemporaryDirectory() as folder:
        exported = export_to_onnx(model, Path(folder) / "model.onnx", example)
        shapes = {name: tuple(tensor.shape) for name, tensor in example_of(model, example).tensors().items()}
        built = TensorRTOptimizer(TensorRTConfig(fp16_mode=True)).optimize_from_onnx(
            exported.path, Path(folder) / "model.engine", shapes
        )
        return _Named(TensorRTEngine(built.path), list(shapes))


@dataclass(frozen=True, slots=True)
class _Named:
    """An engine called with tensors in the order of its inputs."""

    engine: TensorRTEngine
    names: list[str]

    @property
    def size_bytes(self) -> int:
        return self.engine.header.plan_bytes

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        outputs = tuple(self.engine.run(dict(zip(self.names, inputs, strict=False)) | named).values())
        return outputs[0] if len(outputs) == 1 else outputs


def _fastest(model: nn.Module, example: Any, no_tensorrt: str) -> LoadedModel:
    import torch

    if example is None:
        raise OptimizationError('optimization="auto" measures: give example_input, a tensor, a tuple or a mapping')
    original = copy.deepcopy(model).eval()
    batch = Batch(example)
    forms: dict[str, nn.Module] = {"original": original}
    left_out = [no_tensorrt.partition(";")[0]]
    with torch.inference_mode():
        (exact,) = outputs_of(original, [batch])
        for kind in CANDIDATES:
            try:
                form = _quantized(model, kind)
                error = relative_error([batch.run(form)], [exact])
            except MODEL_REFUSES as failure:
                left_out.append(f"{kind.value}: {first_line(failure)[:120]}")
                continue
            if error > LARGEST_ERROR:
                left_out.append(f"{kind.value}: outputs off by {error:.1%}")
            else:
                forms[kind.value] = form
    took = typical_ms({name: partial(batch.run, form) for name, form in forms.items()}, ITERATIONS)
    best = min(took, key=lambda name: took[name])
    measured = ", ".join(f"{name} {milliseconds:.2f} ms" for name, milliseconds in took.items())
    return LoadedModel(forms[best], best, f"{measured}; left out: {'; '.join(left_out)}")
