"""Linear and convolution layers in int8 that know their ranges from calibration, or round row by row as values come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from core.optimization.toolbox.calibration import RangeObserver
from core.optimization.toolbox.int8_call import Affine, Geometry, Int8Call
from core.optimization.toolbox.int8_kernels import (
    Int8Kernel,
    activation_levels,
    choose_kernel,
    finish,
    plain_product,
)
from core.optimization.toolbox.quantization_config import Calibration
from core.utils.errors import QuantizationError

CONVOLUTION_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
UNKNOWN = Affine(1.0, 0)


class Int8Layer(nn.Module):
    """Weights in int8 with a float scale for each row, or one for all. Keeps either plain codes or packed ones.

    `state_dict` holds codes [rows, ...] int8, scales float32 [rows] and bias float32 [rows]. CPU only.
    """

    scales: Tensor
    bias: Tensor | None

    def __init__(self, codes: Tensor, scales: Tensor, bias: Tensor | None, geometry: Geometry | None = None) -> None:
        super().__init__()
        self.shape = tuple(codes.shape)
        self.register_buffer("scales", scales)
        self.register_buffer("bias", bias)
        self.backend = "auto"
        self._codes: Tensor | None = codes
        self._packed: tuple[Int8Kernel, Any] | None = None
        self._zeros = torch.zeros(len(codes), dtype=torch.int32)
        self.call = Int8Call(scales, self._zeros, bias, UNKNOWN, UNKNOWN, geometry=geometry)

    @property
    def codes(self) -> Tensor:
        """int8 [rows, ...]."""
        if self._codes is None:
            assert self._packed is not None
            kernel, packed = self._packed
            self._codes, self._packed = kernel.unpack(packed, self.call).reshape(self.shape), None
        return self._codes

    def kernel(self) -> tuple[Int8Kernel, Any]:
        """What computes, and the codes as it wants them; the plain ones are given up."""
        if self._packed is None:
            kernel = choose_kernel(self.backend)
            self._packed = (kernel, kernel.pack(self.codes, self.call))
            self._codes = None
        return self._packed

    @property
    def weight(self) -> Tensor:
        """float32 weights that the codes stand for, for code that reads them out of a layer."""
        return self.codes.to(torch.float32) * self.scales.view(-1, *(1,) * (len(self.shape) - 1))

    def set_call(self, **changes: Any) -> None:
        """Change numbers of the call; the weights are packed anew, as they depend on them."""
        codes = self.codes
        now = {name: getattr(self.call, name) for name in ("x", "out", "hands_on", "relu", "geometry")}
        self.call = Int8Call(self.scales, self._zeros, self.bias, **{**now, **changes})
        self._codes = codes

    def extra_repr(self) -> str:
        """As torch prints it."""
        return f"{'x'.join(map(str, self.shape))}, int8 on {choose_kernel(self.backend).name}"

    def __getstate__(self) -> dict[str, Any]:
        """Copies are made of plain codes: packed ones cannot be copied."""
        state = dict(self.__dict__)
        state["_codes"], state["_packed"] = self.codes, None
        return state

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "codes"] = self.codes

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:
        given = state_dict.pop(prefix + "codes", None)
        super()._load_from_state_dict(state_dict, prefix, *others)
        if given is not None:
            if tuple(given.shape) != self.shape or given.dtype != torch.int8:
                raise QuantizationError(f"{prefix}codes: int8 {self.shape} wanted, got {given.dtype} {given.shape}")
            self._codes, self._packed = given.clone(), None
        self.set_call()


class DynamicInt8Linear(Int8Layer):
    """Each row of the input [..., columns] is rounded by its own largest value."""

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., rows]."""
        kernel, packed = self.kernel()
        return kernel.run_rows(x.to(torch.float32), packed, self.call)

    def extras(self) -> dict[str, Any]:
        """What a file must say of it beside its tensors."""
        return {}

    @classmethod
    def from_extras(cls, tensors: Mapping[str, Tensor], extras: Mapping[str, Any]) -> DynamicInt8Linear:
        """The layer again."""
        return cls(tensors["codes"], tensors["scales"], tensors.get("bias"))


