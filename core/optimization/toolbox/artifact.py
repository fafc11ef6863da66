"""Quantised models on the disk: one .safetensors file, whose header says in JSON what its layers are. No unpickling.

A file holds numbers, not code: it is loaded into a float model of the same class, whose weights may be anything.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.models.packed_linear import PackedEmbedding, PackedLinear
from core.models.safetensors_file import SafetensorsFile, write_safetensors
from core.optimization.toolbox.graphs import replace_module, set_module
from core.optimization.toolbox.int8_layers import CodesMaxPool2d, DynamicInt8Linear, Int8Layer, StaticInt8
from core.optimization.toolbox.recurrent_int8 import DynamicInt8Recurrent
from core.optimization.toolbox.split_attention import heads_of, split_attentions
from core.optimization.toolbox.targets import write_whole
from core.optimization.toolbox.weight_only import HalfModel, WeightOnlyInt8, packed_from
from core.utils.errors import ModelLoadError, QuantizationError

VERSION = 1
KEY = "merline.quantized"
_MAKERS: dict[str, Callable[[Mapping[str, Tensor], Mapping[str, Any]], nn.Module]] = {
    "StaticInt8": StaticInt8.from_extras,
    "DynamicInt8Linear": DynamicInt8Linear.from_extras,
    "WeightOnlyInt8": WeightOnlyInt8.from_extras,
    "PackedLinear": packed_from,
    "CodesMaxPool2d": CodesMaxPool2d.from_extras,
    "DynamicInt8Recurrent": DynamicInt8Recurrent.from_extras,
}
_HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def save_quantized(model: nn.Module, path: Path | str) -> int:
    """Write what ModelQuantizer gave; the file's size in bytes. The old file stays until the new one is whole.

    Raises QuantizationError for a model with no quantised layer, OptimizationError where the disk does not take it.
    """
    path = Path(path)
    half = model if isinstance(model, HalfModel) else None
    inner = model if half is None else half.model
    tensors, aliases = unshared(inner.state_dict())
    manifest: dict[str, Any] = {
        "version": VERSION,
        "model": type(inner).__name__,
        "half": None if half is None else str(half.dtype).rpartition(".")[2],
        "layers": {name: told for name, layer in inner.named_modules(remove_duplicate=False) if (told := _tell(layer))},
        "identities": [name for name, layer in inner.named_modules() if type(layer) is nn.Identity],
        "aliases": aliases,
        "heads": heads_of(inner),
    }
    if half is None and not manifest["layers"]:
        raise QuantizationError(f"{type(model).__name__} has no quantised layer; save a float model with safetensors")
    write_whole(path, lambda to: write_safetensors(to, tensors, {KEY: json.dumps(manifest)}))
    return path.stat().st_size


def load_quantized(path: Path | str, model: nn.Module) -> nn.Module:
    """A copy of the float `model` with the layers and weights of the file.

    Raises ModelLoadError for a file that is absent, damaged, of a newer version, or of another model.
    """
    file = SafetensorsFile(Path(path))
    try:
        manifest = json.loads(file.metadata[KEY])
        version = int(manifest["version"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelLoadError(f"{path} holds no quantised model of Merline's; save one with save_quantized") from error
    if version > VERSION:
        raise ModelLoadError(f"{path} is of version {version}, newer than this program's {VERSION}; update it")
    tensors = {name: file.read(name) for name in file.tensors}
    try:
        tensors |= {name: tensors[same] for name, same in manifest["aliases"].items()}
        work = copy.deepcopy(model).eval()
        if manifest["half"]:
            work = HalfModel(work, _HALVES[manifest["half"]]).eval()
        else:
            work.float()
        inner = work.model if isinstance(work, HalfModel) else work
        split_attentions(inner, manifest["heads"])
        for name in manifest["identities"]:
            set_module(inner, name, nn.Identity())
        used = _place_layers(inner, manifest, tensors)
        _place_tensors(inner, {name: tensor for name, tensor in tensors.items() if name not in used})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, QuantizationError) as error:
        raise ModelLoadError(
            f"{path} was made of another model than this {type(model).__name__} ({error}); give one of the class "
            "and sizes it was made from"
        ) from error
    return work


def _tell(layer: nn.Module) -> dict[str, Any] | None:
    """What a layer is, in plain values; None for one of torch's."""
    if isinstance(layer, PackedEmbedding):
        return {"kind": "PackedEmbedding"}
    if isinstance(layer, PackedLinear):
        return {"kind": "PackedLinear", "rows": layer.rows}
    if isinstance(layer, StaticInt8 | DynamicInt8Linear | DynamicInt8Recurrent | WeightOnlyInt8 | CodesMaxPool2d):
        backend = {"backend": layer.backend} if isinstance(layer, Int8Layer) else {}
        return {"kind": type(layer).__name__, **backend, **layer.extras()}
    return None


