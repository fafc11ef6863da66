"""A convolution's weights as the kernels read them, and which rows of its input an output needs."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tts.melo import conv_table as table
from tts.melo.fast_convolution import scheme_for

LANES = 16
TILE_CHANNELS = 32
"""of an input in bfloat16, that a tile takes at once"""
FAST_PLANES = 2
"""of input and of output, from which fewer products pay for the mixing"""


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
    """or TILES; or the taps of a scheme, of which `weights` are then the mixed ones, and `taps` as ever"""

    @property
    def groups(self) -> int:
        """Taps, or groups of taps, as the kernels count them."""
        return -(-self.taps // self.kind) if self.kind > 0 else self.taps

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
    """Packs a decoder's layers, all for float32 or all for tiles of bfloat16."""

    tiles: bool

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
        self, weight: Tensor, bias: Tensor | None, stride: int, first: int, step: int = 1, offset: int = 0
    ) -> Convolution:
        """From weights [out, in, taps] as torch has them."""
        out, _, taps = weight.shape
        planes_out = -(-out // LANES)
        padded_bias = torch.zeros(planes_out * LANES)
        if bias is not None:
            padded_bias[:out] = bias
        planes_in, group, kind, parts = (_for_tiles if self.tiles else _for_sums)(weight, step)
        return Convolution(
            _kept(parts), padded_bias, taps, stride, first, planes_in, planes_out, group, step, offset, kind
        )


def _for_sums(weight: Tensor, step: int) -> tuple[int, int, int, Tensor]:
    """Planes of input, group, kind and weights of conv_kernels."""
    out, into, taps = weight.shape
    planes_out, planes_in = -(-out // LANES), -(-into // LANES)
    group = next(size for size in (4, 2, 1) if planes_out % size == 0)
    padded = torch.zeros(planes_out * LANES, planes_in * LANES, taps)
    padded[:out, :into] = weight
    kind = table.PLAIN
    if taps > 2 and step == 1 and planes_in >= FAST_PLANES and planes_out >= FAST_PLANES:
        scheme = scheme_for(taps)
        kind = scheme.taps
        groups = nn.functional.pad(padded, (0, -taps % kind)).view(*padded.shape[:2], -1, kind).double()
        parts = (groups @ torch.from_numpy(scheme.weigh()).mT).float()  # [out, in, groups, products]
    else:
        parts = padded[..., None]
    shape = (planes_out // group, group, LANES, planes_in, LANES, *parts.shape[2:])
    return planes_in, group, kind, parts.view(shape).permute(0, 6, 3, 5, 4, 1, 2)


def _for_tiles(weight: Tensor, step: int) -> tuple[int, int, int, Tensor]:
    """Planes of input, group, kind and weights of tile_kernels."""
    out, into, taps = weight.shape
    planes_out, planes_in = -(-out // LANES), -(-into // TILE_CHANNELS)
    group = 2 if planes_out % 2 == 0 else 1
    padded = torch.zeros(planes_out * LANES, planes_in * TILE_CHANNELS, taps, dtype=torch.bfloat16)
    padded[:out, :into] = weight
    shape = (planes_out // group, group, LANES, planes_in, TILE_CHANNELS // 2, 2, taps)
    return planes_in, group, table.TILES, padded.view(shape).permute(0, 3, 6, 1, 4, 2, 5)


def _kept(parts: Tensor) -> Tensor:
    """A copy in pages of its own: between what packing takes for a moment it would leave holes."""
    kept = torch.frombuffer(mmap.mmap(-1, parts.element_size() * parts.numel()), dtype=parts.dtype).view(parts.shape)
    return kept.copy_(parts)
