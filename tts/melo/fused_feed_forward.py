"""The flow's feed-forward layers by the decoder's kernels, in float32, bfloat16 or int8.

They are two thirds of the flow. The text encoder's are torch's, so durations are those of the exact voice. In float32
the plain sums are taken: a sentence reads the weights once or twice, and those of fewer products are 2.4 times as many.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.models.simd import WIDE
from tts.melo.decoder import DecoderPrecision
from tts.melo.decoder_window import Half, Window, rows_of
from tts.melo.flow import Flow
from tts.melo.layers import Encoder, FeedForward
from tts.melo.packed_convolution import LANES, Packer, Rows


class FusedFeedForward(nn.Module):
    """In the place of a FeedForward, [1, channels, frames] to the same; keeps its own copy of the weights."""

    def __init__(self, layer: FeedForward, memory: Half, threads: int, precision: DecoderPrecision) -> None:
        super().__init__()
        packer = Packer(precision, fast=False)
        self.first, self.second = packer.convolution(layer.conv_1), packer.convolution(layer.conv_2)
        self.inner_planes = -(-self.first.planes_out * LANES // packer.channels_a_plane)
        self.channels = layer.conv_2.out_channels
        self.memory = memory
        self.threads = threads

    def forward(self, x: Tensor, beyond: Tensor | None = None) -> Tensor:
        assert beyond is None, "nothing is padded where these kernels run"
        length = x.shape[2]
        rows = Rows(0, length)
        work = Window(self.threads, (self.memory, self.memory))
        work.enter(0)
        source = work.signal(self.first.planes_in, rows, length, self.first.before)
        source.values[:, -source.base : length - source.base] = rows_of(x[0], self.first)
        inner = work.signal(self.inner_planes, rows, length, self.second.before)
        out = work.signal(self.second.planes_out, rows, length, 0)
        work.add(self.first, rows, source, leaky=inner, slope=0.0)  # a ReLU
        work.add(self.second, rows, inner, raw=out)
        work.run()
        heard = torch.from_numpy(out.values[:, -out.base : length - out.base]).mT
        own = heard.clone(memory_format=torch.contiguous_format)  # of memory that the next layer uses
        return own.reshape(1, -1, length)[:, : self.channels]


def fuse_flow(flow: Flow, threads: int, precision: DecoderPrecision) -> None:
    """Put FusedFeedForward in the place of each feed-forward layer of odd kernels; the caller's threads run them.

    Needs the flow on a CPU in float32, and for bfloat16 a processor with tile registers. The layers' own weights go.
    In float32 nothing changes where a processor has no 32 registers of 16 numbers: torch is quicker there.
    """
    if precision == "float32" and not WIDE:
        return
    memory = Half()
    for part in flow.modules():
        if isinstance(part, Encoder):
            for number, layer in enumerate(part.ffn_layers):
                if isinstance(layer, FeedForward) and layer.around[0] == layer.around[1]:
                    part.ffn_layers[number] = FusedFeedForward(layer, memory, threads, precision)
