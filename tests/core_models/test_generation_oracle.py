"""Token by token as mlx-lm and transformers: the same greedy tokens, log-probabilities and responses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("transformers", reason="needs transformers (the extra full)")

import torch
from oracle import mlx_model, mlx_module
from tiny import LLAMA3_SCALING, SENTENCES, tiny_model

from core.models.generation import generate, generate_step, stream_generate
from core.models.loading import LoadOptions, load_model
from core.models.tokenizer import load_tokenizer

PROMPT = SENTENCES[0]
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("qwen3", {"head_dim": 32}),
    "llama": ("llama", {"rope_scaling": LLAMA3_SCALING, "attention_bias": True}),
}
COMPARED = ("text", "token", "from_draft", "prompt_tokens", "generation_tokens", "finish_reason")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model", "qwen3", head_dim=64)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_model(folder)[0]


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_200_greedy_steps_are_those_of_mlx_lm(family: str, fused: bool, tmp_path: Path):
    name, dims = FAMILIES[family]
    folder = tiny_model(tmp_path / "model", name, **dims)
    theirs, _ = mlx_model(folder)
    ours, _ = load_model(folder, LoadOptions(fused=fused))
    prompt = list(load_tokenizer(folder).encode(PROMPT))
    mx, step = mlx_module("mlx.core"), mlx_module("mlx_lm.generate").generate_step
    expected = list(step(mx.array(prompt), theirs, max_tokens=200))
    found = list(generate_step(prompt, ours, max_tokens=200))
    assert [token for token, _ in found] == [int(token) for token, _ in expected]
    for (_, mine), (_, wanted) in zip(found[::20], expected[::20], strict=True):
        assert torch.allclose(mine, torch.tensor(wanted.tolist()), atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_100_greedy_steps_are_those_of_transformers(family: str, tmp_path: Path):
    import transformers

    name, dims = FAMILIES[family]
    folder = tiny_model(tmp_path / "model", name, **dims)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ours, _ = load_model(folder)
    prompt = load_tokenizer(folder).encode(PROMPT)
    out = theirs.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=100, eos_token_id=None, pad_token_id=0
    )
    assert [token for token, _ in generate_step(prompt, ours, max_tokens=100)] == out[0, len(prompt) :].tolist()


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_tokens": 30},
        {"max_tokens": 1},
        {"max_tokens": 300},
        {"max_tokens": 20, "prefill_step_size": 4},
        {"max_tokens": 30, "max_kv_size": 16},
        {"max_tokens": 30, "kv_bits": 8, "quantized_kv_start": 0, "kv_group_size": 32},
        {"max_tokens": 30, "kv_bits": 4, "quantized_kv_start": 20},
    ],
    ids=str,
)
def test_responses_are_those_of_mlx_lm_field_by_field(
    arguments: dict[str, Any], folder: Path, model: Any, tokenizer: Any
):
    theirs, their_tokenizer = mlx_model(folder)
    expected = list(mlx_module("mlx_lm").stream_generate(theirs, their_tokenizer, PROMPT, **arguments))
    found = list(stream_generate(model, tokenizer, PROMPT, **arguments))
    for response in expected:
        response.text = response.text.replace("Ā", "\0")  # their byte table lacks byte 0
    assert [[getattr(r, field) for field in COMPARED] for r in found] == [
        [getattr(r, field) for field in COMPARED] for r in expected
    ]
    assert torch.allclose(found[-1].logprobs, torch.tensor(expected[-1].logprobs.tolist()), atol=1e-2)
    assert generate(model, tokenizer, PROMPT, **arguments) == "".join(r.text for r in expected)
