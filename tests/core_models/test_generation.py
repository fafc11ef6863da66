"""What mlx-lm promises of generation, restated: what is ahead, what the cache holds, what processors see, the end."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("transformers", reason="needs transformers (the extra full)")

import torch
from oracle import mlx_model, mlx_module
from tiny import SENTENCES, tiny_model

from core.models.batch import batch_generate
from core.models.generation import generate, generate_step, stream_generate
from core.models.kv_cache import KVCache
from core.models.loading import load_model
from core.models.prompt_cache import make_prompt_cache
from core.models.quantized_cache import QuantizedKVCache
from core.models.rotating_cache import RotatingKVCache
from core.models.sampling import make_logits_processors, make_sampler
from core.models.token_loop import read_prompt
from core.models.tokenizer import load_tokenizer
from core.utils.errors import InferenceError

PROMPT = SENTENCES[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model", "qwen3", head_dim=64)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_model(folder)[0]


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


@pytest.fixture
def prompt(tokenizer: Any) -> list[int]:
    return list(tokenizer.encode(PROMPT))


def test_figures_are_those_of_this_machine(model: Any, tokenizer: Any):
    *_, last = stream_generate(model, tokenizer, PROMPT, max_tokens=3)
    assert last.prompt_tps > 0
    assert last.generation_tps > 0
    assert last.peak_memory > 0.01


@pytest.mark.parametrize("step", [3, 2048])
def test_a_prompt_that_was_read_before_it_was_answered_gives_the_same_text(
    model: Any, tokenizer: Any, prompt: list[int], step: int
):
    processors = make_logits_processors(repetition_penalty=1.5)
    fresh = list(stream_generate(model, tokenizer, prompt, max_tokens=6, logits_processors=processors))
    cache = make_prompt_cache(model)
    assert read_prompt(prompt[:2], model, prompt_cache=cache, logits=False) is None
    logits = read_prompt(prompt[2:], model, prompt_cache=cache, prefill_step_size=step)
    assert cache[0].offset == len(prompt)
    given = {"prompt_cache": cache, "prompt_logits": logits, "logits_processors": processors}
    read = list(stream_generate(model, tokenizer, prompt, max_tokens=6, **given))
    assert [one.token for one in read] == [one.token for one in fresh]
    for one, other in zip(read, fresh, strict=True):
        assert torch.allclose(one.logprobs, other.logprobs, atol=1e-4)
    assert cache[0].offset == len(prompt) + 6
    with pytest.raises(ValueError, match="the prompt is empty"):
        read_prompt([], model, prompt_cache=cache)


def test_a_text_gets_special_tokens_unless_it_begins_with_them(model: Any, tokenizer: Any):
    class Marked:
        bos_token = "<|im_start|>"
        calls: list[bool] = []  # noqa: RUF012

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def encode(self, text: str, add_special_tokens: bool) -> list[int]:
            self.calls.append(add_special_tokens)
            return list(tokenizer.encode(text, add_special_tokens=False))

    from core.models.generation import encoded

    marked = Marked()
    encoded(marked, "Hello")  # type: ignore[arg-type]
    encoded(marked, "<|im_start|>Hello")  # type: ignore[arg-type]
    assert marked.calls == [True, False]


def test_an_empty_prompt_is_refused(model: Any, tokenizer: Any):
    with pytest.raises(ValueError, match="prompt is empty"):
        next(generate_step([], model))
    with pytest.raises(ValueError, match="prompt is empty"):
        generate(model, tokenizer, [])
    for count in (0, -5):
        with pytest.raises(ValueError, match=f"max_tokens {count} leaves nothing"):
            generate(model, tokenizer, PROMPT, max_tokens=count)
    with pytest.raises(ValueError, match="one text at a time"):
        next(generate_step([[1, 2], [3, 4]], model))  # type: ignore[list-item]


@pytest.mark.parametrize("strange", [-1, 10**6])
def test_a_token_that_the_model_does_not_know_is_named(strange: int, model: Any, tokenizer: Any):
    prompt, why = [5, strange, 7], f"token {strange} is none of this model's, which are 0 to"
    with pytest.raises(ValueError, match=why):
        generate(model, tokenizer, prompt)
    with pytest.raises(ValueError, match=why):
        read_prompt(prompt, model, prompt_cache=make_prompt_cache(model))
    with pytest.raises(ValueError, match=why):
        generate(model, tokenizer, prompt, draft_model=model)
    with pytest.raises(ValueError, match=why):
        batch_generate(model, tokenizer, [[5], prompt])


def test_what_does_not_fit_a_call_is_named(model: Any, tokenizer: Any, prompt: list[int]):
    with pytest.raises(TypeError, match=r"unknown argument 'temp'.*make_sampler"):
        generate(model, tokenizer, prompt, temp=0.7)
    with pytest.raises(ValueError, match=r"cache has 1 layers, the model 2; make one with make_prompt_cache"):
        generate(model, tokenizer, prompt, prompt_cache=[KVCache()])
    with pytest.raises(TypeError, match="prompt 0 is a text; give its tokens"):
        batch_generate(model, tokenizer, ["a text"])  # type: ignore[list-item]


def test_one_step_is_computed_ahead_of_each_yield(model: Any, prompt: list[int]):
    cache = make_prompt_cache(model)
    steps = generate_step(prompt, model, prompt_cache=cache)
    for count in range(1, 4):
        next(steps)
        assert cache[0].offset == len(prompt) + count


@pytest.mark.parametrize("taken", [1, 3])
def test_the_cache_holds_what_was_yielded_when_the_consumer_stops(
    taken: int, model: Any, tokenizer: Any, prompt: list[int]
):
    cache = make_prompt_cache(model)
    stream = stream_generate(model, tokenizer, PROMPT, max_tokens=50, prompt_cache=cache)
    tokens = [response.token for response in itertools.islice(stream, taken)]
    stream.close()
    assert cache[0].offset == len(prompt) + taken
    going_on = [token for token, _ in generate_step(tokens[-1:], model, max_tokens=5, prompt_cache=_cut(cache, 1))]
    whole = [token for token, _ in generate_step(prompt, model, max_tokens=taken + 5)]
    assert tokens + going_on == whole


@pytest.mark.parametrize("max_tokens", [1, 7])
def test_the_cache_holds_the_last_token_too(max_tokens: int, model: Any, tokenizer: Any, prompt: list[int]):
    for run in (
        lambda cache: list(generate_step(prompt, model, max_tokens=max_tokens, prompt_cache=cache)),
        lambda cache: list(stream_generate(model, tokenizer, PROMPT, max_tokens=max_tokens, prompt_cache=cache)),
    ):
        cache = make_prompt_cache(model)
        run(cache)
        assert cache[0].offset == len(prompt) + max_tokens


def _cut(cache: list[Any], count: int) -> list[Any]:
    for one in cache:
        one.trim(count)
    return cache


def test_a_cache_is_changed_in_place_and_takes_only_new_tokens(model: Any, prompt: list[int]):
    cache = make_prompt_cache(model)
    list(generate_step(prompt[:6], model, max_tokens=0, prompt_cache=cache))
    found = [token for token, _ in generate_step(prompt[6:], model, max_tokens=8, prompt_cache=cache)]
    assert found == [token for token, _ in generate_step(prompt, model, max_tokens=8)]
    assert cache[0].offset == len(prompt) + 8


def test_an_end_of_text_token_comes_in_the_last_response_and_counts(folder: Path, model: Any):
    tokenizer = load_tokenizer(folder)
    plain = list(stream_generate(model, tokenizer, PROMPT, max_tokens=12))
    third = plain[2].token
    tokenizer.add_eos_token(third)
    cache = make_prompt_cache(model)
    found = list(stream_generate(model, tokenizer, PROMPT, max_tokens=12, prompt_cache=cache))
    count = next(i for i, response in enumerate(plain, 1) if response.token == third)
    assert [response.finish_reason for response in found] == [None] * (count - 1) + ["stop"]
    assert (found[-1].token, found[-1].generation_tokens) == (third, count)
    assert cache[0].offset == found[-1].prompt_tokens + count


def test_prefill_goes_in_pieces_and_tells_how_far_it_is(model: Any, prompt: list[int]):
    seen: list[tuple[int, int]] = []
    total = len(prompt)
    list(
        generate_step(
            prompt, model, max_tokens=3, prefill_step_size=5, prompt_progress_callback=lambda *done: seen.append(done)
        )
    )
    assert seen == [(0, total), *((done, total) for done in range(5, total - 1, 5)), (total - 1, total), (total, total)]


def test_prefill_computes_the_head_for_the_last_token_alone(model: Any, prompt: list[int]):
    class Spy:
        rows: list[int] = []  # noqa: RUF012

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def __call__(self, tokens: Any, **kwargs: Any) -> Any:
            logits = model(tokens, **kwargs)
            self.rows.append(0 if logits is None else logits.shape[1])
            return logits

    spy = Spy()
    list(generate_step(prompt, spy, max_tokens=1, prefill_step_size=8))
    assert spy.rows == [0] * ((len(prompt) + 6) // 8 - 1) + [1, 1]


def test_without_end_means_without_end(model: Any, prompt: list[int]):
    assert len(list(itertools.islice(generate_step(prompt, model, max_tokens=-1), 300))) == 300


def test_a_large_bias_makes_the_whole_text_that_token(model: Any, tokenizer: Any):
    token = tokenizer.encode("time")[-1]
    processors = make_logits_processors(logit_bias={token: 2000.0})
    text = generate(model, tokenizer, PROMPT, max_tokens=5, logits_processors=processors)
    assert text == tokenizer.decode([token]) * 5


@pytest.mark.parametrize("step_size", [2048, 4])
def test_processors_see_what_they_see_in_mlx_lm(step_size: int, folder: Path, model: Any, prompt: list[int]):
    ours: list[list[int]] = []
    theirs: list[list[int]] = []

    def note(seen: list[list[int]]) -> Any:
        def processor(tokens: Any, logits: Any) -> Any:
            seen.append([int(token) for token in tokens.tolist()])
            return logits

        return processor

    settings = {"max_tokens": 4, "prefill_step_size": step_size}
    list(generate_step(prompt, model, logits_processors=[note(ours)], **settings))
    mx, step = mlx_module("mlx.core"), mlx_module("mlx_lm.generate").generate_step
    list(step(mx.array(prompt), mlx_model(folder)[0], logits_processors=[note(theirs)], **settings))
    assert ours == theirs
    assert [len(seen) for seen in ours] == [len(prompt) + k for k in range(5)]


def test_a_sampler_gets_log_probabilities_and_decides(model: Any, prompt: list[int]):
    sums = []

    def second_likeliest(logprobs: torch.Tensor) -> torch.Tensor:
        sums.append(float(logprobs.exp().sum()))
        return logprobs.topk(2).indices[:, 1]

    (token, logprobs), *_ = generate_step(prompt, model, max_tokens=2, sampler=second_likeliest)
    assert token == int(logprobs.topk(2).indices[1])
    assert sums == pytest.approx([1.0] * 3, abs=1e-4)
    greedy = [token for token, _ in generate_step(prompt, model, max_tokens=9, sampler=make_sampler(temp=0.0))]
    assert greedy == [token for token, _ in generate_step(prompt, model, max_tokens=9)]


def test_embeddings_in_place_of_a_prompt(model: Any, prompt: list[int]):
    embeddings = model.embed(torch.tensor([prompt]))[0].clone()
    expected = [token for token, _ in generate_step(prompt, model, max_tokens=6)]
    for tokens in ([], prompt):
        steps = generate_step(tokens, model, max_tokens=6, input_embeddings=embeddings, prefill_step_size=4)
        assert [token for token, _ in steps] == expected
    with pytest.raises(ValueError, match="input_embeddings of shape"):
        next(generate_step(prompt[:3], model, input_embeddings=embeddings))


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"max_kv_size": 32}, RotatingKVCache),
        ({"kv_bits": 8, "quantized_kv_start": 0}, QuantizedKVCache),
        ({}, KVCache),
    ],
)
def test_the_kind_of_cache_follows_the_arguments(arguments: dict[str, Any], kind: Any, model: Any, prompt: list[int]):
    cache = make_prompt_cache(model, arguments.pop("max_kv_size", None))
    list(generate_step(prompt, model, max_tokens=2, prompt_cache=cache, **arguments))
    assert {type(one) for one in cache} == {kind}


def test_a_prompt_longer_than_the_context_loses_the_turn(model: Any):
    with pytest.raises(InferenceError, match="a prompt of 2049 tokens is longer than the 2048 tokens"):
        next(generate_step([5] * 2049, model))
    next(generate_step([5] * 2049, model, max_kv_size=64))


def test_no_numbers_name_the_step(tmp_path: Path, prompt: list[int]):
    model, _ = load_model(tiny_model(tmp_path / "model", "qwen2"))

    def spoil(tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        if len(tokens) == len(prompt) + 2:
            return torch.full_like(logits, float("nan"))
        return logits

    with pytest.raises(InferenceError, match=r"\(NaN\) for step 2"):
        list(generate_step(prompt, model, max_tokens=5, logits_processors=[spoil]))
    model.model.norm.weight.fill_(float("inf"))
    with pytest.raises(InferenceError, match="step 0"):
        next(generate_step(prompt, model, sampler=make_sampler(temp=1.0)))


def test_a_gpu_that_is_full_loses_the_turn(model: Any, prompt: list[int]):
    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def __call__(self, tokens: Any, **kwargs: Any) -> Any:
            if tokens.shape[1] == 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return model(tokens, **kwargs)

    with pytest.raises(InferenceError, match=f"no memory left after {len(prompt)} tokens"):
        next(generate_step(prompt, Full()))


def test_what_is_mlx_alone_is_refused_with_the_reason(model: Any, tokenizer: Any, prompt: list[int]):
    with pytest.raises(ValueError, match="streams do not exist in torch"):
        next(generate_step(prompt, model, object()))  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="either max_kv_size or kv_bits"):
        list(generate_step(prompt, model, max_kv_size=64, kv_bits=8, quantized_kv_start=0))


def test_verbose_writes_the_text_and_figures(model: Any, tokenizer: Any, capsys: pytest.CaptureFixture[str]):
    text = generate(model, tokenizer, PROMPT, verbose=True, max_tokens=4)
    out = capsys.readouterr().out
    rule, said, figures = re.split(r"==========\n", out)
    assert (rule, said) == ("", f"{text}\n")
    assert re.match(
        r"Prompt: \d+ tokens, [\d.]+ tokens-per-sec\nGeneration: 4 tokens, [\d.]+ tokens-per-sec\n", figures
    )
