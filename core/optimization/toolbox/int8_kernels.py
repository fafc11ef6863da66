"""Products in int8, by what this build of torch has: oneDNN's operators, fbgemm's or qnnpack's, or plain float.

All compute (x - zero point) W^T with exact sums of integers, then scale, bias and ReLU; the plain one does the same in
float32 and is what the others are tested against. Whether one works here is tried out, never read from a version.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from core.optimization.toolbox.int8_call import Affine, Geometry, Int8Call
from core.optimization.toolbox.quantization_config import BACKENDS
from core.utils.errors import QuantizationError

CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class Int8Kernel(Protocol):
    """`codes` are int8 [rows, ...]; `packed` is what `pack` gave, `x` uint8."""

    name: str

    def pack(self, codes: Tensor, call: Int8Call) -> Any:
        """The codes as the kernel wants them."""

    def unpack(self, packed: Any, call: Int8Call) -> Tensor:
        """The codes again."""

    def run(self, x: Tensor, packed: Any, call: Int8Call) -> Tensor:
        """float32, or uint8 where the call hands on."""

    def run_rows(self, x: Tensor, packed: Any, call: Int8Call) -> Tensor:
        """Linear, of float32 x [..., columns] rounded to int8 row by row here."""


class PlainKernel:
    """In float32: exact for sums below 2^24, and slow."""

    name = "plain"

    def pack(self, codes: Tensor, call: Int8Call) -> Any:
        return codes

    def unpack(self, packed: Any, call: Int8Call) -> Tensor:
        codes: Tensor = packed
        return codes

    def run(self, x: Tensor, packed: Any, call: Int8Call) -> Tensor:
        return finish(plain_product(x.to(torch.float32) - call.x.zero_point, packed, call), call)

    def run_rows(self, x: Tensor, packed: Any, call: Int8Call) -> Tensor:
        scale = row_scales(x, 127)
        y = F.linear((x / scale).round_(), packed.to(torch.float32)) * call.scales * scale
        return y if call.bias is None else y + call.bias


class OneDnnKernel:
    """torch.ops.onednn, made for torch.compile's own int8 and called directly here. Keeps one copy of the weights."""

    name = "onednn"

    def pack(self, codes: Tensor, call: Int8Call) -> Any:
        if call.geometry is None:
            return torch.ops.onednn.qlinear_prepack(codes, None)
        shape = call.geometry
        return torch.ops.onednn.qconv_prepack(
            codes, call.scales, call.x.scale, call.x.zero_point,
            shape.stride, shape.padding, shape.dilation, shape.groups,
        )  # fmt: skip

    def unpack(self, packed: Any, call: Int8Call) -> Tensor:
        codes: Tensor = packed.to_dense()
        return codes.t().contiguous() if call.geometry is None else codes.contiguous()

    def run(self, x: Tensor, packed: Any, call: Int8Call) -> Tensor:
        out = (call.out.scale, call.out.zero_point, torch.uint8) if call.hands_on else (1.0, 0, torch.float32)
        relu_after = call.relu and call.geometry is not None and call.geometry.dimensions == 3
        after: tuple[str, list[float], str] = ("relu" if call.relu and not relu_after else "none", [], "")
        given = (call.x.scale, call.x.zero_point, packed, call.scales, call.zeros, call.bias)
        if call.geometry is None:
            y: Tensor = torch.ops.onednn.qlinear_pointwise(x.contiguous(), *given, *out, *after)
            return y
        shape = call.geometry
        if shape.dimensions == 2:
            x = x.contiguous(memory_format=torch.channels_last)
        y = torch.ops.onednn.qconv_pointwise(
            x, *given, shape.stride, shape.padding, shape.dilation, shape.groups, *out, *after
        )
        # in three dimensions oneDNN's operator has no ReLU
        return y.clamp_min(call.out.zero_point if call.hands_on else 0) if relu_after else y

    def run_rows(self, x: Tensor, packed: Any, call: Int8Call) -> Tensor:
        # in int8 some shapes of one row (896 to 256) take oneDNN's reference path, two hundred times slower than uint8
        half = call.x.levels // 2
        scale = row_scales(x, half)
        codes = (x / scale).add_(half + 1.0).round_().to(torch.uint8)
        y: Tensor = torch.ops.onednn.qlinear_pointwise(
            codes, 1.0, half + 1, packed, call.scales, call.zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        y.mul_(scale)
        return y if call.bias is None else y.add_(call.bias)


class QuantizedOpsKernel:
    """torch.ops.quantized on x86, fbgemm or qnnpack. Its packed form cannot be read back: codes are kept too."""

    def __init__(self, engine: str) -> None:
        self.name = engine

    def pack(self, codes: Tensor, call: Int8Call) -> Any:
        ops, zeros = torch.ops.quantized, torch.zeros(len(codes), dtype=torch.int64)
        with _engine(self.name):
            weight = torch._make_per_channel_quantized_tensor(codes, call.scales.double(), zeros, 0)
            if call.geometry is None:
                return (codes, ops.linear_prepack(weight, call.bias))
            shape = call.geometry
            prepack = getattr(ops, f"conv{shape.dimensions}d_prepack")
            packed = prepack(weight, call.bias, shape.stride, shape.padding, shape.dilation, shape.groups)
            return (codes, packed)

    def unpack(self, packed: Any, call: Int8Call) -> Tensor:
        codes: Tensor = packed[0]
        return codes

    def run(self, x: Tensor, packed: Any, call: Int8Call) -> Tensor:
        kind = "linear" if call.geometry is None else f"conv{call.geometry.dimensions}d"
        with _engine(self.name):
            run = getattr(torch.ops.quantized, kind + ("_relu" if call.relu else ""))
            given = torch._make_per_tensor_quantized_tensor(x.contiguous(), call.x.scale, call.x.zero_point)
            y = run(given, packed[1], call.out.scale, call.out.zero_point)
            codes: Tensor = y.int_repr()
        return codes if call.hands_on else call.out.decode(codes)

    def run_rows(self, x: Tensor, packed: Any, call: Int8Call) -> Tensor:
        with _engine(self.name):
            y: Tensor = torch.ops.quantized.linear_dynamic(x.contiguous(), packed[1], reduce_range=call.x.levels < 255)
        return y


def finish(sums: Tensor, call: Int8Call) -> Tensor:
    """Scale, bias, ReLU and, where the call hands on, rounding of sums of integers [batch, rows, ...]."""
    shape = (-1,) + (1,) * (call.geometry.dimensions if call.geometry else 0)
    y = sums * (call.scales * call.x.scale).view(shape)
    if call.bias is not None:
        y = y + call.bias.view(shape)
    y = y.relu() if call.relu else y
    return call.out.encode(y) if call.hands_on else y


def plain_product(x: Tensor, weight: Tensor, call: Int8Call) -> Tensor:
    """Linear or convolution in float32, without bias."""
    weight = weight.to(torch.float32)
    if call.geometry is None:
        return F.linear(x, weight)
    shape = call.geometry
    convolve = CONVOLUTIONS[shape.dimensions]
    return convolve(x, weight, None, shape.stride, shape.padding, shape.dilation, shape.groups)


def row_scales(x: Tensor, half: int) -> Tensor:
    """[..., 1] of [..., columns]: each row then reaches from -half to half."""
    return x.abs().amax(dim=-1, keepdim=True).clamp_min_(1e-12) / half


@contextmanager
def _engine(name: str) -> Iterator[None]:
    """The engine is one switch of the whole process: set for the call. Its notice that quantised tensors are to go is
    known: that is why this is not the first choice."""
    before = torch.backends.quantized.engine
    if before != name:
        torch.backends.quantized.engine = name
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"(?s).*quantized tensor creation functions.*")
            yield
    finally:
        if before != name:
            torch.backends.quantized.engine = before