class StaticInt8(Int8Layer):
    """Linear or convolution. While `observers` are there it computes in float and looks at what comes and goes."""

    def __init__(self, codes: Tensor, scales: Tensor, bias: Tensor | None, geometry: Geometry | None = None) -> None:
        super().__init__(codes, scales, bias, geometry)
        self.observers: tuple[RangeObserver, RangeObserver] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """float32, or uint8 in the range of the layer that takes it. A uint8 input is in this layer's own range."""
        if self.observers is not None:
            return self._observe(x)
        codes = x if x.dtype == torch.uint8 else self.call.x.encode(x)
        kernel, packed = self.kernel()
        return kernel.run(codes, packed, self.call)

    def observe(self) -> None:
        """Begin to look."""
        self.set_call(hands_on=False)
        self.observers = (RangeObserver(), RangeObserver())

    def finish_observing(self, how: Calibration) -> None:
        """Take the ranges that were seen. Raises QuantizationError where nothing was."""
        if self.observers is None:
            raise QuantizationError("this layer is not being calibrated; call observe() first")
        levels = activation_levels(choose_kernel(self.backend).name)
        into, out = self.observers
        self.set_call(x=into.range(how, levels), out=out.range(how, levels))
        self.observers = None

    def _observe(self, x: Tensor) -> Tensor:
        assert self.observers is not None
        x = x.to(torch.float32)
        plain = Int8Call(torch.ones_like(self.scales), self._zeros, self.bias, Affine(1.0, 0), UNKNOWN, False,
                         self.call.relu, self.call.geometry)  # fmt: skip
        y = finish(plain_product(x, self.weight, plain), plain)
        self.observers[0].look(x)
        self.observers[1].look(y)
        return y

    def extras(self) -> dict[str, Any]:
        """What a file must say of it beside its tensors."""
        call = self.call
        ranges = {name: [one.scale, one.zero_point, one.levels] for name, one in (("x", call.x), ("out", call.out))}
        shape = call.geometry
        geometry = None if shape is None else [shape.stride, shape.padding, shape.dilation, shape.groups]
        return {**ranges, "hands_on": call.hands_on, "relu": call.relu, "geometry": geometry}

    @classmethod
    def from_extras(cls, tensors: Mapping[str, Tensor], extras: Mapping[str, Any]) -> StaticInt8:
        """The layer again."""
        told = extras["geometry"]
        geometry = None if told is None else Geometry(tuple(told[0]), tuple(told[1]), tuple(told[2]), int(told[3]))
        layer = cls(tensors["codes"], tensors["scales"], tensors.get("bias"), geometry)
        x, out = (Affine(float(extras[name][0]), *map(int, extras[name][1:])) for name in ("x", "out"))
        layer.set_call(x=x, out=out, hands_on=bool(extras["hands_on"]), relu=bool(extras["relu"]))
        return layer


class CodesMaxPool2d(nn.MaxPool2d):
    """Also of uint8: torch counts the places of one in channels-last order with 8 bits, so no more than 255."""

    def forward(self, x: Tensor) -> Tensor:
        """As nn.MaxPool2d."""
        if x.dtype == torch.uint8 and x.shape[-2:].numel() > 255:
            x = x.contiguous()
        pooled: Tensor = super().forward(x)
        return pooled

    def extras(self) -> dict[str, Any]:
        """What a file must say of it."""
        return {name: getattr(self, name) for name in ("kernel_size", "stride", "padding", "dilation", "ceil_mode")}

    @classmethod
    def from_extras(cls, tensors: Mapping[str, Tensor], extras: Mapping[str, Any]) -> CodesMaxPool2d:
        """The layer again."""
        kernel, stride, padding, dilation = (
            tuple(extras[name]) if isinstance(extras[name], list) else extras[name]
            for name in ("kernel_size", "stride", "padding", "dilation")
        )
        return cls(kernel, stride, padding, dilation, ceil_mode=bool(extras["ceil_mode"]))


def round_weights(weight: Tensor, per_channel: bool = True) -> tuple[Tensor, Tensor]:
    """int8 codes of [rows, ...], -127..127, and float32 scales [rows], all alike unless `per_channel`.

    Raises QuantizationError for weights that are not finite.
    """
    weight = weight.detach().to(torch.float32)
    if not bool(torch.isfinite(weight).all()):
        raise QuantizationError("weights are not all finite; train or fetch the model again")
    peaks = weight.abs().flatten(1).amax(dim=1)
    if not per_channel:
        peaks = peaks.max().expand(len(weight))
    scales = (peaks / 127).clamp_min(1e-12)
    codes = (weight / scales.view(-1, *(1,) * (weight.dim() - 1))).round().clamp(-127, 127).to(torch.int8)
    return codes, scales.contiguous()


def geometry_of(layer: nn.Module) -> Geometry | None:
    """None for a linear layer."""
    if isinstance(layer, nn.Linear):
        return None
    assert isinstance(layer, CONVOLUTION_LAYERS)
    assert not isinstance(layer.padding, str)
    stride, padding, dilation = (tuple(map(int, one)) for one in (layer.stride, layer.padding, layer.dilation))
    return Geometry(stride, padding, dilation, layer.groups)


def objection(layer: nn.Module) -> str:
    """Why a layer with weights cannot be an int8 one; "" where it can."""
    if isinstance(layer, nn.Linear):
        return ""
    if not isinstance(layer, CONVOLUTION_LAYERS):
        return f"there is no int8 {type(layer).__name__}"
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        return f"padding {layer.padding!r} ({layer.padding_mode}) is not one that the int8 kernels have"
    return ""


def copied(bias: Tensor | None) -> Tensor | None:
    """A bias of its own memory, in float32."""
    return None if bias is None else bias.detach().to(torch.float32, copy=True)
