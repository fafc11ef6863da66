"""Builds a model from its folder, tensor by tensor: beside the model itself no more than one piece is ever in memory.

Llama's family becomes our own Decoder; any other causal LM runs through transformers' modules (core.models.hf_model).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from core.models.checkpoint import Checkpoint
from core.models.configuration import DecoderConfig, UnsupportedDecoderError, read_config
from core.models.decoder import Decoder
from core.utils.errors import ModelLoadError

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "float16", "int8", "int4"]
IGNORED_SUFFIXES = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""tables that old checkpoints carry and every program computes itself"""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load."""

    precision: Precision = "float32"
    device: str = "cpu"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """fields of config.json to replace"""
    memory_bytes: int | None = None
    """main memory that is free; a model that needs more is refused. None: not checked"""
    packed_cache: Path | None = None
    """folder where packed weights are kept for the next start; None: they are packed anew each time"""


def load_model(folder: Path, options: LoadOptions | None = None) -> tuple[Any, dict[str, Any]]:
    """The model, ready to compute, and its config.json.

    Raises ModelLoadError for files that are absent, damaged or do not fit together.
    """
    options = options or LoadOptions()
    if not folder.is_dir():
        raise ModelLoadError(f"{folder} is no folder; give the folder of a model or the name of a repository")
    config = read_config(folder) | dict(options.overrides)
    try:
        decoder_config = DecoderConfig.from_dict(config)
    except UnsupportedDecoderError as reason:
        raise ModelLoadError(str(reason)) from reason
    checkpoint = Checkpoint(folder)
    return build_decoder(decoder_config, checkpoint, options), config


def build_decoder(config: DecoderConfig, checkpoint: Checkpoint, options: LoadOptions) -> Decoder:
    """A Decoder with the checkpoint's weights."""
    with torch.device("meta"):
        decoder = Decoder(config)
    _check_names(decoder, checkpoint)
    dtype = getattr(torch, options.precision)
    for name, parameter in sorted(decoder.named_parameters(), key=lambda pair: -pair[1].numel()):
        _check_shape(name, parameter, checkpoint)
        place(decoder, name, checkpoint.read(name, dtype).to(options.device))
    return decoder.eval().requires_grad_(False)


def place(model: nn.Module, name: str, tensor: torch.Tensor) -> None:
    """Put a tensor where a parameter was."""
    path, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(path), leaf, nn.Parameter(tensor, requires_grad=False))


def _check_names(decoder: Decoder, checkpoint: Checkpoint) -> None:
    wanted = {name for name, _ in decoder.named_parameters()}
    missing = sorted(name for name in wanted if name not in checkpoint)
    if missing:
        raise ModelLoadError(
            f"{checkpoint.folder}: {len(missing)} tensors are missing, the first is {missing[0]}; fetch the model again"
        )
    tied = {"lm_head.weight"} if decoder.config.tie_embeddings else set()
    extra = sorted(name for name in checkpoint if name not in wanted | tied and not name.endswith(IGNORED_SUFFIXES))
    if extra:
        raise ModelLoadError(
            f"{checkpoint.folder}: config.json does not tell of {extra[0]} ({len(extra)} such tensors); "
            "the files do not belong together, fetch the model again"
        )


def _check_shape(name: str, parameter: torch.Tensor, checkpoint: Checkpoint) -> None:
    found = checkpoint.entry(name).shape
    if found != tuple(parameter.shape):
        raise ModelLoadError(
            f"{checkpoint.folder}: {name} has shape {list(found)} where config.json asks for "
            f"{list(parameter.shape)}; the files do not belong together, fetch the model again"
        )
