"""The decoder on a CPU through our own kernels: each layer computes just the rows that a window's samples need.

Same signature and same numbers, to rounding, as `windows.TorchDecoder`. Leaky ReLUs, residuals and sums are written
with each convolution; the mean of a level's blocks is folded into the weights after it. Importing this imports numba.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.models.thread_team import COUNTERS, TEAM
from tts.melo import conv_kernels as kernels
from tts.melo.decoder import LAST_SLOPE, SLOPE, Decoder, PairedBlock
from tts.melo.fast_convolution import OUTPUTS, scheme_for

LANES = 16
_ROW_BYTES = 64
_PIECE_WORK = 48 * 256
"""rows times channels of output that a thread takes at once"""
FAST_PLANES = 2
"""of input and of output, from which fewer products pay for the mixing"""
FAST_TILES = 24
"""that a thread takes at once, about"""

Floats = NDArray[np.float32]


def obstacle(decoder: Decoder) -> str:
    """Why these kernels do not run a decoder; "" where they do."""
    weight = decoder.conv_pre.weight
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return f"its weights are {weight.dtype} on {weight.device.type}"
    if not decoder.shape.paired:
        return "its blocks are of the unpaired kind"
    if any(kernel < rate for kernel, rate in zip(decoder.shape.rate_kernels, decoder.shape.rates, strict=True)):
        return "an upsampling's kernel is shorter than its step"
    return ""


@dataclass(frozen=True, slots=True)
class _Rows:
    """first..end of a signal."""

    first: int
    end: int

    def wider(self, before: int, after: int, length: int) -> _Rows:
        """With so many more on either side, within a signal of that length."""
        return _Rows(max(self.first - before, 0), min(self.end + after, length))


@dataclass(frozen=True, slots=True)
class _Convolution:
    """Packed weights. Row n * step + offset of the output is a sum over taps, of rows n + first + tap * stride."""

    weights: Tensor
    bias: Tensor
    taps: int
    stride: int
    first: int
    planes_in: int
    planes_out: int
    group: int
    step: int = 1
    offset: int = 0
    kind: int = kernels.PLAIN
    """or the taps of a scheme, of which `weights` are then the mixed ones, and `taps` as ever"""

    @property
    def groups(self) -> int:
        """Taps, or groups of taps, as the kernels count them."""
        return -(-self.taps // self.kind) if self.kind else self.taps

    @property
    def before(self) -> int:
        """Rows of input needed before an output's own."""
        return max(-self.first, -(self.first + (self.taps - 1) * self.stride), 0)

    @property
    def after(self) -> int:
        """And after it."""
        return max(self.first, self.first + (self.taps - 1) * self.stride, 0)


