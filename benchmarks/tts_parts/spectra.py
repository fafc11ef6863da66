"""How far two sounds of the same length lie apart, by their spectra and by power."""

from __future__ import annotations

import torch
from torch import Tensor


def spectral_db(one: Tensor, other: Tensor) -> float:
    """The mean difference of log spectra; durations may differ by frames, then it is over the shorter."""
    length = min(len(one), len(other))
    window = torch.hann_window(1024)
    levels = [
        torch.stft(part[:length], 1024, 256, window=window, return_complex=True).abs().clamp(min=1e-4).log10() * 20
        for part in (one, other)
    ]
    return float((levels[0] - levels[1]).abs().mean())


def signal_db(one: Tensor, other: Tensor) -> float:
    """The power of `one` over that of the difference; both of the same frames."""
    return float(10 * (one.square().mean() / (one - other).square().mean()).log10())
