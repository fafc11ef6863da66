"""The decoder on an NVIDIA card: in half precision if asked, in a few lengths only, and as CUDA graphs where they pay.

A window is decoded within as many of the sentence's frames as one of `lengths` has, moved to lie inside the sentence:
nothing is padded, and its samples are those of the one piece. A shorter sentence, or what falls between two lengths,
is launched as it is.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tts.melo.card_graphs import GraphChoice, Replay, exact_products
from tts.melo.decoder import Decoder
from tts.melo.windows import frames_around

CardPrecision = Literal["float32", "float16", "bfloat16"]
"""of the convolutions but the last, which is float32 always"""
WINDOWS = (8, 16, 24, 32, 48, 64, 80)
"""frames of the windows whose lengths are kept; the largest that WindowGrowth gives is the last"""


@dataclass(frozen=True, slots=True)
class _Graph:
    """One length: what is written into it, and what it gives."""

    frames: Tensor
    speaker: Tensor
    samples: Tensor
    replay: Replay

    def run(self, frames: Tensor, speaker: Tensor) -> Tensor:
        """The samples, until the next run."""
        self.frames.copy_(frames)
        self.speaker.copy_(speaker)
        self.replay()
        return self.samples


class CardDecoder:
    """Implements tts.melo.windows.WindowDecoder; `decoder` stays as it is. One thread at a time uses it."""

    def __init__(
        self, decoder: Decoder, precision: CardPrecision = "float32", channels_last: bool | None = None
    ) -> None:
        """`channels_last` is by default what a card is quicker with: in half precision, and not in float32."""
        self._around = frames_around(decoder.shape)
        self._hop = decoder.shape.hop
        self._exact = decoder
        self.precision: CardPrecision = precision
        self._channels_last = precision != "float32" if channels_last is None else channels_last
        self._run = self._made(precision)
        self._graphs: dict[int, _Graph] = {}
        self.lengths = tuple(size + 2 * self._around for size in WINDOWS)

    @property
    def graphs(self) -> tuple[int, ...]:
        """The lengths that are replayed."""
        return tuple(sorted(self._graphs))

    def window(self, frames: Tensor, speaker: Tensor, first: int, end: int) -> Tensor:
        """As WindowDecoder says."""
        begin, count = self.placed(first, end, frames.shape[2])
        taken = frames[:, :, begin : begin + count]
        graph = self._graphs.get(count)
        samples = graph.run(taken, speaker) if graph is not None else self._launch(taken, speaker)
        wanted = samples[(first - begin) * self._hop : (end - begin) * self._hop]
        return wanted if graph is None else wanted.clone()

    def placed(self, first: int, end: int, frames: int) -> tuple[int, int]:
        """First frame and number of those to decode for frames first..end of so many: one of `lengths` if it goes."""
        begin, needed = max(first - self._around, 0), min(end + self._around, frames)
        needed -= begin
        count = next((length for length in self.lengths if needed <= length <= frames), needed)
        return min(begin, frames - count), count

    def capture(self, choice: GraphChoice) -> None:
        """Make a graph of each length, the longest first, and keep those that pay. Raises as GraphChoice does."""
        for length in reversed(self.lengths):
            graph = self._captured(length, choice)
            if graph is not None:
                self._graphs[length] = graph

    def widen(self) -> bool:
        """Compute in float32 from now on; False where it does already. For samples that are no numbers."""
        if self.precision == "float32":
            return False
        self.precision, self._graphs, self._channels_last = "float32", {}, False
        self._run = self._made("float32")
        return True

    def _captured(self, length: int, choice: GraphChoice) -> _Graph | None:
        device = self._exact.conv_pre.weight.device
        shape = self._exact.shape
        with torch.inference_mode(False), torch.no_grad():
            frames = torch.zeros(1, shape.channels, length, device=device)
            speaker = torch.zeros(1, shape.speaker_width, 1, device=device)
            samples = torch.zeros(length * self._hop, device=device)

            def compute() -> None:
                samples.copy_(self._launch(frames, speaker))

            replay = choice.make(f"the decoder of {length} frames", compute)
        return None if replay is None else _Graph(frames, speaker, samples, replay)

    def _launch(self, frames: Tensor, speaker: Tensor) -> Tensor:
        """[samples] float32."""
        dtype = self._run.conv_pre.weight.dtype
        frames, speaker = frames.to(dtype), speaker.to(dtype)
        if self._channels_last:
            frames = frames[:, :, None].contiguous(memory_format=torch.channels_last)
            speaker = speaker[:, :, None].contiguous(memory_format=torch.channels_last)
        with exact_products(frames.device.type):
            samples: Tensor = self._run(frames, speaker)
        return samples.flatten()

    def _made(self, precision: CardPrecision) -> Decoder:
        if precision == "float32" and not self._channels_last:
            return self._exact
        made = copy.deepcopy(self._exact).to(getattr(torch, precision))
        made.conv_post.float()
        return channels_last(made) if self._channels_last else made


def channels_last(decoder: Decoder) -> Decoder:
    """`decoder` itself with two-dimensional convolutions of one row, whose channels lie side by side in memory."""
    for parent in list(decoder.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
                setattr(parent, name, _one_row(layer))
    return decoder


def _one_row(layer: nn.Conv1d | nn.ConvTranspose1d) -> nn.Module:
    kind = nn.Conv2d if isinstance(layer, nn.Conv1d) else nn.ConvTranspose2d
    made = kind(
        layer.in_channels,
        layer.out_channels,
        (1, layer.kernel_size[0]),
        stride=(1, layer.stride[0]),
        padding=(0, int(layer.padding[0])),
        dilation=(1, layer.dilation[0]),
        bias=layer.bias is not None,
        device="meta",
    )
    weight = layer.weight.detach()[:, :, None].contiguous(memory_format=torch.channels_last)
    made.weight = nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        made.bias = nn.Parameter(layer.bias.detach(), requires_grad=False)
    return made.eval()