def _packed(
    weight: Tensor, bias: Tensor | None, stride: int, first: int, step: int = 1, offset: int = 0
) -> _Convolution:
    """From weights [out, in, taps] as torch has them."""
    out, into, taps = weight.shape
    planes_out, planes_in = -(-out // LANES), -(-into // LANES)
    group = next(size for size in (4, 2, 1) if planes_out % size == 0)
    padded = torch.zeros(planes_out * LANES, planes_in * LANES, taps)
    padded[:out, :into] = weight
    kind = kernels.PLAIN
    if taps > 2 and step == 1 and planes_in >= FAST_PLANES and planes_out >= FAST_PLANES:
        scheme = scheme_for(taps)
        kind = scheme.taps
        groups = nn.functional.pad(padded, (0, -taps % kind)).view(*padded.shape[:2], -1, kind).double()
        parts = (groups @ torch.from_numpy(scheme.weigh()).mT).float()  # [out, in, groups, products]
    else:
        parts = padded[..., None]
    shape = (planes_out // group, group, LANES, planes_in, LANES, *parts.shape[2:])
    parts = parts.view(shape).permute(0, 6, 3, 5, 4, 1, 2)
    weights = torch.frombuffer(mmap.mmap(-1, 4 * parts.numel()), dtype=torch.float32).view(parts.shape)
    weights.copy_(parts)  # in pages of their own: between what packing takes for a moment they would leave holes
    padded_bias = torch.zeros(planes_out * LANES)
    if bias is not None:
        padded_bias[:out] = bias
    return _Convolution(weights, padded_bias, taps, stride, first, planes_in, planes_out, group, step, offset, kind)


def _from_conv(layer: nn.Module, scale: float = 1.0) -> _Convolution:
    assert isinstance(layer, nn.Conv1d)
    dilation, kernel = layer.dilation[0], layer.kernel_size[0]
    return _packed(layer.weight * scale, layer.bias, dilation, -(kernel - 1) * dilation // 2)


def _from_upsampling(layer: nn.Module, scale: float) -> list[_Convolution]:
    """One convolution for each of the rows that a row of input becomes."""
    assert isinstance(layer, nn.ConvTranspose1d)
    rate, kernel, padding = layer.stride[0], layer.kernel_size[0], int(layer.padding[0])
    weight = layer.weight.transpose(0, 1) * scale
    phases = []
    for phase in range(rate):
        start = (phase + padding) % rate
        first = (phase + padding - start) // rate
        phases.append(_packed(weight[:, :, start:kernel:rate], layer.bias, -1, first, rate, phase))
    return phases


@dataclass(frozen=True, slots=True)
class _Signal:
    """A stretch of a signal in memory, with margins: [planes, rows, 16] beginning at row `base`."""

    values: Floats
    base: int

    @property
    def plane(self) -> int:
        """Bytes from a plane to the next."""
        return int(self.values.strides[0])

    @property
    def address(self) -> int:
        """Where row 0 would be."""
        return int(self.values.ctypes.data) - self.base * _ROW_BYTES


@dataclass(frozen=True, slots=True)
class _Level:
    """An upsampling and the blocks after it."""

    phases: list[_Convolution]
    blocks: list[list[tuple[_Convolution, _Convolution]]]

    @property
    def margin(self) -> int:
        """The furthest that a convolution of the blocks looks."""
        return max(one.before for block in self.blocks for pair in block for one in pair)


class FusedDecoder:
    """Keeps its own copy of the decoder's weights. Not safe from several threads at once."""

    def __init__(self, decoder: Decoder, threads: int) -> None:
        reason = obstacle(decoder)
        if reason:
            raise ValueError(f"FusedDecoder: {reason}")
        self._shape = decoder.shape
        self._threads = threads
        self._first = _from_conv(decoder.conv_pre)
        self._condition = decoder.cond
        self._halves = (_Half(), _Half())
        mean = 1 / len(self._shape.kernels)
        self._levels = []
        for level, up in enumerate(decoder.ups):
            blocks = decoder.resblocks[level * len(self._shape.kernels) :][: len(self._shape.kernels)]
            phases = _from_upsampling(up, mean if level else 1.0)
            self._levels.append(_Level(phases, [_pairs(block) for block in blocks]))
        self._last = _from_conv(decoder.conv_post, mean)

    def window(self, frames: Tensor, speaker: Tensor, first: int, end: int) -> Tensor:
        """Samples [(end - first) * hop] of frames first..end of [1, channels, frames]; speaker is [1, width, 1]."""
        length = frames.shape[2]
        work = _Window(self._threads, self._halves)
        work.enter(1)
        rows, last = self._needed(first, end, length)
        signal = self._enter(work, frames, speaker, rows[0])
        for level, needed in enumerate(rows[1:]):
            length *= self._shape.rates[level]
            slope = SLOPE if level < len(self._levels) - 1 else LAST_SLOPE
            signal = self._rise(work, level, signal, needed, length, slope)
        work.enter(len(self._levels))
        out = work.signal(self._last.planes_out, last, length, 0)
        work.add(self._last, last, signal, raw=out)
        work.run()
        samples = torch.tanh(torch.from_numpy(out.values[0, last.first - out.base : last.end - out.base, 0]))
        if not bool(samples.isfinite().all()):
            self._halves = (_Half(), _Half())  # or what is no number would spread to the next window
        return samples

    def _needed(self, first: int, end: int, frames: int) -> tuple[list[_Rows], _Rows]:
        """Rows of the signal before the first upsampling and after each one's blocks; and the samples."""
        lengths = [frames]
        for rate in self._shape.rates:
            lengths.append(lengths[-1] * rate)
        hop = self._shape.hop
        samples = _Rows(first * hop, end * hop)
        rows = samples.wider(self._last.before, self._last.after, lengths[-1])
        needed = [rows]
        for level, layer in reversed(list(enumerate(self._levels))):
            rate = self._shape.rates[level]
            risen = _union(list(_block_rows(block, rows, lengths[level + 1]))[-1][0] for block in layer.blocks)
            coarse = _Rows(risen.first // rate, -(-risen.end // rate))
            before, after = (max(getattr(one, side) for one in layer.phases) for side in ("before", "after"))
            rows = coarse.wider(before, after, lengths[level])
            needed.append(rows)
        return needed[::-1], samples

    def _enter(self, work: _Window, frames: Tensor, speaker: Tensor, rows: _Rows) -> _Signal:
        first, length = self._first, frames.shape[2]
        taken = rows.wider(first.before, first.after, length)
        source = work.signal(first.planes_in, taken, length, first.before)
        inside = source.values[:, taken.first - source.base : taken.end - source.base]
        padded = np.zeros((first.planes_in * LANES, taken.end - taken.first), np.float32)
        padded[: frames.shape[1]] = frames[0, :, taken.first : taken.end].numpy()
        inside[:] = padded.reshape(first.planes_in, LANES, -1).transpose(0, 2, 1)
        bias = first.bias.clone()
        bias[: self._shape.first_width] += self._condition(speaker)[0, :, 0]
        margin = max(max(one.before, one.after) for one in self._levels[0].phases)
        out = work.signal(first.planes_out, rows, length, margin)
        work.add(first, rows, source, leaky=out, slope=SLOPE, bias=bias)
        return out

    def _rise(self, work: _Window, level: int, source: _Signal, rows: _Rows, length: int, slope: float) -> _Signal:
        """Adds an upsampling and its blocks; gives the leaky sum of the blocks."""
        layer = self._levels[level]
        plans = [list(_block_rows(block, rows, length)) for block in layer.blocks]
        risen = _union(plan[-1][0] for plan in plans)
        planes, margin = layer.phases[0].planes_out, layer.margin
        rate = len(layer.phases)
        coarse = _Rows(risen.first // rate, -(-risen.end // rate))
        room = _Rows(coarse.first * rate, coarse.end * rate)
        work.enter(level, 7 * planes * LANES * (room.end - room.first + margin + _after(margin)))
        entered, entered_leaky, inner, running, running_leaky, total, out = (
            work.signal(planes, room, length, margin) for _ in range(7)
        )
        for phase in layer.phases:
            work.add(phase, coarse, source, raw=entered, leaky=entered_leaky)
        for number, (block, plan) in enumerate(zip(layer.blocks, plans, strict=True)):
            for n, ((dilated, plain), (_, middle, after)) in enumerate(zip(block, reversed(plan), strict=True)):
                work.add(dilated, middle, running_leaky if n else entered_leaky, leaky=inner)
                residual = running if n else entered
                if n < len(block) - 1:
                    work.add(plain, after, inner, residual, raw=running, leaky=running_leaky)
                elif number < len(layer.blocks) - 1:
                    work.add(plain, after, inner, residual, total if number else None, raw=total)
                else:
                    work.add(plain, after, inner, residual, total if number else None, leaky=out, slope=slope)
        return out


def _pairs(block: nn.Module) -> list[tuple[_Convolution, _Convolution]]:
    assert isinstance(block, PairedBlock)
    return [(_from_conv(one), _from_conv(two)) for one, two in zip(block.convs1, block.convs2, strict=True)]


def _block_rows(
    block: list[tuple[_Convolution, _Convolution]], rows: _Rows, length: int
) -> Iterator[tuple[_Rows, _Rows, _Rows]]:
    """Backwards through a block's pairs: rows needed before the pair, between its two, and after it."""
    for dilated, plain in reversed(block):
        middle = rows.wider(plain.before, plain.after, length)
        before = middle.wider(dilated.before, dilated.after, length)
        yield before, middle, rows
        rows = before


def _union(rows: Any) -> _Rows:
    every = list(rows)
    return _Rows(min(one.first for one in every), max(one.end for one in every))


def _after(margin: int) -> int:
    """Rows behind a signal: a pass computes some too many; what it reads for them is old, and never from beyond."""
    return max(margin + kernels.HELD, 2 * margin + 4 * OUTPUTS)


class _Half:
    """Memory that is taken from its beginning again and again. It grows; what was taken before stays valid."""

    def __init__(self) -> None:
        self._floats = np.zeros(0, np.float32)
        self.used = 0

    def begin(self, floats: int) -> None:
        """From the beginning again, with room for so many."""
        self.used = 0
        if len(self._floats) < floats:
            self._floats = np.zeros(floats, np.float32)

    def take(self, planes: int, rows: int) -> Floats:
        """[planes, rows, 16] of old numbers."""
        size = planes * rows * LANES
        if self.used + size > len(self._floats):
            self._floats, self.used = (
                np.zeros(max(size, len(self._floats)), np.float32),
                0,
            )  # the old ones stay as they are
        taken = self._floats[self.used : self.used + size].reshape(planes, rows, LANES)
        self.used += size
        return taken


class _Window:
    """The operations of one window, whose signals lie in two halves of memory by turns, a level in each."""

    def __init__(self, threads: int, halves: tuple[_Half, _Half]) -> None:
        self._threads = threads
        self._halves = halves
        self._half = halves[1]
        self._rows: list[NDArray[np.int64]] = []
        self._kept: list[Any] = []
        self._scratch_floats = kernels.scratch_floats(0, 0, 0, 0, 1)

    def enter(self, level: int, floats: int = 0) -> None:
        """What is made from now on, so many numbers, takes the place of what the level before the last one made."""
        self._half = self._halves[level % 2]
        self._half.begin(floats)

    def signal(self, planes: int, rows: _Rows, length: int, margin: int) -> _Signal:
        """Room for those rows of a signal of that length; beside the signal itself there are zeros."""
        after = _after(margin)
        made = _Signal(self._half.take(planes, rows.end - rows.first + margin + after), rows.first - margin)
        self._kept.append(made)
        if rows.first == 0:
            self._clear(made, _Rows(-margin, 0))
        if rows.end >= length:
            self._clear(made, _Rows(length, rows.end + after))
        return made

    def _clear(self, signal: _Signal, rows: _Rows) -> None:
        op = np.zeros(kernels.FIELDS, np.int64)
        op[kernels.KIND], op[kernels.RAW], op[kernels.RAW_PLANE] = kernels.CLEAR, signal.address, signal.plane
        op[kernels.FIRST_ROW], op[kernels.END_ROW], op[kernels.ROWS_A_PIECE] = rows.first, rows.end, 1 << 30
        op[kernels.OUT_PLANES], op[kernels.GROUP] = len(signal.values), 1
        self._rows.append(op)

    def add(
        self,
        layer: _Convolution,
        rows: _Rows,
        source: _Signal,
        residual: _Signal | None = None,
        added: _Signal | None = None,
        *,
        raw: _Signal | None = None,
        leaky: _Signal | None = None,
        slope: float = SLOPE,
        bias: Tensor | None = None,
    ) -> None:
        """One convolution, for those rows of its output (of its input's rate)."""
        op = np.zeros(kernels.FIELDS, np.int64)
        bias = layer.bias if bias is None else bias
        self._kept.append(bias)
        piece = self._piece(layer, rows)
        op[: kernels.RESIDUAL] = (
            source.address, source.plane, layer.planes_in, layer.groups, layer.stride, layer.first,
            layer.weights.data_ptr(), bias.data_ptr(), layer.planes_out, layer.group,
            rows.first, rows.end, piece, layer.step, layer.offset,
        )  # fmt: skip
        for column, one in (
            (kernels.RESIDUAL, residual), (kernels.ADDED, added), (kernels.RAW, raw), (kernels.LEAKY, leaky)
        ):  # fmt: skip
            if one is not None:
                op[column], op[column + 1] = one.address, one.plane
        op[kernels.SLOPE_MILLI], op[kernels.KIND] = round(slope * 1000), layer.kind
        self._rows.append(op)

    def _piece(self, layer: _Convolution, rows: _Rows) -> int:
        """Rows that a thread takes at once."""
        if not layer.kind:
            return max(_PIECE_WORK // (layer.group * LANES * 4), kernels.HELD)
        block = OUTPUTS * layer.stride
        share = -(-(rows.end - rows.first) // (self._threads * block))
        blocks = max(min(share, FAST_TILES // layer.stride), 1)
        products = layer.kind + OUTPUTS - 1
        floats = kernels.scratch_floats(layer.planes_in, layer.groups, products, blocks * layer.stride, layer.group)
        self._scratch_floats = max(self._scratch_floats, floats)
        return blocks * block

    def run(self) -> None:
        """Compute. Threads that come late find everything done, in memory that they hold."""
        table = np.stack(self._rows)
        counters = np.zeros(len(table) * COUNTERS, np.int64)
        scratch = [np.empty(self._scratch_floats, np.float32) for _ in range(self._threads)]
        kept = self._kept

        def job(number: int) -> None:
            kernels.run_operations(table, counters.ctypes.data, scratch[number].ctypes.data)
            assert kept is not None

        TEAM.run(job, self._threads)
