"""The size of a language model in a folder, by its config.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.optimization.catalogue import QWEN, QWEN_2_5, CausalSize
from core.optimization.model_folder import size_of

QWEN3_06B = {
    "model_type": "qwen3",
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": 151_936,
    "tie_word_embeddings": True,
}
QWEN25_05B = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151_936,
    "tie_word_embeddings": True,
}
QWEN3_8B = {
    **QWEN3_06B,
    "hidden_size": 4096,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "intermediate_size": 12_288,
    "tie_word_embeddings": False,
}


def folder(path: Path, config: dict[str, Any]) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("config", "published"), [(QWEN3_06B, QWEN[0]), (QWEN25_05B, QWEN_2_5[0]), (QWEN3_8B, QWEN[3])]
)
def test_a_published_one_is_as_large_as_the_catalogue_says(
    tmp_path: Path, config: dict[str, Any], published: CausalSize
) -> None:
    found = size_of(folder(tmp_path / "mine", config))
    assert found is not None
    assert found.parameters == pytest.approx(published.parameters, abs=0.5e6)
    assert found == replace(published, name="mine", family="", parameters=found.parameters)


@pytest.mark.parametrize("config", [{}, {"model_type": "mamba"}, {**QWEN3_06B, "num_hidden_layers": "many"}])
def test_one_of_another_kind_or_a_damaged_one_has_no_size(tmp_path: Path, config: dict[str, Any]) -> None:
    assert size_of(folder(tmp_path / "mine", config)) is None
    assert size_of(tmp_path) is None
