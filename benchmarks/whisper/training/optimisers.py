"""What changes the weights: AdamW for embeddings, convolutions and biases, Muon for the other matrices."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.whisper.training.network import Network


def optimisers(network: Network, rate: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the blocks' matrices, and AdamW."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, weight in network.named_parameters():
        plain = weight.ndim == 2 and ".blocks." in name
        (matrices if plain else others).append(weight)
    return [
        torch.optim.Muon(matrices, rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]
