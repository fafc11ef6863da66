"""Whether an exported graph gives what PyTorch gives: on the example, and at another size of every dynamic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.optimization.toolbox.export_example import DynamicAxes, Example, axis_sizes
from core.optimization.toolbox.model_failures import MODEL_REFUSES, first_line
from core.optimization.toolbox.onnx_config import Verification
from core.optimization.toolbox.onnx_runtime import open_session, run_session
from core.utils.errors import ExportError, InferenceError, ModelLoadError


def flat_outputs(result: Any) -> list[Any]:
    """The tensors of a model's answer as numpy, in the order in which the exporter lists them."""
    import torch

    return [as_numpy(leaf) for leaf in _leaves(result) if isinstance(leaf, torch.Tensor)]


def no_tensors(result: Any) -> list[Any]:
    """What of a model's answer is neither a tensor nor None."""
    import torch

    return [leaf for leaf in _leaves(result) if not isinstance(leaf, torch.Tensor | None)]


def _leaves(result: Any) -> list[Any]:
    from torch.utils import _pytree as pytree

    return pytree.tree_leaves(dict(result) if isinstance(result, Mapping) else result)


def as_numpy(tensor: Any) -> Any:
    """bfloat16, which numpy has not, as float32; what is numpy's already stays."""
    if isinstance(tensor, np.ndarray):
        return tensor
    tensor = tensor.detach().cpu()
    return tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()


def numpy_inputs(example: Example) -> dict[str, Any]:
    """The example as ONNX Runtime takes it."""
    return {name: as_numpy(tensor) for name, tensor in example.tensors().items()}


def difference(expected: Sequence[Any], found: Sequence[Any]) -> float:
    """Largest absolute difference relative to max(1, largest value); infinite for other shapes, numbers or NaN."""
    if len(expected) != len(found):
        return float("inf")
    worst = 0.0
    for one, other in zip(expected, found, strict=True):
        if one.shape != other.shape:
            return float("inf")
        if not one.size:
            continue
        left, right = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        if not np.isfinite(left[~same]).all() or not np.isfinite(right[~same]).all():
            return float("inf")
        if not same.all():
            scale = max(1.0, float(np.abs(left[np.isfinite(left)]).max(initial=0.0)))
            worst = max(worst, float(np.abs(left[~same] - right[~same]).max()) / scale)
    return worst


def sizes_to_verify(example: Example, axes: DynamicAxes, wanted: Mapping[str, int]) -> list[dict[str, int]]:
    """The example itself, then each dynamic axis alone at another size."""
    tries: list[dict[str, int]] = [{}]
    for label, size in axis_sizes(example, axes).items():
        tries.append({label: wanted.get(label, size + 1)})
    return tries


def check_sizes(example: Example, axes: DynamicAxes, wanted: Mapping[str, int]) -> None:
    """Raises ExportError for a size of an axis that is not dynamic, or below 1."""
    known = axis_sizes(example, axes)
    for label, size in wanted.items():
        if label not in known or size < 1:
            raise ExportError(
                f"verify_sizes: {label}={size}; dynamic axes are {', '.join(known) or 'none'}, of 1 or more"
            )


def verify(
    model: Any, path: Path, example: Example, axes: DynamicAxes, limits: tuple[float, Mapping[str, int]]
) -> tuple[Verification, ...]:
    """Compare; `model` is in eval mode, `limits` are the tolerance and the sizes asked for.

    Raises ExportError: an output differs by more than the tolerance, or the graph fails where the model does not.
    """
    tolerance, wanted = limits
    try:
        session = open_session(path)
    except ModelLoadError as error:
        told = str(error.__cause__ or error).partition("\n")[0]
        raise ExportError(
            f"{path.name}: ONNX Runtime, which compares it with PyTorch, cannot run it here ({told}); for another "
            "runtime export with verify_export=False, from the shell with --no-verify"
        ) from error
    done: list[Verification] = []
    for sizes in sizes_to_verify(example, axes, wanted):
        tried = example.resized(axes, sizes)
        where = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "the example input"
        try:
            expected = flat_outputs(tried.call(model))
        except MODEL_REFUSES as error:
            if not sizes:
                raise ExportError(f"{type(model).__name__} fails on the example input: {first_line(error)}") from error
            done.append(Verification(sizes, 0.0, f"PyTorch's model itself refuses it ({first_line(error)[:120]})"))
            continue
        try:
            found = run_session(session, {n: t for n, t in numpy_inputs(tried).items() if n in _taken(session)})
        except InferenceError as error:
            raise ExportError(f"{path.name}: the exported graph fails at {where}: {error}") from error
        off = difference(expected, found)
        if off > tolerance:
            raise ExportError(
                f"{path.name}: at {where} ONNX Runtime differs from PyTorch by {off:.3g}, more than the tolerance "
                f"{tolerance:g}; raise ONNXExportConfig.tolerance, from the shell --tolerance, where that is right, as "
                "in half precision, or export with optimize=False, from the shell --no-optimize"
            )
        done.append(Verification(sizes, off))
    return tuple(done)


def _taken(session: Any) -> set[str]:
    """An input that the model does not use has no place in the graph."""
    return {one.name for one in session.get_inputs()}
