"""A config.json is read exactly, or handed to transformers, or called damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

from tiny import LLAMA3_SCALING, tiny_config

from core.models.configuration import DecoderConfig, UnsupportedDecoderError, eos_token_ids, read_config
from core.utils.errors import ModelLoadError


def read(family: str = "qwen2", **dims: Any) -> DecoderConfig:
    return DecoderConfig.from_dict(tiny_config(family, **dims))


def test_dimensions_and_biases():
    config = read()
    assert (config.hidden, config.layers, config.heads, config.kv_heads, config.groups) == (64, 2, 4, 2, 2)
    assert (config.qkv_bias, config.output_bias, config.mlp_bias, config.qk_norm) == (True, False, False, False)
    assert config.kv_bytes_per_token == 2 * 4 * 2 * 2 * 16
    llama = read("llama", attention_bias=True, mlp_bias=True)
    assert (llama.qkv_bias, llama.output_bias, llama.mlp_bias) == (True, True, True)
    assert read("qwen3").qk_norm


def test_what_is_left_out_has_the_usual_value():
    given = tiny_config("llama")
    for name in ("num_key_value_heads", "head_dim", "rope_theta", "rms_norm_eps", "tie_word_embeddings"):
        del given[name]
    config = DecoderConfig.from_dict(given)
    assert (config.kv_heads, config.head_dim, config.rope_theta, config.rms_eps) == (4, 16, 10000.0, 1e-6)
    assert not config.tie_embeddings


def test_positions_are_read_from_old_and_new_fields():
    old = read("llama", rope_theta=500000.0, rope_scaling=LLAMA3_SCALING)
    given = tiny_config("llama", rope_parameters={"rope_theta": 500000.0, **LLAMA3_SCALING})
    del given["rope_theta"]
    assert DecoderConfig.from_dict(given) == old
    assert old.rope_scaling.original_max_positions == 64
    assert read("llama", rope_scaling={"type": "linear", "factor": 2}).rope_scaling.factor == 2.0


def test_smollm3_leaves_rotation_out_of_some_layers():
    assert read("smollm3", num_hidden_layers=4).rope_layers == (True, False, True, False)
    assert read("smollm3", no_rope_layers=[0, 1]).rope_layers == (False, True)
    assert all(read("llama").rope_layers)


@pytest.mark.parametrize(
    ("family", "dims", "reason"),
    [
        ("llama", {"model_type": "gpt2"}, "gpt2"),
        ("mistral", {"sliding_window": 4096}, "sliding_window 4096"),
        ("qwen2", {"sliding_window": 4096, "use_sliding_window": True}, "sliding_window"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ("llama", {"pretraining_tp": 2}, "pretraining_tp"),
        ("llama", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope scaling 'dynamic'"),
        ("llama", {"rope_parameters": {"full_attention": {"rope_theta": 1.0}}}, "differ by layer"),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "truncate": False}}, "not truncated"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    ],
    ids=str,
)
def test_what_our_decoder_does_not_compute_is_said(family: str, dims: dict[str, Any], reason: str):
    with pytest.raises(UnsupportedDecoderError, match=reason):
        read(family, **dims)


@pytest.mark.parametrize(
    "dims",
    [
        {"hidden_size": None},
        {"num_hidden_layers": 0},
        {"num_key_value_heads": 3},
        {"head_dim": 15},
        {"rope_scaling": {"rope_type": "linear"}},
        {"rope_scaling": {"rope_type": "linear", "factor": "two"}},
        {"rope_scaling": "linear"},
        {"rope_theta": "big"},
        {"rope_theta": 0},
        {"rms_norm_eps": "small"},
        {"num_key_value_heads": "two"},
        {"head_dim": [16]},
        {"max_position_embeddings": "many"},
        {"eos_token_id": ["</s>"]},
        {"eos_token_id": {"id": 2}},
    ],
    ids=str,
)
def test_a_damaged_config_is_told(dims: dict[str, Any]):
    with pytest.raises(ModelLoadError, match=r"config\.json: "):
        read("llama", **dims)


def test_a_window_that_is_not_used_does_not_matter():
    assert read("qwen2", sliding_window=4096, use_sliding_window=False).layers == 2
    assert read("qwen3", layer_types=["full_attention"] * 2).layers == 2


def test_ends_of_text_come_from_the_generation_config_too(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 2}))
    assert eos_token_ids(read_config(tmp_path)) == (2,)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 7]}))
    assert eos_token_ids(read_config(tmp_path)) == (2, 7)
    assert eos_token_ids({}) == ()
