"""Decoding a sentence's frames window by window: how windows grow, how far the decoder looks, and decoding in torch.

A window is decoded with as many frames around it as its samples depend on, so windows joined equal one piece.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tts.melo.configuration import DecoderShape
from tts.melo.decoder import OUTER_KERNEL, AskedPrecision, Decoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WindowGrowth:
    """Frames of the windows: small at first, for an early sound, then larger, for less work twice."""

    first: int = 8
    factor: float = 2.0
    largest: int = 64
    whole: int = 0
    """a sentence of no more frames is one window"""

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.largest or self.factor < 1:
            raise ValueError(f"{self}: 1 <= first <= largest and factor >= 1 are needed")

    def bounds(self, frames: int) -> Iterator[tuple[int, int]]:
        """First frame and end of each window; a last one of less than half its size joins the one before."""
        first, size = 0, float(self.first if frames > self.whole else frames)
        while first < frames:
            end = first + int(size)
            if frames - end < min(size * self.factor, self.largest) / 2 and frames - first <= 1.25 * self.largest:
                end = frames
            yield first, end
            first, size = end, min(size * self.factor, self.largest)


class WindowDecoder(Protocol):
    """What decodes a window."""

    def window(self, frames: Tensor, speaker: Tensor, first: int, end: int) -> Tensor:
        """Samples [(end - first) * hop] of frames first..end of [1, channels, frames]; speaker is [1, width, 1]."""
        ...


def frames_around(shape: DecoderShape) -> int:
    """How many frames to either side a frame's samples depend on."""
    reach = OUTER_KERNEL // 2
    blocks = zip(shape.kernels, shape.dilations, strict=True)
    block = max(
        sum((kernel - 1) * dilation // 2 + (kernel // 2 if shape.paired else 0) for dilation in dilations)
        for kernel, dilations in blocks
    )
    for rate, kernel in zip(reversed(shape.rates), reversed(shape.rate_kernels), strict=True):
        reach = -(-(reach + block + max(kernel - rate, 0)) // rate)
    return reach + OUTER_KERNEL // 2


class TorchDecoder:
    """Any device; `run` is the decoder or what compiles it."""

    def __init__(self, decoder: Decoder, run: Callable[[Tensor, Tensor], Tensor] | None = None) -> None:
        self._run = run or decoder
        self._hop = decoder.shape.hop
        self._around = frames_around(decoder.shape)

    def window(self, frames: Tensor, speaker: Tensor, first: int, end: int) -> Tensor:
        """As WindowDecoder says."""
        begin = max(first - self._around, 0)
        taken = frames[:, :, begin : end + self._around]
        samples = self._run(taken, speaker)[0, 0]
        return samples[(first - begin) * self._hop : (end - begin) * self._hop]


def choose_decoder(
    decoder: Decoder,
    run: Callable[[Tensor, Tensor], Tensor] | None = None,
    precision: AskedPrecision = "float32",
    threads: int | None = None,
) -> tuple[WindowDecoder, str]:
    """Our own kernels where they can be used, else torch in float32; and why not the kernels, or "".

    The kernels share their work among `threads`, by default torch's. Raises ValueError for bfloat16 on a processor
    without tile registers.
    """
    try:
        from tts.melo.fused_decoder import FusedDecoder, obstacle, reduced_precision
    except ImportError as error:
        return TorchDecoder(decoder, run), f"numba is not installed ({error})"
    reason = obstacle(decoder)
    if reason:
        return TorchDecoder(decoder, run), reason
    chosen = reduced_precision() if precision == "reduced" else precision
    return FusedDecoder(decoder, threads or torch.get_num_threads(), chosen), ""
