"""Pruned models on the disk: tensors with enough zeros as bits and values; layers that became smaller as they are."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.models.safetensors_file import SafetensorsFile, write_safetensors
from core.optimization.toolbox.artifact import unshared
from core.optimization.toolbox.decoder_blocks import settle
from core.optimization.toolbox.split_attention import heads_of, split_attentions
from core.optimization.toolbox.targets import write_whole
from core.utils.errors import ModelLoadError

KEY = "merline.pruned"
BITS = "::bits"
VALUES = "::values"


def save_pruned(model: nn.Module, path: Path | str) -> int:
    """Write the weights, each tensor sparse where that is smaller; the file's bytes.

    Raises OptimizationError where the disk does not take it.
    """
    path = Path(path)
    tensors, aliases = unshared(model.state_dict())
    written: dict[str, Tensor] = {}
    sparse: dict[str, Any] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu()
        if sparse_bytes(tensor) < tensor.nbytes:
            flat = tensor.flatten()
            written[name + BITS], written[name + VALUES] = _pack_bits(flat != 0), flat[flat != 0]
            sparse[name] = list(tensor.shape)
        else:
            written[name] = tensor
    told = {"model": type(model).__name__, "sparse": sparse, "aliases": aliases, "heads": heads_of(model)}
    header = {KEY: json.dumps({"version": 1, **told})}
    write_whole(path, lambda to: write_safetensors(to, written, header))
    return path.stat().st_size


def load_pruned(path: Path | str, model: nn.Module) -> nn.Module:
    """A copy of `model` with the weights of the file.

    Raises ModelLoadError for a file that is absent, damaged or of another model.
    """
    file = SafetensorsFile(Path(path))
    try:
        manifest = json.loads(file.metadata[KEY])
        state = {name: file.read(name) for name in file.tensors if not name.endswith((BITS, VALUES))}
        for name, shape in manifest["sparse"].items():
            values = file.read(name + VALUES)
            size = torch.Size(shape).numel()
            dense = torch.zeros(size, dtype=values.dtype)
            dense[_unpack_bits(file.read(name + BITS), size)] = values
            state[name] = dense.view(shape)
        state |= {name: state[same] for name, same in manifest["aliases"].items()}
        if manifest["model"] != type(model).__name__:
            raise ValueError(f"it is of a {manifest['model']}")
        work = copy.deepcopy(model)
        split_attentions(work, manifest["heads"])
        _resize(work, state)
        settle(work)
        work.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
        first = str(error).partition("\n")[0]
        raise ModelLoadError(
            f"{path} holds no pruned {type(model).__name__} ({first}); save one with save_pruned"
        ) from error
    return work.eval()


def _pack_bits(mask: Tensor) -> Tensor:
    """bool [n] -> uint8 [n / 8], the first in the lowest bit."""
    padded = nn.functional.pad(mask.to(torch.uint8), (0, -len(mask) % 8)).view(-1, 8)
    return (padded << torch.arange(8, dtype=torch.uint8)).sum(dim=1, dtype=torch.uint8)


def _unpack_bits(bits: Tensor, size: int) -> Tensor:
    return ((bits.view(-1, 1) >> torch.arange(8, dtype=torch.uint8)) & 1).flatten()[:size].bool()


def sparse_bytes(tensor: Tensor) -> int:
    """A bit for each place and the values that are not zero."""
    return -(-tensor.numel() // 8) + int((tensor != 0).sum()) * tensor.element_size()


def _resize(work: nn.Module, state: dict[str, Tensor]) -> None:
    """Give layers the sizes of the tensors that they are to take."""
    for name, tensor in state.items():
        parent, _, part = name.rpartition(".")
        layer: Any = work.get_submodule(parent)
        old = getattr(layer, part)
        if old.shape == tensor.shape:
            continue
        if old.dim() != tensor.dim():
            raise ValueError(f"{name} is {tuple(tensor.shape)} in the file and {tuple(old.shape)} in the model")
        new = torch.empty_like(tensor)
        setattr(layer, part, nn.Parameter(new) if isinstance(old, nn.Parameter) else new)
        if part == "weight":
            _tell_sizes(layer, tensor)


def _tell_sizes(layer: Any, weight: Tensor) -> None:
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = weight.shape
    elif isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        if layer.groups == layer.in_channels > 1:
            layer.groups = weight.shape[0]
        layer.out_channels, layer.in_channels = weight.shape[0], weight.shape[1] * layer.groups
    elif hasattr(layer, "num_features"):
        layer.num_features = weight.shape[0]
