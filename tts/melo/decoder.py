"""Frames to samples: upsampling and residual blocks of dilated convolutions (Kong et al. 2020, HiFi-GAN), in torch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tts.melo.configuration import DecoderShape

SLOPE = 0.1
"""of the leaky ReLU below zero"""
LAST_SLOPE = 0.01
"""before the last convolution"""
OUTER_KERNEL = 7

DecoderPrecision = Literal["float32", "bfloat16", "int8"]
"""of the convolutions' inputs and weights; what they give and residuals are float32 always"""
AskedPrecision = Literal["float32", "bfloat16", "int8", "reduced"]
"""reduced: what is quickest on this processor"""


class PairedBlock(nn.Module):
    """Residual pairs of a dilated and a plain convolution."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_same(channels, kernel, 1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(F.leaky_relu(first(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class SingleBlock(nn.Module):
    """Residual dilated convolutions."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_same(channels, kernel, dilation) for dilation in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convs:
            x = x + convolution(F.leaky_relu(x, SLOPE))
        return x


def _same(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)


class Decoder(nn.Module):
    """[1, channels, frames] and the speaker [1, width, 1] to samples [1, 1, frames * hop] between -1 and 1."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.conv_pre = nn.Conv1d(shape.channels, shape.first_width, OUTER_KERNEL, padding=OUTER_KERNEL // 2)
        self.cond = nn.Conv1d(shape.speaker_width, shape.first_width, 1)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        block = PairedBlock if shape.paired else SingleBlock
        for level, (rate, kernel) in enumerate(zip(shape.rates, shape.rate_kernels, strict=True)):
            into, out = shape.width(level - 1), shape.width(level)
            self.ups.append(nn.ConvTranspose1d(into, out, kernel, rate, padding=(kernel - rate) // 2))
            self.resblocks.extend(
                block(out, size, dilations) for size, dilations in zip(shape.kernels, shape.dilations, strict=True)
            )
        self.conv_post = nn.Conv1d(
            shape.width(len(shape.rates) - 1), 1, OUTER_KERNEL, padding=OUTER_KERNEL // 2, bias=False
        )

    def forward(self, z: Tensor, speaker: Tensor) -> Tensor:
        x = self.conv_pre(z) + self.cond(speaker)
        kernels = len(self.shape.kernels)
        for level, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, SLOPE))
            blocks = self.resblocks[level * kernels : (level + 1) * kernels]
            x = torch.stack([block(x) for block in blocks]).sum(0) / kernels
        x = F.leaky_relu(x, LAST_SLOPE).to(self.conv_post.weight.dtype)  # float32 where the rest may be half of it
        return torch.tanh(self.conv_post(x))
