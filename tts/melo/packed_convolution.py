"""A convolution's weights as the kernels read them, and which rows of its input an output needs."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tts.melo import conv_table as table
from tts.melo.decoder import DecoderPrecision
from tts.melo.fast_convolution import scheme_for

LANES = 16
TILE_CHANNELS = 32
"""of an input in bfloat16, that a tile takes at once"""
FAST_PLANES = 2
"""of input and of output, from which fewer products pay for the mixing"""
BYTE_PLANES = 2
"""of input, from which products of bytes are used: of a published size's error nine tenths come of its 16 channels at
the end, which take a tenth of the time"""
BYTE_WORK = 3
"""taps times planes of output, from which they pay for the rounding of the input"""


@dataclass(frozen=True, slots=True)
class Rows:
    """first..end of a signal."""

    first: int
    end: int

    def wider(self, before: int, after: int, length: int) -> Rows:
        """With so many more on either side, within a signal of that length."""
        return Rows(max(self.first - before, 0), min(self.end + after, length))


@dataclass(frozen=True, slots=True)
class Convolution:
    """Packed weights. Row n * step + offset of the output is a sum over taps, of rows n + first + tap * stride."""

    weights: Tensor
    bias: Tensor
    taps: int
    stride: int
    first: int
    planes_in: int
    """of 16 channels, or of 32 where the kind is TILES"""
    planes_out: int
    group: int
    step: int = 1
    offset: int = 0
    kind: int = table.PLAIN
    """or TILES or BYTES; or the taps of a scheme, of which `weights` are then the mixed ones, and `taps` as ever"""
    scales: Tensor | None = None
    """of BYTES, [2, planes_out * 16]: what a weight is worth, and the sum of an output's weights"""

    @property
    def groups(self) -> int:
        """Taps, or groups of taps, as the kernels count them."""
        return -(-self.taps // self.kind) if self.kind > 0 else self.taps

    @property
    def reach(self) -> int:
        """Rows of input from the first tap to the last."""
        return abs((self.taps - 1) * self.stride)

    @property
    def before(self) -> int:
        """Rows of input needed before an output's own."""
        return max(-self.first, -(self.first + (self.taps - 1) * self.stride), 0)

    @property
    def after(self) -> int:
        """And after it."""
        return max(self.first, self.first + (self.taps - 1) * self.stride, 0)


@dataclass(frozen=True, slots=True)
class Packer:
    """Packs a decoder's layers for one precision."""

    precision: DecoderPrecision
    fast: bool = True
    """in float32, with schemes of fewer products, whose weights are up to 2.4 times as many"""

    @property
    def channels_a_plane(self) -> int:
        """Of the signals that convolutions take in."""
        return TILE_CHANNELS if self.precision == "bfloat16" else LANES

    def convolution(self, layer: nn.Module, scale: float = 1.0) -> Convolution:
        """A torch layer with its outputs kept in length; `scale` goes into the weights."""
        assert isinstance(layer, nn.Conv1d)
        dilation, kernel = layer.dilation[0], layer.kernel_size[0]
        return self._packed(layer.weight * scale, layer.bias, dilation, -(kernel - 1) * dilation // 2)

    def upsampling(self, layer: nn.Module, scale: float) -> list[Convolution]:
        """One convolution for each of the rows that a row of input becomes."""
        assert isinstance(layer, nn.ConvTranspose1d)
        rate, kernel, padding = layer.stride[0], layer.kernel_size[0], int(layer.padding[0])
        weight = layer.weight.transpose(0, 1) * scale
        phases = []
        for phase in range(rate):
            start = (phase + padding) % rate
            first = (phase + padding - start) // rate
            phases.append(self._packed(weight[:, :, start:kernel:rate], layer.bias, -1, first, rate, phase))
        return phases

    def _packed(
        self,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        first: int,
        step: int = 1,
        offset: int = 0,
    ) -> Convolution:
        """From weights [out, in, taps] as torch has them."""
        out, into, taps = weight.shape
        planes_out = -(-out // LANES)
        planes_in = -(-into // self.channels_a_plane)
        padded = torch.zeros(planes_out * LANES, planes_in * self.channels_a_plane, taps)
        padded[:out, :into] = weight
        padded_bias = torch.zeros(planes_out * LANES)
        if bias is not None:
            padded_bias[:out] = bias
        scales = None
        if self.precision == "bfloat16":
            group, kind, parts = _for_tiles(padded)
        elif self.precision == "int8" and planes_in >= BYTE_PLANES and taps * planes_out >= BYTE_WORK:
            group, kind, parts, scales = _for_bytes(padded)
        else:
            group, kind, parts = _for_sums(padded, self.fast and step == 1)
        return Convolution(
            _kept(parts), padded_bias, taps, stride, first, planes_in, planes_out, group, step, offset, kind, scales
        )


def _group(planes_out: int, largest: int) -> int:
    """Planes of output that one pass computes."""
    return next(size for size in (4, 2, 1) if size <= largest and planes_out % size == 0)


def _for_sums(weight: Tensor, fast: bool) -> tuple[int, int, Tensor]:
    """Group, kind and weights of conv_kernels."""
    planes_out, planes_in, taps = weight.shape[0] // LANES, weight.shape[1] // LANES, weight.shape[2]
    group = _group(planes_out, 4)
    kind = table.PLAIN
    if fast and taps > 2 and planes_in >= FAST_PLANES and planes_out >= FAST_PLANES:
        scheme = scheme_for(taps)
        kind = scheme.taps
        groups = nn.functional.pad(weight, (0, -taps % kind)).view(*weight.shape[:2], -1, kind).double()
        parts = (groups @ torch.from_numpy(scheme.weigh()).mT).float()  # [out, in, groups, products]
    else:
        parts = weight[..., None]
    shape = (planes_out // group, group, LANES, planes_in, LANES, *parts.shape[2:])
    return group, kind, parts.view(shape).permute(0, 6, 3, 5, 4, 1, 2)


def _for_tiles(weight: Tensor) -> tuple[int, int, Tensor]:
    """Group, kind and weights of tile_kernels."""
    planes_out, planes_in, taps = weight.shape[0] // LANES, weight.shape[1] // TILE_CHANNELS, weight.shape[2]
    group = _group(planes_out, 2)
    shape = (planes_out // group, group, LANES, planes_in, TILE_CHANNELS // 2, 2, taps)
    return group, table.TILES, weight.to(torch.bfloat16).view(shape).permute(0, 3, 6, 1, 4, 2, 5)


def _for_bytes(weight: Tensor) -> tuple[int, int, Tensor, Tensor]:
    """Group, kind, weights and scales of byte_kernels."""
    planes_out, planes_in, taps = weight.shape[0] // LANES, weight.shape[1] // LANES, weight.shape[2]
    group = _group(planes_out, 4)
    scale = weight.abs().amax((1, 2)) / 127
    rounded = (weight / scale.where(scale > 0, 1)[:, None, None]).round()
    scales = torch.stack((scale, rounded.sum((1, 2))))
    shape = (planes_out // group, group, LANES, planes_in, LANES // table.QUAD, table.QUAD, taps)
    return group, table.BYTES, rounded.to(torch.int8).view(shape).permute(0, 3, 6, 4, 1, 2, 5), scales


def _kept(parts: Tensor) -> Tensor:
    """A copy in pages of its own: between what packing takes for a moment it would leave holes."""
    kept = torch.frombuffer(mmap.mmap(-1, parts.element_size() * parts.numel()), dtype=parts.dtype).view(parts.shape)
    return kept.copy_(parts)