def kernel_named(name: str) -> Int8Kernel:
    """Whether it works here or not."""
    if name == "plain":
        return PlainKernel()
    return OneDnnKernel() if name == "onednn" else QuantizedOpsKernel(name)


@cache
def choose_kernel(wanted: str = "auto") -> Int8Kernel:
    """The one asked for, or the first that works here. Raises QuantizationError where the one asked for does not."""
    if wanted not in BACKENDS:
        raise QuantizationError(f"backend {wanted!r} is unknown; take one of: {', '.join(BACKENDS)}")
    if wanted != "auto":
        if obstacle(wanted):
            raise QuantizationError(f"backend {wanted} does not work here ({obstacle(wanted)}); take 'auto'")
        return kernel_named(wanted)
    arm = platform.machine().lower().startswith(("arm", "aarch"))
    order = ("onednn", "qnnpack") if arm else ("onednn", "x86", "fbgemm", "qnnpack")
    return kernel_named(next((name for name in order if not obstacle(name)), "plain"))


@cache
def obstacle(name: str) -> str:
    """Why a backend cannot be used here; "" where its answers are right."""
    try:
        gap = _gap(kernel_named(name), 1.0)
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        return str(error).partition("\n")[0]
    return "" if gap < 0.02 else f"its answers are off by {100 * gap:.3g} %"


@cache
def activation_levels(name: str) -> int:
    """255, or 127 where sums of large products overflow 16 bits (x86 processors without VNNI)."""
    return 255 if _gap(kernel_named(name), 127.0) < 0.02 else 127


def _gap(kernel: Int8Kernel, weight: float) -> float:
    """Distance to the plain kernel of a product whose codes are all as large as they can be (`weight` 127) or small."""
    codes = torch.full((8, 64), int(weight), dtype=torch.int8)
    ones = torch.ones(8)
    out = Affine.of_range(0.0, 64 * 255 * weight)
    call = Int8Call(ones, torch.zeros(8, dtype=torch.int32), None, Affine(1.0, 0), out)
    x = torch.full((2, 64), 255, dtype=torch.uint8)
    exact = PlainKernel().run(x, codes, call)
    found = kernel.run(x, kernel.pack(codes, call), call)
    convolution = Geometry((1, 1), (0, 0), (1, 1), 1)
    as_image = Int8Call(ones, call.zeros, None, call.x, out, geometry=convolution)
    image = kernel.run(x.view(2, 64, 1, 1), kernel.pack(codes.view(8, 64, 1, 1), as_image), as_image)
    return max(float((found - exact).abs().max()), float((image.view(2, 8) - exact).abs().max())) / float(exact.max())
