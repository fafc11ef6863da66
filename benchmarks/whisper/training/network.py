"""openai-whisper's network with training's rows for a vocabulary, short windows, and a head for CTC that is dropped."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from whisper.model import ModelDimensions, Whisper

from benchmarks.whisper.shapes import Dimensions, dimensions
from benchmarks.whisper.training.vocabulary import IGNORED, PHONEMES, SIZE, Vocabulary

WIDTH, HEADS, AUDIO_LAYERS, TEXT_LAYERS = 128, 4, 4, 2
_INITIAL_EMBEDDING = 0.05
_LONG = 500
"""positions of the encoder from where on the products take too much memory"""


def small() -> Dimensions:
    """The model's size."""
    base = asdict(dimensions(WIDTH, HEADS, AUDIO_LAYERS))
    return Dimensions(**{**base, "n_text_layer": TEXT_LAYERS})


class Network(nn.Module):
    """A Whisper whose embedding holds the rows of `vocabulary` only."""

    log_count: Tensor
    """[rows] how often each counts in the softmax"""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.whisper = Whisper(ModelDimensions(**{**asdict(small()), "n_vocab": vocabulary.rows}))
        self.phonemes = nn.Linear(WIDTH, PHONEMES)
        decoder = self.whisper.decoder
        nn.init.normal_(decoder.token_embedding.weight, std=_INITIAL_EMBEDDING)
        nn.init.normal_(decoder.positional_embedding, std=_INITIAL_EMBEDDING)
        count = torch.zeros(vocabulary.rows)
        count[-1] = float(torch.tensor(float(vocabulary.sharing)).log())
        self.register_buffer("log_count", count, persistent=False)

    def encode(self, mel: Tensor) -> Tensor:
        """[batch, frames / 2, width] of [batch, 80, frames]; in float32 unless training."""
        encoder = self.whisper.encoder
        dtype = torch.bfloat16 if self.training else torch.float32
        x = F.gelu(encoder.conv1(mel.to(dtype)))
        x = F.gelu(encoder.conv2(x)).permute(0, 2, 1)
        positions: Tensor = encoder.positional_embedding
        x = x + positions[: x.shape[1]]
        for block in encoder.blocks:
            x = _block(block, x, dtype)
        encoded: Tensor = encoder.ln_post(x)
        return encoded

    def logits(self, tokens: Tensor, encoded: Tensor) -> Tensor:
        """[batch, tokens, rows] float32, the shared row's with the logarithm of how often it counts."""
        decoder = self.whisper.decoder
        dtype = torch.bfloat16 if self.training else torch.float32
        positions: Tensor = decoder.positional_embedding
        x = decoder.token_embedding(tokens) + positions[: tokens.shape[1]]
        heard = encoded.to(dtype)
        for block in decoder.blocks:
            x = _block(block, x, dtype, heard)
        found: Tensor = F.linear(decoder.ln(x).to(dtype), decoder.token_embedding.weight.to(dtype)).float()
        return found + self.log_count

    def text_loss(self, tokens: Tensor, targets: Tensor, encoded: Tensor) -> Tensor:
        """Mean cross-entropy of the targets that count."""
        return F.cross_entropy(self.logits(tokens, encoded).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)

    def phoneme_loss(self, encoded: Tensor, phonemes: Tensor, lengths: Tensor, frames: Tensor) -> Tensor:
        """CTC's mean loss for each phoneme (Graves et al. 2006), over the sound alone, of the examples with labels."""
        scores = self.phonemes(encoded).float().log_softmax(-1).transpose(0, 1)
        losses = F.ctc_loss(scores, phonemes, frames, lengths, reduction="none", zero_infinity=True)
        known = lengths > 0
        return (losses / lengths.clamp(min=1))[known].mean() if bool(known.any()) else losses.sum() * 0.0

    def checkpoint(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """What openai-whisper loads, in float32: the shared row in every place that it stood for."""
        weights = dict(self.whisper.state_dict())
        rows = weights["decoder.token_embedding.weight"].detach()
        embedding = rows[-1].repeat(SIZE, 1)
        embedding[torch.tensor(vocabulary.ids)] = rows[:-1]
        weights["decoder.token_embedding.weight"] = embedding
        return {"dims": asdict(small()), "model_state_dict": {name: value.detach() for name, value in weights.items()}}

    def take(self, weights: dict[str, Any], vocabulary: Vocabulary) -> None:
        """Whisper's weights from what `checkpoint` gave: most rows of its embedding are the shared one."""
        name = "decoder.token_embedding.weight"
        embedding = weights[name].float()
        kinds, count = embedding.unique(dim=0, return_counts=True)
        rows = torch.cat([embedding[torch.tensor(vocabulary.ids)], kinds[count.argmax()][None]])
        self.whisper.load_state_dict({**{key: value.float() for key, value in weights.items()}, name: rows})


def _block(block: Any, x: Tensor, dtype: torch.dtype, heard: Tensor | None = None) -> Tensor:
    """One of Whisper's blocks, its products in `dtype` and the sum in float32; a decoder's where `heard` is given."""
    normed = block.attn_ln(x).to(dtype)
    x = x + _attend(block.attn, normed, normed, causal=heard is not None)
    if heard is not None:
        x = x + _attend(block.cross_attn, block.cross_attn_ln(x).to(dtype), heard, causal=False)
    mlp: Tensor = x + block.mlp(block.mlp_ln(x).to(dtype))
    return mlp


def _attend(attention: Any, x: Tensor, source: Tensor, causal: bool) -> Tensor:
    """On a CPU plain products where they fit: the fused attention's backward pass takes ten times as long there."""
    query, key, value = (
        part(given).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for part, given in ((attention.query, x), (attention.key, source), (attention.value, source))
    )
    if x.is_cuda:
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    elif source.shape[1] > _LONG or x.dtype == torch.float32:
        mixed = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), is_causal=causal).to(x.dtype)
    else:
        scores = query * (WIDTH // HEADS) ** -0.5 @ key.transpose(-1, -2)
        if causal:
            size = scores.shape[-1]
            scores = scores.masked_fill(torch.ones(size, size, dtype=torch.bool).triu_(1), -torch.inf)
        mixed = scores.softmax(-1) @ value
    out: Tensor = attention.out(mixed.transpose(1, 2).flatten(2))
    return out
