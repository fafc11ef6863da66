"""Our decoder computes what transformers and mlx-lm compute, in float32, with and without a cache."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
import torch.nn.functional as F
from tiny import LLAMA3_SCALING, tiny_model

from core.models.decoder import attend
from core.models.kv_cache import KVCache
from core.models.loading import load_model

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("qwen2", {}),
    "qwen2 tied": ("qwen2", {"tie_word_embeddings": True}),
    "qwen2 yarn": ("qwen2", {"rope_scaling": YARN}),
    "qwen3": ("qwen3", {"head_dim": 32}),
    "qwen3 tied": ("qwen3", {"tie_word_embeddings": True, "num_key_value_heads": 1}),
    "llama": ("llama", {"num_key_value_heads": 4}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama3 scaling tied": ("llama", {"rope_scaling": LLAMA3_SCALING, "tie_word_embeddings": True}),
    "llama linear scaling": ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    "mistral": ("mistral", {}),
    "smollm3": ("smollm3", {"tie_word_embeddings": True}),
}
WITH_MLX = [name for name in CASES if name != "smollm3"]


def tokens(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 384, (1, count), generator=torch.Generator().manual_seed(seed))


def made(case: str, tmp_path: Path) -> Path:
    family, dims = CASES[case]
    return tiny_model(tmp_path / "model", family, **dims)


@pytest.mark.parametrize("case", CASES)
def test_logits_are_those_of_transformers(case: str, tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    folder = made(case, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ours, _ = load_model(folder)
    prompt = tokens(150)
    with torch.inference_mode():
        expected = theirs(prompt).logits
    assert torch.allclose(ours(prompt), expected, atol=1e-4)


@pytest.mark.parametrize("case", WITH_MLX)
def test_log_probabilities_are_those_of_mlx_lm(case: str, tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mx = pytest.importorskip("mlx.core")
        utils = pytest.importorskip("mlx_lm.utils")
    folder = made(case, tmp_path)
    theirs, _ = utils.load_model(folder)
    ours, _ = load_model(folder)
    prompt = tokens(100)
    expected = torch.tensor(theirs(mx.array(prompt.tolist())).tolist())
    assert torch.allclose(ours(prompt).log_softmax(-1), expected.log_softmax(-1), atol=1e-3)


@pytest.mark.parametrize("case", ["qwen2", "qwen3", "llama3 scaling tied", "smollm3"])
def test_pieces_through_a_cache_are_the_whole(case: str, tmp_path: Path):
    ours, _ = load_model(made(case, tmp_path))
    prompt = tokens(300)
    whole = ours(prompt)
    cache = [KVCache() for _ in ours.layers]
    at, pieces = 0, []
    for size in (7, 1, 1, 250, 40, 1):
        pieces.append(ours(prompt[:, at : at + size], cache=cache))
        at += size
    assert cache[0].offset == 300
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-4)


def test_the_head_is_computed_where_it_is_asked_for(tmp_path: Path):
    ours, _ = load_model(made("qwen2", tmp_path))
    prompt = tokens(5)
    whole = ours(prompt)
    assert ours(prompt, logits="none") is None
    assert torch.equal(ours(prompt, logits="last"), whole[:, -1:]) or torch.allclose(
        ours(prompt, logits="last"), whole[:, -1:], atol=1e-6
    )


def test_embeddings_take_the_place_of_tokens(tmp_path: Path):
    ours, _ = load_model(made("qwen2", tmp_path))
    prompt = tokens(5)
    assert torch.equal(ours(None, input_embeddings=ours.embed(prompt)), ours(prompt))
    with pytest.raises(ValueError, match="neither tokens nor input_embeddings"):
        ours(None)


def test_a_batch_computes_what_each_text_does(tmp_path: Path):
    ours, _ = load_model(made("llama", tmp_path))
    two = torch.cat([tokens(9, seed=1), tokens(9, seed=2)])
    assert torch.allclose(ours(two)[1:], ours(two[1:]), atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays_near_and_answers_in_float32(precision: Any, tmp_path: Path):
    from core.models.loading import LoadOptions

    folder = made("qwen2", tmp_path)
    ours, _ = load_model(folder)
    half, _ = load_model(folder, LoadOptions(precision=precision))
    prompt = tokens(20)
    logits = half(prompt)
    assert (half.dtype, logits.dtype) == (getattr(torch, precision), torch.float32)
    gap = (logits.log_softmax(-1) - ours(prompt).log_softmax(-1)).abs().mean()
    assert gap < 0.1


@pytest.mark.parametrize("count", [1, 5])
def test_attention_takes_results_that_lie_as_a_card_leaves_them(monkeypatch: pytest.MonkeyPatch, count: int):
    plainly = F.scaled_dot_product_attention
    queries, keys, values = (torch.randn(1, heads, length, 16) for heads, length in ((8, count), (2, 9), (2, 9)))
    expected = attend(queries, keys, values, None)

    def tokens_first(*given: Any, **options: Any) -> torch.Tensor:
        return plainly(*given, **options).transpose(1, 2).contiguous().transpose(1, 2)

    monkeypatch.setattr(F, "scaled_dot_product_attention", tokens_first)
    found = attend(queries, keys, values, None)
    assert found.shape == (1, 8, count, 16)
    assert torch.equal(found, expected)
