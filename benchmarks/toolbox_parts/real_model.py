"""A published language model and text to judge it by: SmolLM2-135M-Instruct, whose weights went through 4 bits once."""

from __future__ import annotations

import json
import math
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.corpora.speech import ASSETS
from core.app.calibration_text import SENTENCES
from core.optimization.toolbox.batches import Batch

FOLDER = Path(os.environ.get("MERLINE_REAL", "build/real")) / "SmolLM2-135M-Instruct"
ROW = 96
CALIBRATION = 64


class Lm(nn.Module):
    """Tokens [batch, length] -> logits, as the toolbox and ONNX take models."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.network(input_ids=ids, use_cache=False).logits
        return logits


@cache
def tokenizer() -> Any:
    from core.models.tokenizer import load_tokenizer

    return load_tokenizer(FOLDER)


def model(layers: int | None = None) -> Lm:
    """Through transformers, in float32; `layers`: the first of them alone."""
    from transformers import AutoModelForCausalLM

    options = {} if layers is None else {"num_hidden_layers": layers}
    return Lm(AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, **options)).eval()


@cache
def test_rows() -> list[Tensor]:
    told = json.loads((ASSETS / "speech" / "manifest.json").read_text(encoding="utf-8"))
    text = " ".join(one["text"] for one in told if one["lang"] == "en" and one["set"] not in ("fsdd", "azure"))
    ids = torch.tensor(tokenizer().encode(text))
    return [ids[at : at + ROW + 1] for at in range(0, len(ids) - ROW, ROW)]


@cache
def sentences() -> list[Tensor]:
    """[1, CALIBRATION] each."""
    ids = torch.tensor(tokenizer().encode(SENTENCES))
    return list(ids[: len(ids) // CALIBRATION * CALIBRATION].view(-1, 1, CALIBRATION))


@torch.inference_mode()
def perplexity(of: nn.Module) -> float:
    lost = count = 0.0
    for row in test_rows():
        lost += float(F.cross_entropy(Batch(row[None, :-1]).run(of)[0].double(), row[1:], reduction="sum"))
        count += len(row) - 1
    return math.exp(lost / count)
