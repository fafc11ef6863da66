"""Layers that several parts of the network share. One text at a time; tensors are [1, channels, time].

A text that was padded comes with `beyond`, bool [1, 1, time], true behind its end: what lies there changes nothing of
what lies before, as long as it is finite. Without padding it is None.

Attention adds learnt vectors for the nearest relative positions to keys and values (Shaw et al. 2018). Names of
parameters are those of the published checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 4
"""relative positions to either side that have vectors of their own"""
SPEAKER_LAYER = 2
"""of an encoder: the speaker is added before it"""


def cut(x: Tensor, beyond: Tensor | None) -> Tensor:
    """Zeros beyond the text, as a convolution sees them beside it."""
    return x if beyond is None else x.masked_fill(beyond, 0.0)


class ChannelNorm(nn.Module):
    """Layer norm over the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.mT, self.gamma.shape, self.gamma, self.beta).mT


class RelativeAttention(nn.Module):
    """Self-attention in which the positions up to WINDOW away also have keys and values of their own."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.emb_rel_k = nn.Parameter(torch.zeros(1, 2 * WINDOW + 1, channels // heads))
        self.emb_rel_v = nn.Parameter(torch.zeros(1, 2 * WINDOW + 1, channels // heads))
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, beyond: Tensor | None = None) -> Tensor:
        _, channels, length = x.shape
        split = (self.heads, channels // self.heads, length)
        query = self.conv_q(x).view(split).mT * split[1] ** -0.5  # [heads, length, size]
        key, value = self.conv_k(x).view(split), self.conv_v(x).view(split).mT
        wide = x.new_zeros(self.heads, length, length + 2 * WINDOW)
        scores = wide[:, :, WINDOW : WINDOW + length]
        scores.copy_(query @ key)
        _band(wide).add_(query @ self.emb_rel_k.mT)  # what falls beside the text lands in the margins
        if beyond is not None:
            scores.masked_fill_(beyond, -torch.inf)
        weights = scores.softmax(-1)
        wide.zero_()
        scores.copy_(weights)
        attended = weights @ value + _band(wide) @ self.emb_rel_v
        joined: Tensor = self.conv_o(attended.mT.reshape(1, channels, length))
        return joined


def _band(wide: Tensor) -> Tensor:
    """A view [heads, length, 2 WINDOW + 1] of the diagonals around the middle one of [heads, length, length + margins].

    Entry (i, r) is column i + r, which stands for position i + r - WINDOW.
    """
    heads, length, width = wide.shape
    return wide.as_strided((heads, length, 2 * WINDOW + 1), (length * width, width + 1, 1))


class FeedForward(nn.Module):
    """Two convolutions with a ReLU between them."""

    def __init__(self, channels: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.around = ((kernel - 1) // 2, kernel // 2)
        self.conv_1 = nn.Conv1d(channels, inner, kernel)
        self.conv_2 = nn.Conv1d(inner, channels, kernel)

    def forward(self, x: Tensor, beyond: Tensor | None = None) -> Tensor:
        inner = F.relu(self.conv_1(F.pad(cut(x, beyond), self.around)))
        out: Tensor = self.conv_2(F.pad(cut(inner, beyond), self.around))
        return out


class Encoder(nn.Module):
    """Transformer layers with their norms after them; the speaker [1, width, 1] joins before the third."""

    def __init__(self, channels: int, inner: int, heads: int, layers: int, kernel: int, speaker_width: int = 0) -> None:
        super().__init__()
        if speaker_width:
            self.spk_emb_linear = nn.Linear(speaker_width, channels)
        self.attn_layers = nn.ModuleList(RelativeAttention(channels, heads) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(FeedForward(channels, inner, kernel) for _ in range(layers))
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))

    def forward(self, x: Tensor, speaker: Tensor | None, beyond: Tensor | None = None) -> Tensor:
        layers = zip(self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True)
        for n, (attention, first_norm, feed_forward, second_norm) in enumerate(layers):
            if n == SPEAKER_LAYER and speaker is not None:
                x = x + self.spk_emb_linear(speaker.mT).mT
            x = first_norm(x + attention(x, beyond))
            x = second_norm(x + feed_forward(x, beyond))
        return x


class SeparableConvolutions(nn.Module):
    """Residual layers of a dilated convolution of each channel by itself, then one across channels."""

    def __init__(self, channels: int, kernel: int, layers: int) -> None:
        super().__init__()
        self.convs_sep = nn.ModuleList(
            nn.Conv1d(
                channels,
                channels,
                kernel,
                groups=channels,
                dilation=kernel**n,
                padding=(kernel - 1) * kernel**n // 2,
            )
            for n in range(layers)
        )
        self.convs_1x1 = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(layers))
        self.norms_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.norms_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))

    def forward(self, x: Tensor, beyond: Tensor | None = None) -> Tensor:
        for separate, first_norm, across, second_norm in zip(
            self.convs_sep, self.norms_1, self.convs_1x1, self.norms_2, strict=True
        ):
            y = F.gelu(first_norm(separate(cut(x, beyond))))
            x = x + F.gelu(second_norm(across(y)))
        return x


class WaveNet(nn.Module):
    """Gated convolutions with skip connections, conditioned on the speaker (van den Oord et al. 2016)."""

    def __init__(self, channels: int, kernel: int, layers: int, speaker_width: int) -> None:
        super().__init__()
        self.channels = channels
        self.cond_layer = nn.Conv1d(speaker_width, 2 * channels * layers, 1)
        self.in_layers = nn.ModuleList(
            nn.Conv1d(channels, 2 * channels, kernel, padding=kernel // 2) for _ in range(layers)
        )
        self.res_skip_layers = nn.ModuleList(
            nn.Conv1d(channels, 2 * channels if n < layers - 1 else channels, 1) for n in range(layers)
        )

    def forward(self, x: Tensor, speaker: Tensor, beyond: Tensor | None = None) -> Tensor:
        skipped = torch.zeros_like(x)
        conditions = self.cond_layer(speaker).split(2 * self.channels, dim=1)
        for inner, outer, condition in zip(self.in_layers, self.res_skip_layers, conditions, strict=True):
            wave, gate = (inner(cut(x, beyond)) + condition).chunk(2, dim=1)
            parts = outer(torch.tanh(wave) * torch.sigmoid(gate)).split(self.channels, dim=1)
            skipped = skipped + parts[-1]
            if len(parts) == 2:
                x = x + parts[0]
        return skipped
