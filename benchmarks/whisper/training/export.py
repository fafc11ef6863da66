"""The trained network in both formats: openai-whisper's checkpoint in float16, and CTranslate2's folder in int8."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.whisper.convert import convert
from benchmarks.whisper.shapes import Checkpoints
from benchmarks.whisper.training.train import load_network

CHECKPOINT_NAME = "small.pt"
FOLDER_NAME = "ctranslate2-int8"


def export(folder: Path, models: Path) -> Checkpoints:
    """Write the checkpoint in training's `folder` to `models`. Both formats hold the same float16 values."""
    network, vocabulary = load_network(folder)
    checkpoint = network.checkpoint(vocabulary)
    weights = {name: value.half() for name, value in checkpoint["model_state_dict"].items()}
    models.mkdir(parents=True, exist_ok=True)
    openai = models / CHECKPOINT_NAME
    _save_packed({**checkpoint, "model_state_dict": weights}, openai)
    convert(torch.load(openai, weights_only=True), models / FOLDER_NAME, "int8")
    return Checkpoints(openai, models / FOLDER_NAME)


def _save_packed(checkpoint: dict[str, Any], path: Path) -> None:
    """As torch.save, compressed: most of the vocabulary's rows are one and the same."""
    plain = io.BytesIO()
    torch.save(checkpoint, plain)
    part = path.with_suffix(".part")
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for entry in source.infolist():
            packed.writestr(zipfile.ZipInfo(entry.filename), source.read(entry), zipfile.ZIP_DEFLATED, 9)
    os.replace(part, path)
