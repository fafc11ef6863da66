"""Half seconds of the recordings in ../shared/assets, and two networks that learn to tell whose sound they are.

Nine classes: five noises and four voices. The first two thirds of each class's time are for training, the rest, which
follows it, for testing; so quality is of sounds that the networks have not heard.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.corpora.speech import ASSETS, read
from benchmarks.shapes import EncoderLayer

RATE_HZ = 16_000
WINDOW, HOP = 400, 160
"""25 ms each 10 ms"""
BANDS = 40
PIECE = RATE_HZ // 2
BATCH = 32
CLASSES = {
    **{f"noise{number}": (f"noise/noise{number}.wav",) for number in range(1, 6)},
    "lj": tuple(f"speech/ljspeech/LJ001-{number:04}.flac" for number in range(1, 17)),
    "jfk": ("speech/jfk/jfk.flac",),
    "librivox": tuple(f"speech/librivox/sense_and_sensibility_01_austen_64kb-{part}.wav" for part in ("0870", "0890")),
    "uberi": ("speech/uberi/english.wav", "speech/uberi/french.aiff"),
}
EPOCHS = 10


@dataclass(frozen=True, slots=True)
class Sounds:
    """Batches of (features [batch, 1, BANDS, frames], class numbers [batch])."""

    train: list[tuple[Tensor, Tensor]]
    test: list[tuple[Tensor, Tensor]]


def sounds(seed: int = 0) -> Sounds:
    """Training pieces overlap by three quarters, test pieces by half."""
    train: list[tuple[Tensor, int]] = []
    test: list[tuple[Tensor, int]] = []
    for label, files in enumerate(CLASSES.values()):
        samples = torch.cat([torch.from_numpy(read(ASSETS / name).copy()) for name in files])
        cut = 2 * len(samples) // 3
        train += [(piece, label) for piece in _pieces(samples[:cut], PIECE // 4)]
        test += [(piece, label) for piece in _pieces(samples[cut:], PIECE // 2)]
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed)).tolist()
    return Sounds(_batches([train[index] for index in order]), _batches(test))


def _pieces(samples: Tensor, step: int) -> Iterator[Tensor]:
    for at in range(0, len(samples) - PIECE + 1, step):
        piece = samples[at : at + PIECE]
        if float(piece.abs().max()) > 0.01:  # pauses say nothing of who is silent
            yield features(piece)


def features(samples: Tensor) -> Tensor:
    """[1, BANDS, frames]: logarithm of the power in mel bands, its mean taken away, so that loudness says nothing."""
    spectrum = torch.stft(samples, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True).abs().square()
    logarithm = (_mel_bands() @ spectrum + 1e-6).log()
    return (logarithm - logarithm.mean()).unsqueeze(0) / 4.0


def _mel_bands() -> Tensor:
    """Triangles [BANDS, WINDOW // 2 + 1], evenly on O'Shaughnessy's mel scale."""
    top = 2595 * math.log10(1 + RATE_HZ / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, BANDS + 2) / 2595) - 1)
    hertz = torch.linspace(0, RATE_HZ / 2, WINDOW // 2 + 1)
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp_min(0)


def _batches(items: list[tuple[Tensor, int]]) -> list[tuple[Tensor, Tensor]]:
    return [
        (
            torch.stack([piece for piece, _ in items[at : at + BATCH]]),
            torch.tensor([y for _, y in items[at : at + BATCH]]),
        )
        for at in range(0, len(items), BATCH)
    ]


class SoundNet(nn.Module):
    """A convolution network with norms, a residual and pools: 0.3 million weights."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 32, 64, 128)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)
            )
            for into, out in itertools.pairwise(widths)
        )
        self.inner = nn.Conv2d(128, 128, 3, padding=1, bias=False)
        self.inner_norm = nn.BatchNorm2d(128)
        self.hidden = nn.Linear(128, 128)
        self.out = nn.Linear(128, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        x = F.relu(x + self.inner_norm(self.inner(x)))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.out(F.relu(self.hidden(x)))


class SoundEncoder(nn.Module):
    """BERT's layers, small: frames in place of words; 0.8 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Linear(BANDS, 128)
        self.layers = nn.ModuleList(EncoderLayer(128, 4, 512) for _ in range(4))
        self.out = nn.Linear(128, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x.squeeze(1).transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        return self.out(x.mean(dim=1))


def trained(model: nn.Module, data: Sounds, epochs: int = EPOCHS, seed: int = 0) -> nn.Module:
    """Trained here, from the seed, in evaluation mode."""
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * len(data.train))
    model.train()
    for _ in range(epochs):
        for x, y in data.train:
            shifted = torch.roll(x, int(torch.randint(x.shape[-1], ())), dims=-1)
            optimizer.zero_grad()
            F.cross_entropy(model(shifted + 0.1 * torch.randn_like(x)), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return model.eval()
