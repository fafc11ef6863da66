"""Whisper checkpoints with random weights in openai-whisper's own format, and both formats of one in a folder each.

Random weights prove that two programs compute the same, and take as long as trained ones. They show nothing about
quality: what they "say" is noise, and it never ends by itself.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.whisper.tokens import END_OF_TEXT, FIRST_TIMESTAMP


@dataclass(frozen=True, slots=True)
class Dimensions:
    """openai-whisper's `dims`, under its names."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int


def dimensions(width: int, heads: int, layers: int) -> Dimensions:
    """A multilingual Whisper of this size."""
    return Dimensions(80, 1500, width, heads, layers, 51865, 448, width, heads, layers)


MINIATURE = dimensions(width=64, heads=2, layers=2)
TINY = dimensions(width=384, heads=6, layers=4)
BASE = dimensions(width=512, heads=8, layers=6)


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The same weights twice."""

    openai: Path
    """a .pt file"""
    ctranslate2: Path
    """a folder"""


def make_checkpoints(
    folder: Path, size: Dimensions, seed: int = 1, quantization: str | None = None, timestamps: bool = True
) -> Checkpoints:
    """Write random weights to `folder` in both formats.

    `quantization` (e.g. int8) is of CTranslate2's alone. Without `timestamps` none but the first, which the rules of
    decoding force, is ever said: sound of less than 30 s is then decoded in one window.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = {"dims": asdict(size), "model_state_dict": random_weights(size, seed, timestamps)}
    openai = folder / "model.pt"
    torch.save(checkpoint, openai)
    from benchmarks.whisper.convert import convert  # needs ctranslate2, which a training on a card does not

    converted = folder / "ctranslate2"
    convert(checkpoint, converted, quantization)
    return Checkpoints(openai, converted)


def random_weights(size: Dimensions, seed: int, timestamps: bool = True) -> dict[str, Tensor]:
    """A state dict of float32 tensors.

    Larger than usual initial values, so that what is heard and what was said before both change the next token. The
    decoder's last bias speaks against the token that ends a text and, being orthogonal to all others, to no other
    choice: the caller then decides every length.
    """
    from whisper.model import ModelDimensions, Whisper

    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = Whisper(ModelDimensions(**asdict(size))).state_dict()
    for name, value in weights.items():
        if name != "encoder.positional_embedding":
            weights[name] = _random(name, value, generator)
    bias, tokens = weights["decoder.ln.bias"], weights["decoder.token_embedding.weight"]
    direction = bias / bias.norm()
    tokens -= (tokens @ direction)[:, None] * direction
    tokens[END_OF_TEXT] = -bias
    if not timestamps:
        tokens[FIRST_TIMESTAMP:] -= bias
    return weights


def _random(name: str, value: Tensor, generator: torch.Generator) -> Tensor:
    noise = _spread(value.shape, generator)
    if name.endswith(("ln.weight", "ln_post.weight")):
        return torch.ones_like(value)
    if name in ("decoder.ln.bias", "decoder.positional_embedding"):
        return noise
    if name.endswith("token_embedding.weight"):
        return noise * 0.3
    if value.ndim == 1:
        return noise * 0.1
    return noise * (2.0 / math.sqrt(math.prod(value.shape[1:])))


def _spread(shape: Any, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)
