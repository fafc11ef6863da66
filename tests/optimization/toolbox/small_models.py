"""Tiny networks with every kind of layer that the toolbox changes, and data for them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNet(nn.Module):
    """Norms, a residual, pools, a depthwise convolution and a linear end; 8 x 8 images of 3 channels, 5 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(16)
        self.act = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.second = nn.Conv2d(16, 24, 3, padding=1)
        self.second_norm = nn.BatchNorm2d(24)
        self.depth = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.third = nn.Conv2d(24, 24, 1)
        self.inner = nn.Linear(24 * 4, 32)
        self.out = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act(self.first_norm(self.first(x))))
        x = torch.relu(self.second_norm(self.second(x)))
        x = torch.relu(x + self.third(self.depth(x)))
        x = nn.functional.max_pool2d(x, 2).flatten(1)
        return self.out(self.inner(x).relu())


class TiedLm(nn.Module):
    """An embedding whose table is the output layer's weight, and layers between; it does not trace."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 64)
        self.up = nn.Linear(64, 96)
        self.down = nn.Linear(96, 64, bias=False)
        self.head = nn.Linear(64, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> dict[str, Tensor]:
        x = self.embed(ids)
        if float(x.detach().abs().max()) >= 0:  # what torch.fx cannot follow
            x = x + self.down(torch.tanh(self.up(x)))
        return {"logits": self.head(x)}


def conv_net(seed: int = 0) -> ConvNet:
    """With norms as training leaves them."""
    torch.manual_seed(seed)
    model = ConvNet()
    for norm in (model.first_norm, model.second_norm):
        nn.init.normal_(norm.running_mean, std=0.3)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
    return model.eval()


def tied_lm(seed: int = 0) -> TiedLm:
    torch.manual_seed(seed)
    return TiedLm().eval()


def images(batches: int = 4, seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(8, 3, 8, 8, generator=generator) for _ in range(batches)]


def tokens(batches: int = 4, seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(50, (4, 6), generator=generator) for _ in range(batches)]


def labelled(batches: int = 8, seed: int = 2) -> list[tuple[Tensor, Tensor]]:
    """Images whose class shows: a bright square at one of five places."""
    generator = torch.Generator().manual_seed(seed)
    data = []
    for _ in range(batches):
        x = 0.5 * torch.randn(16, 3, 8, 8, generator=generator)
        y = torch.randint(5, (16,), generator=generator)
        for image, label in zip(x, y.tolist(), strict=True):
            row, column = divmod(int(label), 3)
            image[:, 3 * row : 3 * row + 3, 2 * column : 2 * column + 3] += 2.0
        data.append((x, y))
    return data
