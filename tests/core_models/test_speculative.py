"""Drafting changes the speed and nothing else: tokens, flags and caches are those of mlx-lm."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("transformers", reason="needs transformers (the extra full)")

import torch
from oracle import mlx_model, mlx_module
from tiny import SENTENCES, random_weights, tiny_config, tiny_model

from core.models.generation import generate, generate_step, stream_generate
from core.models.loading import load_model
from core.models.prompt_cache import make_prompt_cache
from core.models.safetensors_file import write_safetensors
from core.models.sampling import make_logits_processors
from core.models.speculative import speculative_generate_step
from core.models.tokenizer import load_tokenizer
from core.utils.errors import InferenceError

PROMPT = [5, 9, 77, 300, 2, 41, 8]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and a disturbed copy that often agrees with it."""
    base = tmp_path_factory.mktemp("draft")
    tiny_model(base / "model", "qwen3")
    tiny_model(base / "draft", "qwen3")
    weights = random_weights(tiny_config("qwen3"))
    generator = torch.Generator().manual_seed(1)
    disturbed = {name: one + 0.02 * torch.randn(one.shape, generator=generator) for name, one in weights.items()}
    write_safetensors(base / "draft" / "model.safetensors", disturbed, {"format": "pt"})
    return base / "model", base / "draft"


@pytest.fixture(scope="module")
def model(folders: tuple[Path, Path]) -> Any:
    return load_model(folders[0])[0]


@pytest.fixture(scope="module")
def draft(folders: tuple[Path, Path]) -> Any:
    return load_model(folders[1])[0]


@pytest.mark.parametrize(("count", "max_tokens"), [(1, 20), (2, 40), (3, 7), (5, 30), (2, 1), (4, 3)])
@pytest.mark.parametrize("processed", [False, True])
def test_tokens_flags_and_caches_are_those_of_mlx_lm(
    count: int, max_tokens: int, processed: bool, folders: tuple[Path, Path], model: Any, draft: Any
):
    theirs, their_draft = mlx_model(folders[0])[0], mlx_model(folders[1])[0]
    samples = mlx_module("mlx_lm.sample_utils")
    step, mx = mlx_module("mlx_lm.generate").speculative_generate_step, mlx_module("mlx.core")
    make = mlx_module("mlx_lm.models.cache").make_prompt_cache
    their_cache = [*make(theirs), *make(their_draft)]
    settings: dict[str, Any] = {"num_draft_tokens": count, "max_tokens": max_tokens, "prefill_step_size": 4}
    penalty = {"repetition_penalty": 1.3, "repetition_context_size": 10}
    expected = list(
        step(
            mx.array(PROMPT), theirs, their_draft, prompt_cache=their_cache, **settings,
            logits_processors=samples.make_logits_processors(**penalty) if processed else None,
        )
    )  # fmt: skip
    cache = [*make_prompt_cache(model), *make_prompt_cache(draft)]
    processors = make_logits_processors(**penalty) if processed else None
    found = list(
        speculative_generate_step(PROMPT, model, draft, prompt_cache=cache, logits_processors=processors, **settings)
    )
    assert [(token, flag) for token, _, flag in found] == [(int(token), flag) for token, _, flag in expected]
    assert [one.offset for one in cache] == [one.offset for one in their_cache]
    for (_, mine, _), (_, wanted, _) in zip(found, expected, strict=True):
        assert torch.allclose(mine, torch.tensor(wanted.tolist()), atol=1e-3)


def test_the_text_is_the_large_models_own(model: Any, draft: Any):
    alone = [token for token, _ in generate_step(PROMPT, model, max_tokens=100)]
    found = list(speculative_generate_step(PROMPT, model, draft, max_tokens=100, num_draft_tokens=3))
    assert [token for token, *_ in found] == alone
    assert 10 < sum(flag for *_, flag in found) < 90


def test_a_draft_that_agrees_is_taken(model: Any, folders: tuple[Path, Path]):
    tokenizer = load_tokenizer(folders[0])
    responses = list(stream_generate(model, tokenizer, SENTENCES[0], max_tokens=5, draft_model=model))
    assert [response.from_draft for response in responses] == [True, True, False, True, True]
    assert [response.finish_reason for response in responses] == [None] * 4 + ["length"]
    text = generate(model, tokenizer, SENTENCES[0], max_tokens=5, draft_model=model, num_draft_tokens=2)
    assert text == generate(model, tokenizer, SENTENCES[0], max_tokens=5)


def test_without_end_means_without_end(model: Any, draft: Any):
    found = itertools.islice(speculative_generate_step(PROMPT, model, draft, max_tokens=-1), 40)
    assert [token for token, *_ in found] == [token for token, _ in generate_step(PROMPT, model, max_tokens=40)]


def test_no_draft_tokens_is_the_large_model_alone(model: Any, draft: Any):
    found = list(speculative_generate_step(PROMPT, model, draft, max_tokens=9, num_draft_tokens=0))
    assert [(token, flag) for token, _, flag in found] == [
        (token, False) for token, _ in generate_step(PROMPT, model, max_tokens=9)
    ]


def test_a_quantised_cache_is_cut_back_too(tmp_path: Path):
    wide, _ = load_model(tiny_model(tmp_path / "model", "qwen3", head_dim=32))
    bits: dict[str, Any] = {"max_tokens": 20, "kv_bits": 8, "kv_group_size": 32, "quantized_kv_start": 0}
    found = [token for token, *_ in speculative_generate_step(PROMPT, wide, wide, **bits)]
    assert found == [token for token, _ in generate_step(PROMPT, wide, **bits)]


def test_where_the_consumer_stops_both_caches_can_go_on(model: Any, draft: Any):
    cache = [*make_prompt_cache(model), *make_prompt_cache(draft)]
    steps = speculative_generate_step(PROMPT, model, draft, max_tokens=50, prompt_cache=cache, num_draft_tokens=3)
    taken = [token for token, *_ in itertools.islice(steps, 7)]
    steps.close()
    held = cache[0].offset
    whole = [*PROMPT, *taken]
    assert len(PROMPT) <= held <= len(whole)
    rest = whole[held:] or whole[-1:]
    for one in cache[: len(model.layers)]:
        one.trim(held - (len(whole) - len(rest)))
    going_on = [t for t, _ in generate_step(rest, model, max_tokens=5, prompt_cache=cache[: len(model.layers)])]
    assert taken + going_on == [token for token, _ in generate_step(PROMPT, model, max_tokens=12)]


def test_what_cannot_be_drafted_is_refused(model: Any, draft: Any, folders: tuple[Path, Path]):
    tokenizer = load_tokenizer(folders[0])
    full = [*make_prompt_cache(model, 8), *make_prompt_cache(draft)]
    list(generate_step(PROMPT * 2, model, max_tokens=1, prompt_cache=full[:2]))
    with pytest.raises(ValueError, match="a RotatingKVCache cannot"):
        next(speculative_generate_step(PROMPT, model, draft, prompt_cache=full))
    embeddings = model.embed(torch.tensor([PROMPT]))[0]
    with pytest.raises(ValueError, match="drafts from tokens"):
        list(stream_generate(model, tokenizer, PROMPT, draft_model=draft, input_embeddings=embeddings))
    with pytest.raises(ValueError, match="prompt is empty"):
        next(speculative_generate_step([], model, draft))

    def spoil(tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return torch.full_like(logits, float("nan"))

    with pytest.raises(InferenceError, match="NaN"):
        next(speculative_generate_step(PROMPT, model, draft, logits_processors=[spoil]))
