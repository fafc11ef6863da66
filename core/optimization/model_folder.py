"""The size of a language model that lies in a folder, as the catalogue has those it knows."""

from __future__ import annotations

from pathlib import Path

from core.models.configuration import DecoderConfig, UnsupportedDecoderError, read_config
from core.optimization.catalogue import CausalSize
from core.utils.errors import ModelLoadError


def size_of(folder: Path) -> CausalSize | None:
    """By its config.json; None where that is damaged, which whoever loads it tells, or of a kind we do not reckon."""
    try:
        found = DecoderConfig.from_dict(read_config(folder))
    except (ModelLoadError, UnsupportedDecoderError):
        return None
    return CausalSize(
        folder.resolve().name,
        "",
        found.parameters,
        found.layers,
        found.hidden,
        found.kv_heads * found.head_dim,
        found.tie_embeddings,
        found.vocab,
    )
