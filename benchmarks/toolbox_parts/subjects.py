"""The models that strategies are compared on: three that were trained, judged by labels, and four of true shapes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.corpora.speech import ASSETS
from benchmarks.llm_parts.llama2c import MODEL, VOCABULARY, convert
from benchmarks.shapes import SHAPES, Shape
from benchmarks.toolbox_parts.sounds import SoundEncoder, SoundNet, Sounds, sounds, trained
from core.models.loading import LoadOptions, load_model
from core.models.tokenizer import load_tokenizer
from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.registry import Subject
from tts.melo.configuration import DecoderShape
from tts.melo.decoder import Decoder

TOKENS = 96
"""of each text that the story model reads"""
RANDOM_BATCHES = 4
MELO_FRAMES = 16
"""0.19 s of sound"""


@cache
def heard() -> Sounds:
    """Read once."""
    return sounds()


def sound_subject(make: Callable[[], nn.Module]) -> Subject:
    """Trained now, on two thirds of the recordings; judged by the rest."""
    data = heard()
    torch.manual_seed(0)
    train = [Batch(x, y) for x, y in data.train]
    test = [Batch(x, y) for x, y in data.test]
    return Subject(trained(make(), data), tuple(test), tuple(train[:8]), tuple(train), trains=True)


class StoryLm(nn.Module):
    """stories260K: 260 thousand weights, trained by others on children's stories; tokens [batch, length] -> logits."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        decoder: Any = load_model(folder, LoadOptions(fused=False))[0]
        table = decoder.model.embed_tokens.weight
        decoder.lm_head = nn.Linear(table.shape[1], table.shape[0], bias=False, device="meta")
        decoder.lm_head.weight = table
        self.decoder = decoder

    def forward(self, ids: Tensor) -> Tensor:
        return self.decoder(ids)  # type: ignore[no-any-return]


def story_subject() -> Subject:
    """Judged by the next token of real sentences: the transcripts of the recordings, half of them to calibrate with."""
    with tempfile.TemporaryDirectory() as name:
        folder = convert(MODEL, VOCABULARY, Path(name))
        model, tokenizer = StoryLm(folder).eval(), load_tokenizer(folder)
    told = json.loads((ASSETS / "speech" / "manifest.json").read_text(encoding="utf-8"))
    text = " ".join(one["text"] for one in told if one["lang"] == "en" and one["set"] not in ("fsdd", "azure"))
    ids = torch.tensor(tokenizer.encode(text))
    rows = [ids[at : at + TOKENS + 1] for at in range(0, len(ids) - TOKENS, TOKENS)]
    batches = [Batch(row[None, :-1], row[None, 1:]) for row in rows]
    return Subject(model, tuple(batches[1::2]), tuple(batches[::2]), tuple(batches[::2]))


def random_subject(shape: Shape) -> Subject:
    """Random weights and inputs: they show speed and rounding, not quality."""
    torch.manual_seed(20)
    model = shape.make().eval()
    batches = tuple(Batch(shape.make_input()) for _ in range(RANDOM_BATCHES))
    return Subject(model, batches, batches, batches)


MELO_DECODER = Shape(
    "MeloTTS decoder",
    lambda: Decoder(
        DecoderShape(192, 512, (8, 8, 2, 2, 2), (16, 16, 8, 2, 2), (3, 7, 11), ((1, 3, 5),) * 3, True, 256)
    ),
    lambda: (torch.randn(1, 192, MELO_FRAMES), torch.randn(1, 256, 1)),
    "how rounding sounds",
)
"""The official voices' shape, by tts.melo's plain network, not the kernels that the assistant runs it by."""

SUBJECTS: dict[str, Callable[[], Subject]] = {
    "sound-net": partial(sound_subject, SoundNet),
    "sound-encoder": partial(sound_subject, SoundEncoder),
    "story-lm": story_subject,
    **{
        name: partial(random_subject, shape)
        for name, shape in zip(("resnet18", "bert", "causal-lm", "melo-decoder"), (*SHAPES, MELO_DECODER), strict=True)
    },
}
