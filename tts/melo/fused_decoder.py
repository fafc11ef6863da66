"""The decoder on a CPU through our own kernels: each layer computes just the rows that a window's samples need.

Same signature and same numbers, to rounding, as `windows.TorchDecoder`. Leaky ReLUs, residuals and sums are written
with each convolution; the mean of a level's blocks is folded into the weights after it. Importing this imports numba.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tts.melo.decoder import LAST_SLOPE, SLOPE, Decoder, DecoderPrecision, PairedBlock
from tts.melo.decoder_window import Half, Signal, Window, rows_after, rows_of
from tts.melo.packed_convolution import LANES, Convolution, Packer, Rows


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


def has_tiles() -> bool:
    """Whether this processor has what bfloat16 needs: tile registers."""
    from tts.melo.tile_kernels import HAS_TILES

    return HAS_TILES


def reduced_precision() -> DecoderPrecision:
    """What is quickest on this processor: bfloat16 with tile registers, int8 with products of bytes, else float32."""
    from tts.melo.byte_kernels import HAS_BYTES

    if has_tiles():
        return "bfloat16"
    return "int8" if HAS_BYTES else "float32"


@dataclass(frozen=True, slots=True)
class _Level:
    """An upsampling and the blocks after it."""

    phases: list[Convolution]
    blocks: list[list[tuple[Convolution, Convolution]]]

    @property
    def margin(self) -> int:
        """The furthest that a convolution of the blocks looks."""
        return max(one.before for block in self.blocks for pair in block for one in pair)


class FusedDecoder:
    """Keeps its own copy of the decoder's weights. Not safe from several threads at once."""

    def __init__(self, decoder: Decoder, threads: int, precision: DecoderPrecision = "float32") -> None:
        reason = obstacle(decoder)
        if reason:
            raise ValueError(f"FusedDecoder: {reason}")
        if precision == "bfloat16" and not has_tiles():
            raise ValueError("FusedDecoder: bfloat16 needs a processor with tile registers (AMX)")
        self._shape = decoder.shape
        self._threads = threads
        self.precision = precision
        self._packer = packer = Packer(precision)
        self._first = packer.convolution(decoder.conv_pre)
        self._condition = decoder.cond
        self._halves = (Half(), Half())
        mean = 1 / len(self._shape.kernels)
        self._levels = []
        for level, up in enumerate(decoder.ups):
            blocks = decoder.resblocks[level * len(self._shape.kernels) :][: len(self._shape.kernels)]
            phases = packer.upsampling(up, mean if level else 1.0)
            self._levels.append(_Level(phases, [_pairs(packer, block) for block in blocks]))
        self._last = packer.convolution(decoder.conv_post, mean)

    @property
    def weight_bytes(self) -> int:
        """That its packed weights take."""
        inner = (one for level in self._levels for block in level.blocks for pair in block for one in pair)
        phases = (one for level in self._levels for one in level.phases)
        layers = (self._first, *phases, *inner, self._last)
        return sum(one.weights.numel() * one.weights.element_size() for one in layers)

    def window(self, frames: Tensor, speaker: Tensor, first: int, end: int) -> Tensor:
        """Samples [(end - first) * hop] of frames first..end of [1, channels, frames]; speaker is [1, width, 1]."""
        length = frames.shape[2]
        work = Window(self._threads, self._halves)
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
            self._halves = (Half(), Half())  # or what is no number would spread to the next window
        return samples

    def _needed(self, first: int, end: int, frames: int) -> tuple[list[Rows], Rows]:
        """Rows of the signal before the first upsampling and after each one's blocks; and the samples."""
        lengths = [frames]
        for rate in self._shape.rates:
            lengths.append(lengths[-1] * rate)
        hop = self._shape.hop
        samples = Rows(first * hop, end * hop)
        rows = samples.wider(self._last.before, self._last.after, lengths[-1])
        needed = [rows]
        for level, layer in reversed(list(enumerate(self._levels))):
            rate = self._shape.rates[level]
            risen = _union(list(_block_rows(block, rows, lengths[level + 1]))[-1][0] for block in layer.blocks)
            coarse = Rows(risen.first // rate, -(-risen.end // rate))
            before, after = (max(getattr(one, side) for one in layer.phases) for side in ("before", "after"))
            rows = coarse.wider(before, after, lengths[level])
            needed.append(rows)
        return needed[::-1], samples

    def _enter(self, work: Window, frames: Tensor, speaker: Tensor, rows: Rows) -> Signal:
        first, length = self._first, frames.shape[2]
        taken = rows.wider(first.before, first.after, length)
        source = work.signal(first.planes_in, taken, length, first.before)
        inside = source.values[:, taken.first - source.base : taken.end - source.base]
        inside[:] = rows_of(frames[0, :, taken.first : taken.end], first)
        bias = first.bias.clone()
        bias[: self._shape.first_width] += self._condition(speaker)[0, :, 0]
        out = work.signal(self._leaky_planes(first.planes_out), rows, length, self._reach(0))
        work.add(first, rows, source, leaky=out, slope=SLOPE, bias=bias)
        return out

    def _reach(self, level: int) -> int:
        """Rows that the level's upsampling, or behind the last one the last convolution, reads beside a signal."""
        readers = self._levels[level].phases if level < len(self._levels) else (self._last,)
        return max(max(one.before, one.after) for one in readers)

    def _leaky_planes(self, planes: int) -> int:
        """Of a signal that convolutions take in, where it has so many of 16 channels."""
        return -(-planes * LANES // self._packer.channels_a_plane)

    def _rise(self, work: Window, level: int, source: Signal, rows: Rows, length: int, slope: float) -> Signal:
        """Adds an upsampling and its blocks; gives the leaky sum of the blocks."""
        layer = self._levels[level]
        plans = [list(_block_rows(block, rows, length)) for block in layer.blocks]
        risen = _union(plan[-1][0] for plan in plans)
        planes, margin = layer.phases[0].planes_out, max(layer.margin, self._reach(level + 1))
        rate = len(layer.phases)
        coarse = Rows(risen.first // rate, -(-risen.end // rate))
        room = Rows(coarse.first * rate, coarse.end * rate)
        work.enter(level, 7 * planes * LANES * (room.end - room.first + margin + rows_after(margin)))
        entered, running, total = (work.signal(planes, room, length, margin) for _ in range(3))
        entered_leaky, inner, running_leaky, out = (
            work.signal(self._leaky_planes(planes), room, length, margin) for _ in range(4)
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


def _pairs(packer: Packer, block: nn.Module) -> list[tuple[Convolution, Convolution]]:
    assert isinstance(block, PairedBlock)
    pairs = zip(block.convs1, block.convs2, strict=True)
    return [(packer.convolution(one), packer.convolution(two)) for one, two in pairs]


def _block_rows(
    block: list[tuple[Convolution, Convolution]], rows: Rows, length: int
) -> Iterator[tuple[Rows, Rows, Rows]]:
    """Backwards through a block's pairs: rows needed before the pair, between its two, and after it."""
    for dilated, plain in reversed(block):
        middle = rows.wider(plain.before, plain.after, length)
        before = middle.wider(dilated.before, dilated.after, length)
        yield before, middle, rows
        rows = before


def _union(rows: Iterable[Rows]) -> Rows:
    every = list(rows)
    return Rows(min(one.first for one in every), max(one.end for one in every))
