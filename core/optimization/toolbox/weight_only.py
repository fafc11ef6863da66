"""Weights in 8 or 4 bits, computed with in float: smaller, and faster only where reading weights takes the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.packed_linear import PackedEmbedding, PackedLinear
from core.models.quantize import Bits, Packed, can_pack
from core.optimization.toolbox.int8_call import Geometry
from core.optimization.toolbox.int8_kernels import CONVOLUTIONS
from core.optimization.toolbox.int8_layers import copied, geometry_of, objection, round_weights


class WeightOnlyInt8(nn.Module):
    """A convolution, or a linear layer whose rows do not divide into groups of 32: a scale for each row."""

    codes: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(self, codes: Tensor, scales: Tensor, bias: Tensor | None, geometry: Geometry | None) -> None:
        super().__init__()
        self.geometry = geometry
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """float32, as the float layer gives it."""
        scales = self.scales.view(-1, *(1,) * (self.codes.dim() - 1))
        weight, shape = self.codes.to(torch.float32) * scales, self.geometry
        if shape is None:
            return F.linear(x, weight, self.bias)
        convolve = CONVOLUTIONS[shape.dimensions]
        return convolve(x, weight, self.bias, shape.stride, shape.padding, shape.dilation, shape.groups)

    def extras(self) -> dict[str, Any]:
        """What a file must say of it beside its tensors."""
        shape = self.geometry
        return {"geometry": None if shape is None else [shape.stride, shape.padding, shape.dilation, shape.groups]}

    @classmethod
    def from_extras(cls, tensors: Mapping[str, Tensor], extras: Mapping[str, Any]) -> WeightOnlyInt8:
        """The layer again."""
        told = extras["geometry"]
        geometry = None if told is None else Geometry(tuple(told[0]), tuple(told[1]), tuple(told[2]), int(told[3]))
        return cls(tensors["codes"], tensors["scales"], tensors.get("bias"), geometry)


def weight_only(layer: nn.Module, bits: Bits, per_channel: bool, shared: dict[int, PackedLinear]) -> nn.Module | str:
    """The layer in `bits`, or why not. `shared` gives layers that share a weight one packed form."""
    if isinstance(layer, nn.Linear | nn.Embedding):
        if can_pack(layer.weight.shape[1]):
            return _packed(layer, bits, shared)
        if isinstance(layer, nn.Embedding) or bits == 4:
            return f"rows of {layer.weight.shape[1]} weights do not divide into groups of 32"
    elif why := objection(layer):
        return why.replace("int8", "weight-only")
    elif bits == 4:
        return "4 bits are for linear and embedding layers"
    assert isinstance(layer.weight, Tensor)
    bias = layer.bias if isinstance(layer.bias, Tensor) else None
    return WeightOnlyInt8(*round_weights(layer.weight, per_channel), copied(bias), geometry_of(layer))


def _packed(layer: nn.Linear | nn.Embedding, bits: Bits, shared: dict[int, PackedLinear]) -> nn.Module | str:
    key, bias = id(layer.weight), getattr(layer, "bias", None)
    if isinstance(layer, nn.Embedding) and layer.max_norm is not None:
        return "an embedding that renorms its rows changes its weights"
    if key not in shared or bias is not None:
        made = PackedLinear.from_float(layer.weight.detach(), copied(bias), bits)
        shared.setdefault(key, made)
    else:
        made = shared[key]
    return PackedEmbedding(made) if isinstance(layer, nn.Embedding) else made


def packed_from(tensors: Mapping[str, Tensor], extras: Mapping[str, Any]) -> PackedLinear:
    """A packed linear layer again."""
    rows = int(extras["rows"])
    return PackedLinear(Packed(tensors["packed"], tensors["scales"], rows), tensors["bias"][:rows])


class HalfModel(nn.Module):
    """A model in float16 or bfloat16 that takes and gives float32 like the one it was made from.

    What it has not itself (`generate`, `config`, a layer) is its `model`'s.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        # not model.to(dtype), which makes complex tensors real and drops their imaginary part
        self.model = model._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)  # type: ignore[no-untyped-call]
        self.dtype = dtype

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Tensors of float types are cast on the way in, and float32 on the way out."""
        given = _cast(inputs, self.dtype)
        return _cast(self.model(*given, **_cast(named, self.dtype)), torch.float32)

    def __getattr__(self, name: str) -> Any:
        """Of the model within."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "model":  # while a copy is being made it has none yet
                raise
            return getattr(self.model, name)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        items = {name: _cast(item, dtype) for name, item in value.items()}
        return type(value)(**items) if type(value) is not dict and hasattr(value, "to_tuple") else items
    if type(value) in (tuple, list):
        return type(value)(_cast(item, dtype) for item in value)
    return value
