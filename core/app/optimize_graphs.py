"""`optimize export | tensorrt`: a model as an ONNX graph, and as an engine for a card.

Progress goes to the error stream, the result to the output, as text or, with --json, one object.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.app.models_from_python import made_model
from core.app.toolbox_arguments import read_axes, read_shapes
from core.app.toolbox_models import first_input, need_torch, registered
from core.app.toolbox_report import check_out, less, megabytes, note, print_result, progress
from core.utils.config import Config

if TYPE_CHECKING:
    from core.optimization.toolbox.registry import RegisteredModel


def export(arguments: argparse.Namespace, config: Config) -> int:
    """A verified ONNX file, with what each graph pass changed; quantised too where that is asked for."""
    check_out(arguments.out, "--out", arguments.model)
    check_out(_int8_name(arguments.out) if arguments.int8 else None, "--int8", arguments.model)
    axes = read_axes(arguments.dynamic)
    need_torch()
    model, told_of = registered(arguments.model)
    if told_of:
        note(told_of)
    from core.optimization.toolbox.onnx_config import ONNXExportConfig
    from core.optimization.toolbox.onnx_export import ONNXExporter

    options = ONNXExportConfig(
        optimize=not arguments.no_optimize,
        verify_export=not arguments.no_verify,
        opset=arguments.opset,
        dynamic_axes=axes,
        tolerance=arguments.tolerance,
    )
    progress("exporting")
    report = ONNXExporter(options, progress=progress).export(made_model(model), first_input(model), arguments.out)
    told, lines = report.as_json(), report.lines()
    if arguments.int8:
        progress("quantising the graph")
        quantised = _quantised_graph(model, arguments.out, options)
        told["int8"] = quantised.as_json()
        lines.append(
            f"{quantised.path}: {megabytes(quantised.bytes_after)} ({less(quantised.size_reduction_percent)}), "
            f"outputs off by {quantised.difference:.2g}{_agreement(quantised.agreement)}"
        )
        lines += [f"  {quantised.warning}"] if quantised.warning else []
    if arguments.benchmark:
        told["runtime"] = _runtime(model, arguments)
        lines.append(
            "ONNX Runtime {runtime_ms:.2f} ms, PyTorch {torch_ms:.2f} ms ({speedup:.2f}x)".format(**told["runtime"])
        )
    return print_result(arguments, told, lines)


def tensorrt(arguments: argparse.Namespace, config: Config) -> int:
    """An engine from an .onnx file, or from a model by way of one that goes at the end."""
    from core.optimization.toolbox.tensorrt import UNVERIFIED
    from core.optimization.toolbox.tensorrt_library import describe_card, load_library

    check_out(arguments.out, "--out", arguments.model)
    check_out(arguments.cache, "--cache")
    source, shapes, axes = Path(arguments.model), read_shapes(arguments.shape), read_axes(arguments.dynamic)
    print(UNVERIFIED, file=sys.stderr)
    if source.suffix == ".onnx":
        return _build(arguments, source, shapes)
    need_torch()
    load_library()
    describe_card()
    model, told = registered(arguments.model)
    if told:
        note(told)
    from core.optimization.toolbox.onnx_export import export_to_onnx
    from core.optimization.toolbox.onnx_files import workshop

    with workshop(arguments.out) as folder:
        source = folder / "model.onnx"
        progress("exporting")
        export_to_onnx(made_model(model), source, first_input(model), dynamic_axes=axes)
        inputs = _calibration(model, None)
        shapes = shapes or {name: one.shape for name, one in inputs[0].items()}
        return _build(arguments, source, shapes, inputs if arguments.int8 else None)


def _build(arguments: argparse.Namespace, source: Path, shapes: dict[str, Any], data: Any = None) -> int:
    """The engine of the graph at `source`, written and told."""
    from core.optimization.toolbox.tensorrt import TensorRTConfig, TensorRTOptimizer

    progress("building")
    settings = TensorRTConfig(arguments.fp16, arguments.int8, calibration_data=data, calibration_cache=arguments.cache)
    report = TensorRTOptimizer(settings).optimize_from_onnx(source, arguments.out, shapes)
    return print_result(arguments, report.as_json(), report.lines())


def _quantised_graph(model: RegisteredModel, path: Path, options: Any) -> Any:
    from core.optimization.toolbox.onnx_quantize import quantize_onnx

    return quantize_onnx(path, _int8_name(path), _calibration(model, options.input_names))


def _int8_name(path: Path) -> Path:
    return path.with_suffix(".int8.onnx")


def _agreement(share: float | None) -> str:
    return "" if share is None else f", {share:.0%} of the float model's choices on the calibration data"


def _calibration(model: RegisteredModel, names: Any) -> list[dict[str, Any]]:
    """Every batch of the model's, as numpy arrays by name."""
    from core.optimization.toolbox.batches import as_batches
    from core.optimization.toolbox.export_example import example_of
    from core.optimization.toolbox.onnx_verify import numpy_inputs

    module = made_model(model)
    batches = as_batches(model.calibration_data or model.test_data, "calibration data")
    return [numpy_inputs(example_of(module, batch.inputs, names)) for batch in batches]


def _runtime(model: RegisteredModel, arguments: argparse.Namespace) -> dict[str, float]:
    from functools import partial

    import torch

    from core.optimization.toolbox.batches import Batch
    from core.optimization.toolbox.measuring import typical_ms
    from core.optimization.toolbox.onnx_model import OnnxModel
    from core.optimization.toolbox.onnx_runtime import SessionOptions

    module, batch = made_model(model), Batch(first_input(model))
    there = OnnxModel(arguments.out, SessionOptions(threads=torch.get_num_threads()))
    progress("measuring")
    took = typical_ms({"torch": partial(batch.run, module), "onnx": partial(batch.run, there)}, arguments.iterations)
    return {"torch_ms": took["torch"], "runtime_ms": took["onnx"], "speedup": took["torch"] / took["onnx"]}
