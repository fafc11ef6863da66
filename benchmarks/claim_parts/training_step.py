"""The most memory one training step takes, plain or checkpointed: a process of its own, which prints the bytes."""

from __future__ import annotations

import sys

import torch

from benchmarks.shapes import SHAPES
from core.optimization import TorchOptimizer
from core.optimization.peak import track_peak

BATCH, LENGTH = 8, 256


def main(way: str) -> int:
    """Of a BERT of 4 layers, its weights and gradients not included."""
    torch.manual_seed(0)
    model = SHAPES[1].make().train()
    tokens = torch.randint(30000, (BATCH, LENGTH))
    if way == "checkpointed":
        TorchOptimizer().checkpoint(model, list(model)[2:])
    model(tokens[:1, :8]).square().mean().backward()  # gradients and late imports are there on both sides
    with track_peak() as peak:
        model(tokens).square().mean().backward()
    return peak.grown_bytes


if __name__ == "__main__":
    print(main(sys.argv[1]))
