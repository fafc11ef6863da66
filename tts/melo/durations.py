"""How many frames each phone lasts: a deterministic predictor and a stochastic one, of which only sampling is here.

The stochastic one turns noise into log-durations by inverting rational-quadratic splines (Durkan et al. 2019) whose
knots depend on the text (Kim et al. 2021, VITS). What serves its training only has no place here: TRAINING_ONLY.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tts.melo.layers import ChannelNorm, SeparableConvolutions, cut

BINS = 10
BOUND = 5.0
"""outside of -BOUND..BOUND a spline is the identity"""
SMALLEST = 1e-3
"""width, height and slope of a bin"""
INNER = 256
"""channels within the deterministic predictor"""
SPLINES = 4
TRAINING_ONLY = ("sdp.post_", "sdp.flows.1.")
"""prefixes: the posterior's flows, and the first spline, which sampling passes by"""


def inverse_spline(y: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor) -> Tensor:
    """x of every y [...]; widths and heights [..., BINS] and inner slopes [..., BINS - 1] are free real numbers."""
    left, right = _knots(widths), _knots(heights)  # [..., BINS + 1] on the x axis and on the y axis
    edge = math.log(math.exp(1 - SMALLEST) - 1)  # makes the slope 1, as outside
    slope = SMALLEST + F.softplus(F.pad(slopes, (1, 1), value=edge))
    inside = (y >= -BOUND) & (y <= BOUND)
    held = y.clamp(-BOUND, BOUND)
    upper = right[..., 1:].clone()
    upper[..., -1] += 1e-6
    bin_ = (held[..., None] >= upper).sum(-1, keepdim=True).clamp(max=BINS - 1)

    def chosen(values: Tensor) -> Tensor:
        return values.gather(-1, bin_)[..., 0]

    width, height = chosen(left.diff(dim=-1)), chosen(right.diff(dim=-1))
    mean, first, last = height / width, chosen(slope[..., :-1]), chosen(slope[..., 1:])
    above = held - chosen(right[..., :-1])
    bend = above * (first + last - 2 * mean)
    a, b, c = bend + height * (mean - first), height * first - bend, -mean * above
    root = 2 * c / (-b - torch.sqrt((b * b - 4 * a * c).clamp(min=0)))
    return torch.where(inside, root * width + chosen(left[..., :-1]), y)


def _knots(free: Tensor) -> Tensor:
    """Increasing from -BOUND to BOUND, [..., BINS + 1]."""
    shares = SMALLEST + (1 - SMALLEST * BINS) * free.softmax(-1)
    knots = F.pad(2 * BOUND * shares.cumsum(-1) - BOUND, (1, 0), value=-BOUND)
    knots[..., -1] = BOUND
    return knots


class SplineFlow(nn.Module):
    """A spline for the second of two channels, whose knots the first and the text set."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.scale = channels**-0.5
        self.pre = nn.Conv1d(1, channels, 1)
        self.convs = SeparableConvolutions(channels, kernel, layers=3)
        self.proj = nn.Conv1d(channels, 3 * BINS - 1, 1)

    def forward(self, z: Tensor, text: Tensor, beyond: Tensor | None = None) -> Tensor:
        """[1, 2, phones] back through the flow."""
        kept, changed = z[:, :1], z[:, 1:]
        free = self.proj(self.convs(self.pre(kept) + text, beyond)).mT  # [1, phones, 3 BINS - 1]
        widths, heights, slopes = free.split((BINS, BINS, BINS - 1), dim=-1)
        return torch.cat(
            (kept, inverse_spline(changed[:, 0], widths * self.scale, heights * self.scale, slopes)[:, None]), 1
        )


class Affine(nn.Module):
    """A shift and a scale of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(channels, 1))
        self.logs = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, z: Tensor) -> Tensor:
        """Back through the flow."""
        return (z - self.m) * torch.exp(-self.logs)


class StochasticDurations(nn.Module):
    """Noise [1, 2, phones] to log-durations [1, 1, phones]."""

    def __init__(self, channels: int, kernel: int, speaker_width: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels, channels, 1)
        self.convs = SeparableConvolutions(channels, kernel, layers=3)
        self.proj = nn.Conv1d(channels, channels, 1)
        self.cond = nn.Conv1d(speaker_width, channels, 1)
        used = {str(2 * n + 1): SplineFlow(channels, kernel) for n in range(1, SPLINES)}
        self.flows = nn.ModuleDict({"0": Affine(2), **used})

    def forward(self, text: Tensor, noise: Tensor, speaker: Tensor, beyond: Tensor | None = None) -> Tensor:
        text = self.proj(self.convs(self.pre(text) + self.cond(speaker), beyond))
        for n in range(SPLINES - 1, 0, -1):
            noise = self.flows[str(2 * n + 1)](noise.flip(1), text, beyond)
        durations: Tensor = self.flows["0"](noise.flip(1))[:, :1]
        return durations


class Durations(nn.Module):
    """Log-durations [1, 1, phones] of the text."""

    def __init__(self, channels: int, kernel: int, speaker_width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, INNER, kernel, padding=kernel // 2)
        self.norm_1 = ChannelNorm(INNER)
        self.conv_2 = nn.Conv1d(INNER, INNER, kernel, padding=kernel // 2)
        self.norm_2 = ChannelNorm(INNER)
        self.proj = nn.Conv1d(INNER, 1, 1)
        self.cond = nn.Conv1d(speaker_width, channels, 1)

    def forward(self, text: Tensor, speaker: Tensor, beyond: Tensor | None = None) -> Tensor:
        x = self.norm_1(F.relu(self.conv_1(cut(text + self.cond(speaker), beyond))))
        x = self.norm_2(F.relu(self.conv_2(cut(x, beyond))))
        durations: Tensor = self.proj(x)
        return durations
