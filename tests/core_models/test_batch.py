"""Several texts at once give what each gives alone, and what mlx-lm gives."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("transformers", reason="needs transformers (the extra full)")

import torch
from oracle import mlx_model, mlx_module
from tiny import tiny_model

from core.models.batch import batch_generate
from core.models.generation import generate_step
from core.models.hf_model import HFModel
from core.models.loading import load_model
from core.models.prompt_cache import make_prompt_cache
from core.models.sampling import make_logits_processors
from core.models.tokenizer import load_tokenizer
from core.utils.errors import InferenceError

PROMPTS = [[5, 9, 77, 300, 45, 41, 8], [12], [33, 7, 90], [5, 9, 77, 300, 45, 41, 8, 61, 70, 71, 72, 73]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model", "qwen2")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_model(folder)[0]


@pytest.fixture
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


def alone(model: Any, prompt: list[int], count: int, **arguments: Any) -> list[int]:
    return [token for token, _ in generate_step(prompt, model, max_tokens=count, **arguments)]


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"prefill_batch_size": 2},
        {"completion_batch_size": 3, "prefill_batch_size": 2, "prefill_step_size": 2},
        {"max_kv_size": 9},
    ],
    ids=str,
)
def test_each_text_is_what_it_is_alone(sizes: dict[str, int], model: Any, tokenizer: Any):
    found = batch_generate(
        model, tokenizer, PROMPTS, max_tokens=20, return_token_ids=True, return_logprobs=True, **sizes
    )
    bounded = {key: size for key, size in sizes.items() if key == "max_kv_size"}
    expected = [alone(model, prompt, 20, **bounded) for prompt in PROMPTS]
    ends = [[*tokens, 2].index(2) for tokens in expected]
    assert found.token_ids == [tokens[:end] for tokens, end in zip(expected, ends, strict=True)]
    assert found.texts == [tokenizer.decode(tokens) for tokens in found.token_ids]
    assert found.caches is None
    assert found.logprobs is not None
    assert all(len(row) == len(ids) and max(row) < 0 for row, ids in zip(found.logprobs, found.token_ids, strict=True))
    assert found.stats.prompt_tokens == sum(len(prompt) - 1 for prompt in PROMPTS)
    assert found.stats.generation_tokens == sum(min(end + 1, 20) for end in ends)
    assert found.stats.generation_tps > 0
    assert found.stats.prompt_tps > 0


def test_results_are_those_of_mlx_lm(folder: Path, model: Any, tokenizer: Any):
    theirs, their_tokenizer = mlx_model(folder)
    limits = [20, 3, 40, 11]
    ending = alone(model, PROMPTS[2], 8)[5]
    for one in (tokenizer, their_tokenizer):
        one.add_eos_token(ending)
    arguments: dict[str, Any] = {"max_tokens": limits, "return_prompt_caches": True, "return_token_ids": True}
    expected = mlx_module("mlx_lm").batch_generate(theirs, their_tokenizer, PROMPTS, **arguments)
    found = batch_generate(model, tokenizer, PROMPTS, **arguments)
    assert found.token_ids == expected.token_ids
    assert found.texts == expected.texts
    assert found.stats.generation_tokens == expected.stats.generation_tokens
    assert found.stats.prompt_tokens == expected.stats.prompt_tokens
    assert found.caches is not None
    assert [cache[0].offset for cache in found.caches] == [cache[0].offset for cache in expected.caches]
    for mine, wanted in zip(found.caches, expected.caches, strict=True):
        keys = torch.tensor(wanted[1].keys_and_values()[0].tolist())
        assert torch.allclose(mine[1].state[0], keys, atol=1e-3)


def test_caches_are_read_and_not_changed_and_go_on(model: Any, tokenizer: Any):
    caches = [make_prompt_cache(model) for _ in PROMPTS]
    for prompt, cache in zip(PROMPTS, caches, strict=True):
        list(generate_step(prompt, model, max_tokens=0, prompt_cache=cache))
    before = copy.deepcopy(caches)
    more = [[9, 8], [7], [3, 4, 5, 6], [11]]
    found = batch_generate(
        model, tokenizer, more, prompt_caches=caches, max_tokens=6, return_prompt_caches=True, return_token_ids=True
    )
    assert [cache[0].offset for cache in caches] == [cache[0].offset for cache in before]
    assert found.token_ids is not None
    assert found.caches is not None
    for index, prompt in enumerate(PROMPTS):
        whole = alone(model, [*prompt, *more[index]], 10)
        assert found.token_ids[index] == whole[:6]
        rest = alone(model, [whole[6]], 3, prompt_cache=found.caches[index])
        assert rest == whole[7:10]


def test_processors_and_samplers_see_each_text_alone(model: Any, tokenizer: Any):
    processors = make_logits_processors(repetition_penalty=1.5, repetition_context_size=30)
    found = batch_generate(
        model, tokenizer, PROMPTS, max_tokens=15, logits_processors=processors, return_token_ids=True
    )
    expected = [alone(model, prompt, 15, logits_processors=processors) for prompt in PROMPTS]
    ends = [[*tokens, 2].index(2) for tokens in expected]
    assert found.token_ids == [tokens[:end] for tokens, end in zip(expected, ends, strict=True)]
    least = batch_generate(
        model, tokenizer, PROMPTS, max_tokens=2, sampler=lambda x: x.argmin(-1), return_token_ids=True
    )
    assert least.token_ids == [alone(model, prompt, 2, sampler=lambda x: x.argmin(-1)) for prompt in PROMPTS]


def test_models_of_transformers_go_one_after_the_other(folder: Path, model: Any, tokenizer: Any):
    import transformers

    other = HFModel(transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval())
    found = batch_generate(other, tokenizer, PROMPTS, max_tokens=8, return_prompt_caches=True)
    assert found.texts == batch_generate(model, tokenizer, PROMPTS, max_tokens=8).texts
    assert found.caches is not None
    assert found.caches[0][0].offset >= len(PROMPTS[0])


def test_what_cannot_be_is_refused(model: Any, tokenizer: Any):
    with pytest.raises(ValueError, match="prompt 1 has 0 tokens"):
        batch_generate(model, tokenizer, [[1], []])
    with pytest.raises(ValueError, match="max_tokens 0; at least 1"):
        batch_generate(model, tokenizer, [[1]], max_tokens=0)
    with pytest.raises(ValueError, match="1 prompts, 2 max_tokens"):
        batch_generate(model, tokenizer, [[1]], max_tokens=[1, 2])

    def spoil(tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return torch.full_like(logits, float("nan"))

    with pytest.raises(InferenceError, match="NaN"):
        batch_generate(model, tokenizer, PROMPTS, logits_processors=[spoil])


def test_verbose_tells_how_far_it_is(model: Any, tokenizer: Any, capsys: pytest.CaptureFixture[str]):
    batch_generate(model, tokenizer, PROMPTS, max_tokens=2, verbose=True, completion_batch_size=2)
    assert "2 of 4 texts are done\n4 of 4" in capsys.readouterr().out