def _place_layers(inner: nn.Module, manifest: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> set[str]:
    """The names of tensors that went into layers."""
    used: set[str] = set()
    shared: dict[str, PackedLinear] = {}
    layers: Mapping[str, Any] = manifest["layers"]
    tables = {name for name, told in layers.items() if told["kind"] == "PackedEmbedding"}
    for name, told in layers.items():
        if told["kind"] == "PackedEmbedding" or name.removesuffix(".linear") in tables:
            continue
        own = {full[len(name) + 1 :]: tensor for full, tensor in tensors.items() if full.startswith(f"{name}.")}
        used |= {f"{name}.{short}" for short in own}
        made = _MAKERS[told["kind"]](own, told).eval()
        if isinstance(made, Int8Layer):
            made.backend = told["backend"]
        if isinstance(made, PackedLinear):
            shared[manifest["aliases"].get(f"{name}.packed", f"{name}.packed")] = made
        replace_module(inner, inner.get_submodule(name), made)
    for name in tables:
        names = {short: f"{name}.linear.{short}" for short in ("packed", "scales", "bias")}
        used |= set(names.values())
        key = manifest["aliases"].get(names["packed"], names["packed"])
        if key not in shared:
            own = {short: tensors[full] for short, full in names.items()}
            shared[key] = packed_from(own, layers[f"{name}.linear"])
        replace_module(inner, inner.get_submodule(name), PackedEmbedding(shared[key]).eval())
    return used


@torch.no_grad()
def _place_tensors(inner: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Floats that stayed, and biases that layers had not before norms were folded into them."""
    wanted = {
        name for name in inner.state_dict() if not any(isinstance(layer, Int8Layer) for layer in _path(inner, name))
    }
    for name, tensor in tensors.items():
        parent, _, last = name.rpartition(".")
        holder: Any = inner.get_submodule(parent)
        if last in holder._parameters and holder._parameters[last] is None:
            setattr(holder, last, nn.Parameter(tensor))
            continue
        own = getattr(holder, last)
        if own.shape != tensor.shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)} in the file and {tuple(own.shape)} in the model")
        own.copy_(tensor)
        wanted.discard(name)
    own_layers = (PackedLinear, PackedEmbedding, WeightOnlyInt8)
    if missing := {name for name in wanted if not any(isinstance(layer, own_layers) for layer in _path(inner, name))}:
        raise ValueError(f"the file lacks {', '.join(sorted(missing)[:3])}")


def _path(inner: nn.Module, name: str) -> list[nn.Module]:
    """The modules that a tensor's name leads through."""
    parts = name.split(".")[:-1]
    return [inner.get_submodule(".".join(parts[: end + 1])) for end in range(len(parts))]


def unshared(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Each tensor once, and for further names of one the first."""
    tensors: dict[str, Tensor] = {}
    first: dict[tuple[int, tuple[int, ...]], str] = {}
    aliases: dict[str, str] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if tensor.numel() and key in first:
            aliases[name] = first[key]
        else:
            first[key] = name
            tensors[name] = tensor
    return tensors, aliases
