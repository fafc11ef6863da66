"""A distillation that is the same every time; run as a program it stops at a step and waits there to be killed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from small_models import ConvNet, conv_net, labelled
from torch import Tensor, nn

from core.optimization.toolbox.distillation import DistillationConfig, Distilled, Distiller


class Student(nn.Module):
    """With a norm and dropout, whose state must come back too."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()),
                nn.Sequential(nn.Flatten(), nn.Dropout(0.2)),
            ]
        )
        self.out = nn.Linear(8 * 36, 5)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.out(x)


def student() -> Student:
    torch.manual_seed(3)
    return Student()


def teacher() -> ConvNet:
    return conv_net(seed=4)


def run(folder: Path | None, progress: Any = lambda told: None, **options: Any) -> Distilled:
    config = DistillationConfig(epochs=3, checkpoint_folder=folder, checkpoint_steps=2, **options)
    return Distiller(config, progress).distil(teacher(), student(), labelled(4), labelled(2, seed=9))


def main() -> None:
    stop = int(sys.argv[2])
    taken = 0

    def wait(told: Any) -> None:
        nonlocal taken
        taken += told.validation_loss is None
        if taken == stop:
            print("waiting", flush=True)
            sys.stdin.read()

    torch.set_num_threads(1)
    run(Path(sys.argv[1]), wait)


if __name__ == "__main__":
    main()
