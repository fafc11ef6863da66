"""Networks of true shapes with random weights, for measuring speed and memory where no model is on the disk.

Random weights take as long as trained ones. They show nothing about quality, and each shape says what else they hide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BERT_LAYERS = 4
LM_LAYERS = 3
LM_CONTEXT = 256


@dataclass(frozen=True, slots=True)
class Shape:
    """A network and one input for it."""

    name: str
    make: Callable[[], nn.Module]
    make_input: Callable[[], tuple[Tensor, ...]]
    hides: str
    """what random weights cannot show of it"""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2015, arXiv 1512.03385)."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or into != out:
            self.shortcut = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.shortcut(x))


def resnet18() -> nn.Module:
    """11.7 million weights, input [batch, 3, 224, 224]."""
    blocks = []
    into = 64
    for out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [ResidualBlock(into, out, stride), ResidualBlock(out, out, 1)]
        into = out
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


class EncoderLayer(nn.Module):
    """BERT's layer: attention and feed-forward, each with its norm after it."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])  # [batch, heads, length, width / heads]
        x = self.attention_norm(x + self.out(attended.transpose(1, 2).reshape(batch, length, width)))
        return self.norm(x + self.down(F.gelu(self.up(x))))


def bert_encoder() -> nn.Module:
    """BERT-base's width, heads and vocabulary (768, 12, 30522) with BERT_LAYERS of its 12 layers."""
    layers = [EncoderLayer(768, 12, 3072) for _ in range(BERT_LAYERS)]
    return nn.Sequential(nn.Embedding(30522, 768), nn.LayerNorm(768), *layers)


class DecoderLayer(nn.Module):
    """Qwen2's layer for one new token: grouped-query attention over what is cached, and a gated feed-forward.

    Rotary positions, a thousandth of the work, are left out.
    """

    def __init__(self, width: int, heads: int, shared: int, inner: int) -> None:
        super().__init__()
        self.heads, self.shared, self.size = heads, shared, width // heads
        self.norm = nn.RMSNorm(width)
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * shared * self.size)
        self.out = nn.Linear(width, width, bias=False)
        self.inner_norm = nn.RMSNorm(width)
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, cached: Tensor) -> Tensor:
        batch, length, width = x.shape  # cached: [2, batch, shared, past, size]
        normed = self.norm(x)
        q = self.q(normed).view(batch, length, self.heads, self.size).transpose(1, 2)
        new = self.kv(normed).view(batch, length, 2, self.shared, self.size).permute(2, 0, 3, 1, 4)
        k, v = torch.cat((cached, new.to(cached.dtype)), dim=3).to(q.dtype)
        attended = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        gate, up = self.gate_up(self.inner_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class CausalLm(nn.Module):
    """One decoding step of Qwen2-0.5B's widths, with an eighth of its 24 layers and an eighth of its vocabulary.

    So layers and output weigh against each other as they do in the whole model.
    """

    width, heads, shared, inner, vocabulary = 896, 14, 2, 4864, 151936 // 8

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(self.vocabulary, self.width)
        self.layers = nn.ModuleList(
            DecoderLayer(self.width, self.heads, self.shared, self.inner) for _ in range(LM_LAYERS)
        )
        self.norm = nn.RMSNorm(self.width)
        self.head = nn.Linear(self.width, self.vocabulary, bias=False)

    def forward(self, tokens: Tensor, cached: Tensor) -> Tensor:
        """[batch, 1] tokens and [layers, 2, batch, shared, past, size] -> [batch, 1, vocabulary] logits."""
        x = self.embed(tokens)
        for layer, past in zip(self.layers, cached, strict=True):
            x = layer(x, past)
        return self.head(self.norm(x))


def _lm_input() -> tuple[Tensor, ...]:
    size = CausalLm.width // CausalLm.heads
    return torch.randint(CausalLm.vocabulary, (1, 1)), torch.randn(LM_LAYERS, 2, 1, CausalLm.shared, LM_CONTEXT, size)


SHAPES = (
    Shape(
        "ResNet-18",
        resnet18,
        lambda: (torch.randn(1, 3, 224, 224),),
        "what rounding does to its choice of class",
    ),
    Shape(
        f"BERT-base, {BERT_LAYERS}/12 layers",
        bert_encoder,
        lambda: (torch.randint(30522, (1, 128)),),
        "outlying activations, which trained encoders have and int8 suffers from",
    ),
    Shape(
        f"Qwen2-0.5B, {LM_LAYERS}/24 layers",
        CausalLm,
        _lm_input,
        "whether the words stay the same, and speculation or early stops, which depend on them",
    ),
)
