"""The decoder on an NVIDIA card: in half precision if asked, in a few lengths only, and as CUDA graphs where they pay.

A window is decoded within as many of the sentence's frames as one of `lengths` has, moved to lie inside the sentence:
nothing is padded, and its samples are those of the one piece. A shorter sentence, or what falls between two lengths,
is launched as it is.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from core.optimization.batch_size import is_out_of_memory
from tts.melo.decoder import Decoder
from tts.melo.windows import frames_around

logger = logging.getLogger(__name__)

CardPrecision = Literal["float32", "float16", "bfloat16"]
"""of the convolutions but the last, which is float32 always"""
WINDOWS = (8, 16, 24, 32, 48, 64, 80)
"""frames of the windows whose lengths are kept; the largest that WindowGrowth gives is the last"""
GAIN = 0.95
"""a graph that takes more than so much of the launched work's time is given up"""
_WARM_UPS = 3

Replay = Callable[[], None]
Capture = Callable[[Callable[[], None]], Replay]
"""records what a function launches; the result launches all of it again"""
Seconds = Callable[[Callable[[], object]], float]
"""how long some work takes, the device's included"""


class GraphCapture:
    """Captures on the current card; all graphs share their scratch memory, as one is replayed at a time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Callable[[], None]) -> Replay:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # other threads, a language model's say, may allocate meanwhile
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            compute()
        replay: Replay = graph.replay
        return replay


@contextmanager
def exact_products(device: str) -> Iterator[None]:
    """Each tensor's own type, no autocast, and on a card no TF32, whose 10 bits would move phones by a frame."""
    if device != "cuda":
        with torch.autocast(device, enabled=False):
            yield
        return
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


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

    def __init__(self, decoder: Decoder, precision: CardPrecision = "float32", channels_last: bool = False) -> None:
        self._around = frames_around(decoder.shape)
        self._hop = decoder.shape.hop
        self._exact = decoder
        self.precision: CardPrecision = precision
        self._channels_last = channels_last
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

    def capture(self, seconds: Seconds, capture: Capture | None = None) -> None:
        """Make a graph of each length, the longest first, and keep those that are quicker by GAIN.

        A capture that fails leaves the rest to be launched, and says so. Raises what running out of memory raises.
        """
        capture = capture or GraphCapture()
        for length in reversed(self.lengths):
            try:
                graph = self._captured(length, capture)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                logger.warning("CUDA graphs are off, so speech is slower: %s", str(error).partition("\n")[0])
                return
            launched_s = seconds(partial(self._launch, graph.frames, graph.speaker))
            replayed_s = seconds(graph.replay)
            kept = replayed_s <= GAIN * launched_s
            if kept:
                self._graphs[length] = graph
            logger.info(
                "the decoder of %d frames: %.2f ms launched, %.2f as a graph, which is %s",
                length,
                1000 * launched_s,
                1000 * replayed_s,
                "kept" if kept else "given up",
            )

    def widen(self) -> bool:
        """Compute in float32 from now on; False where it does already. For samples that are no numbers."""
        if self.precision == "float32":
            return False
        self.precision, self._graphs = "float32", {}
        self._run = self._made("float32")
        return True

    def _captured(self, length: int, capture: Capture) -> _Graph:
        device = self._exact.conv_pre.weight.device
        shape = self._exact.shape
        with torch.inference_mode(False), torch.no_grad():
            frames = torch.zeros(1, shape.channels, length, device=device)
            speaker = torch.zeros(1, shape.speaker_width, 1, device=device)
            samples = torch.zeros(length * self._hop, device=device)

            def compute() -> None:
                samples.copy_(self._launch(frames, speaker))

            return _Graph(frames, speaker, samples, capture(compute))

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
