"""From a PyTorch module to an onnx_ir graph, by torch.export and torch's ONNX exporter; the module stays as it was."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from core.optimization.toolbox.export_example import DynamicAxes, Example, axis_sizes
from core.optimization.toolbox.model_failures import MODEL_FAILS
from core.optimization.toolbox.packages import toolbox_package
from core.utils.errors import ExportError, MerlineError

EAGER_INT8 = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.ao.nn.qat")


@contextlib.contextmanager
def inference_mode_of(model: Any) -> Iterator[None]:
    """Every part of the model in eval mode meanwhile, then as it was; no gradients."""
    import torch

    training = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, was in training:
            part.training = was


def refuse_untraceable(model: Any) -> None:
    """Raises ExportError for what is no module, and for layers of packed weights: ONNX has no operator for them."""
    from torch import nn

    from core.optimization.toolbox.graphs import refuse_script

    if not isinstance(model, nn.Module):
        raise ExportError(f"a {type(model).__name__} cannot be exported: give a torch.nn.Module")
    refuse_script(model, ExportError)
    for name, part in model.named_modules():
        home = type(part).__module__
        if home.startswith(EAGER_INT8) or hasattr(part, "_packed_params"):
            how = "eager int8 layer of torch.ao"
        elif home.startswith("core.") and re.search(r"packed|int8|int4|weight_only", home):
            how = f"packed layer of {home}"
        else:
            continue
        raise ExportError(
            f"'{name or type(model).__name__}' is a {type(part).__name__}, an {how}, which does not export: "
            "export the float model, then quantise the graph: quantize_onnx writes QDQ nodes, "
            "which ONNX Runtime and TensorRT read"
        )


def trace(model: Any, example: Example, axes: DynamicAxes, opset: int, output_names: list[str]) -> Any:
    """The onnx_ir.Model of one call of `model`, in eval mode. Raises ExportError: what stopped it, and the cure."""
    import torch

    toolbox_package("onnxscript", "torch's ONNX exporter")
    twos = {name: 2 for name, size in axis_sizes(example, axes).items() if size == 1}
    wide = example.resized(axes, twos).detached()  # torch.export marks its tensors, and leaves the marks where it fails
    input_names = [slot.name for slot in example.slots]
    with _quiet():
        try:
            program = torch.export.export(
                model, *_call_arguments(wide), dynamic_shapes=_dynamic_shapes(wide, axes), strict=False
            )
        except MODEL_FAILS as error:
            raise ExportError(_untraceable(model, error, axes)) from error
        try:
            made = torch.onnx.export(
                program,
                input_names=input_names,
                opset_version=opset,
                dynamo=True,
                optimize=False,
                verbose=False,
            )
        except MODEL_FAILS as error:
            raise ExportError(_unconvertible(model, error)) from error
    assert made is not None
    _name_axes(made, example, axes)
    name_outputs(made.model, output_names)
    return made.model


def name_outputs(model: Any, names: Sequence[str]) -> None:
    """Each output of the graph a value of its own, so named: an input or another output goes by an Identity."""
    ir = toolbox_package("onnx_ir", "naming outputs")
    taken: set[int] = set()
    for place, name in enumerate(names):
        value = model.graph.outputs[place]
        if value.is_graph_input() or id(value) in taken:
            through = ir.node("Identity", inputs=[value])
            through.outputs[0].type, through.outputs[0].shape = value.type, value.shape
            model.graph.append(through)
            model.graph.outputs[place] = value = through.outputs[0]
        value.name = name
        taken.add(id(value))


def _name_axes(made: Any, example: Example, axes: DynamicAxes) -> None:
    """The exporter calls dynamic axes s77 and the like; ours have the names that were asked for."""
    named = {value.name: value for value in made.model.graph.inputs}
    renamed: dict[str, str] = {}
    for slot in example.slots:
        for axis, label in axes.get(slot.name, {}).items():
            found = named[slot.name].shape[axis] if slot.name in named else None
            if found is not None and not isinstance(found, int) and found.value != label:
                renamed[str(found.value)] = label
    if renamed:
        made.rename_axes(renamed)


def _call_arguments(example: Example) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional up to *args, by name after it."""
    if example.variadic is None:
        return (), dict(example.arguments)
    names = list(example.arguments)
    at = names.index(example.variadic)
    positional = [example.arguments[name] for name in names[:at]]
    return (*positional, *example.arguments[example.variadic]), {n: example.arguments[n] for n in names[at + 1 :]}


def _dynamic_shapes(example: Example, axes: DynamicAxes) -> dict[str, Any] | None:
    """As torch.export takes them, by forward's parameters. Bounds, and which axes are equal, it finds out itself."""
    import torch

    if not axes:
        return None
    varies = torch.export.Dim.DYNAMIC
    shapes: dict[str, Any] = {}
    for parameter, value in example.arguments.items():
        inner = {slot.place: slot for slot in example.slots if slot.parameter == parameter}
        if None in inner:
            shapes[parameter] = dict.fromkeys(axes.get(inner[None].name, {}), varies)
        elif inner:
            shapes[parameter] = tuple(
                dict.fromkeys(axes.get(inner[place].name, {}), varies) if place in inner else None
                for place in range(len(value))
            )
        else:
            shapes[parameter] = None
    return shapes


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter prints, logs and warns of its own insides; what matters of it is in our errors."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = registry.level
    said = io.StringIO()
    for one in (*loggers, registry):
        one.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        registry.setLevel(before)
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def _root(error: BaseException) -> str:
    """The first line of the innermost cause, without colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line for line in re.sub(r"\x1b\[\d+m", "", str(error)).splitlines() if line.strip()]
    return lines[0].strip()[:300] if lines else type(error).__name__


def _untraceable(model: Any, error: BaseException, axes: DynamicAxes) -> str:
    name, root, text = type(model).__name__, _root(error), str(error)
    if isinstance(error, MerlineError):
        return f"{name} refuses the example input: {root}"
    if axes and ("onstraints violated" in text or "specialized" in text or "user-specified" in text):
        labels = ", ".join(sorted({label for table in axes.values() for label in table.values()}))
        return (
            f"{name} fixes the size of an axis that dynamic_axes lets vary ({labels}): {root}; "
            "leave that axis out, or write the model without its number"
        )
    if "data-dependent" in text or "GuardOnDataDependent" in type(error).__name__:
        return (
            f"{name} does not trace: what it does depends on the values of a tensor ({root}); "
            "replace the branch by torch.where or torch.cond"
        )
    return f"{name} does not trace: {root}; its forward must be tensor operations alone on what it is given"


def _unconvertible(model: Any, error: BaseException) -> str:
    found = re.search(r"torch\.ops\.([\w.]+)", str(error) + _chain(error))
    operator = found[1] if found else ""
    named = f"the operator {operator}" if operator else _root(error)
    return (
        f"{type(model).__name__} uses what ONNX does not have: {named}; write that part with other operators, "
        "or leave it out of the exported model"
    )


def _chain(error: BaseException) -> str:
    told = ""
    cause = error.__cause__
    while cause is not None:
        told += str(cause)
        cause = cause.__cause__
    return told
