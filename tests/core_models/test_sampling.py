"""Samplers and logits processors against mlx-lm's, on the same log-probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.models import sampling

mx = pytest.importorskip("mlx.core")
oracle = pytest.importorskip("mlx_lm.sample_utils")

VOCABULARIES = (7, 1000, 5000)


def log_probabilities(vocabulary: int, seed: int, sharpness: float = 3.0) -> torch.Tensor:
    """[1, vocabulary], of one seed the same."""
    generator = torch.Generator().manual_seed(seed)
    return torch.log_softmax(torch.randn(1, vocabulary, generator=generator) * sharpness, dim=-1)


def tied(vocabulary: int) -> torch.Tensor:
    return torch.log_softmax(torch.zeros(1, vocabulary), dim=-1)


def peaked(vocabulary: int) -> torch.Tensor:
    return torch.log_softmax(torch.eye(1, vocabulary) * 60, dim=-1)


def partly_removed(vocabulary: int) -> torch.Tensor:
    logits = log_probabilities(vocabulary, 5)
    logits[:, 3:] = -torch.inf
    return torch.log_softmax(logits, dim=-1)


INPUTS = [
    *(log_probabilities(vocabulary, seed) for vocabulary in VOCABULARIES for seed in (0, 1)),
    log_probabilities(5000, 2, sharpness=0.1),  # flat: the nucleus is larger than what is looked at first
    tied(50),
    peaked(50),
    partly_removed(50),
    torch.cat([log_probabilities(700, 3), log_probabilities(700, 4, 0.1)]),
]


def to_mlx(tensor: torch.Tensor) -> Any:
    return mx.array(tensor.numpy())


def assert_same_distribution(ours: torch.Tensor, theirs: Any) -> None:
    expected = torch.from_numpy(np.array(theirs))
    torch.testing.assert_close(torch.softmax(ours, -1), torch.softmax(expected, -1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("logprobs", INPUTS, ids=lambda x: str(tuple(x.shape)))
class TestFilters:
    @pytest.mark.parametrize("top_p", [0.01, 0.3, 0.9, 0.999])
    def test_top_p(self, logprobs: torch.Tensor, top_p: float) -> None:
        assert_same_distribution(sampling.apply_top_p(logprobs, top_p), oracle.apply_top_p(to_mlx(logprobs), top_p))

    @pytest.mark.parametrize(("min_p", "kept"), [(0.05, 1), (0.9, 1), (1.0, 1), (0.9, 4)])
    def test_min_p(self, logprobs: torch.Tensor, min_p: float, kept: int) -> None:
        ours = sampling.apply_min_p(logprobs, min_p, kept)
        theirs = oracle.apply_min_p(to_mlx(logprobs), min_p, kept)
        if kept == 1 or not _ties(logprobs):  # of equals, either may be the one to stay
            assert_same_distribution(ours, theirs)
        assert (ours > -torch.inf).sum(-1).min() >= min(kept, int((logprobs > -torch.inf).sum(-1).min()))

    @pytest.mark.parametrize("top_k", [1, 3, 6])
    def test_top_k(self, logprobs: torch.Tensor, top_k: int) -> None:
        ours = sampling.apply_top_k(logprobs, top_k)
        if not _ties(logprobs):
            assert_same_distribution(ours, oracle.apply_top_k(to_mlx(logprobs), top_k))
        assert (ours > -torch.inf).sum(-1).max() <= top_k

    @pytest.mark.parametrize(("threshold", "special"), [(0.0, []), (0.02, []), (0.1, [0, 2]), (0.5, [])])
    def test_xtc_that_applies(self, logprobs: torch.Tensor, threshold: float, special: list[int]) -> None:
        ours = sampling.apply_xtc(logprobs, 1.0, threshold, special)
        assert_same_distribution(ours, oracle.apply_xtc(to_mlx(logprobs), 1.0, threshold, special))


def _ties(logprobs: torch.Tensor) -> bool:
    return any(len(row.unique()) < len(row) for row in logprobs)


def test_filters_apply_in_mlx_lms_order_before_the_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {
        "temp": 0.7,
        "top_p": 0.95,
        "min_p": 0.01,
        "top_k": 5,
        "xtc_probability": 1.0,
        "xtc_threshold": 0.05,
        "xtc_special_tokens": [1],
    }
    monkeypatch.setattr(sampling, "categorical_sampling", lambda logits, temp: logits / temp)
    monkeypatch.setattr(oracle, "categorical_sampling", lambda logits, temp: logits * (1 / temp))
    for seed in range(20):
        logprobs = log_probabilities(300, seed)
        ours = sampling.make_sampler(**options)(logprobs)
        assert_same_distribution(ours, oracle.make_sampler(**options)(to_mlx(logprobs)))


def test_temperature_zero_takes_the_likeliest_of_each_row() -> None:
    logprobs = torch.cat([log_probabilities(100, seed) for seed in range(3)])
    chosen = sampling.make_sampler(0.0, top_p=0.5, top_k=3)(logprobs)
    assert chosen.tolist() == logprobs.argmax(-1).tolist()
    assert chosen.shape == (3,)


def test_draws_follow_the_distribution_and_the_temperature() -> None:
    logprobs = log_probabilities(6, 1, 1.0)
    torch.manual_seed(0)
    drawn = sampling.make_sampler(temp=0.8)(logprobs.expand(40_000, -1))
    frequency = torch.bincount(drawn, minlength=6) / len(drawn)
    torch.testing.assert_close(frequency, torch.softmax(logprobs[0] / 0.8, -1), atol=0.01, rtol=0)


def test_a_removed_token_is_never_drawn() -> None:
    torch.manual_seed(0)
    drawn = sampling.make_sampler(temp=5.0, top_k=2)(tied(50).expand(2000, -1))
    assert len(drawn.unique()) == 2


def test_a_seed_repeats_the_draws() -> None:
    draw = sampling.make_sampler(temp=1.0, xtc_probability=0.5)
    runs = []
    for _ in range(2):
        torch.manual_seed(7)
        runs.append([int(draw(log_probabilities(100, seed))) for seed in range(30)])
    assert runs[0] == runs[1]


def test_xtc_applies_as_often_as_its_probability_says() -> None:
    torch.manual_seed(0)
    logprobs = log_probabilities(10, 0, 1.0)
    applied = [not torch.equal(sampling.apply_xtc(logprobs, 0.3, 0.05), logprobs) for _ in range(1000)]
    assert 240 < sum(applied) < 360


@pytest.mark.parametrize(
    "options",
    [
        {"temp": -1.0},
        {"min_p": 1.5},
        {"min_p": -0.1},
        {"min_p": 0.1, "min_tokens_to_keep": 0},
        {"xtc_probability": 1.5},
        {"xtc_probability": 0.5, "xtc_threshold": 0.6},
    ],
)
def test_a_value_out_of_range_is_named_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"-1|1\.5|-0\.1|0\.6|is 0"):
        sampling.make_sampler(**{"temp": 1.0, **options})


def test_top_k_must_be_smaller_than_the_vocabulary() -> None:
    with pytest.raises(ValueError, match="top_k is 7"):
        sampling.apply_top_k(log_probabilities(7, 0), 7)


@given(st.integers(2, 900), st.floats(0.01, 0.99), st.floats(0.01, 8), st.integers(0, 1000))
def test_a_nucleus_is_the_smallest_set_with_the_mass(size: int, top_p: float, sharpness: float, seed: int) -> None:
    logprobs = log_probabilities(size, seed, sharpness)[0]
    kept = sampling.apply_top_p(logprobs, top_p) > -torch.inf
    probabilities = logprobs.double().exp()
    assert probabilities[kept].sum() >= top_p - 1e-5
    assert probabilities[kept].sum() - probabilities[kept].min() < top_p + 1e-5
    assert not kept.all() or probabilities.sum() - probabilities.min() < top_p + 1e-5


TOKENS = [[3], [1, 2, 2, 3, 9, 9, 9, 0], list(range(40)) * 2, []]


@pytest.mark.parametrize("tokens", TOKENS, ids=len)
@pytest.mark.parametrize(
    "options",
    [
        {"logit_bias": {0: 2.5, 7: -100.0}},
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.5, "repetition_context_size": 3},
        {"presence_penalty": 0.7},
        {"presence_penalty": -0.7, "presence_context_size": 2},
        {"frequency_penalty": 0.4, "frequency_context_size": 50},
        {
            "logit_bias": {5: 1.0},
            "repetition_penalty": 1.1,
            "presence_penalty": 0.2,
            "frequency_penalty": 0.1,
        },
    ],
    ids=str,
)
def test_processors_equal_mlx_lms(options: dict[str, Any], tokens: list[int]) -> None:
    logits = torch.randn(1, 60, generator=torch.Generator().manual_seed(1)) * 4
    given_logits = logits.clone()
    theirs = to_mlx(logits)
    for process in oracle.make_logits_processors(**options):
        theirs = process(mx.array(tokens, dtype=mx.int32), theirs)
    for as_given in (list, torch.tensor):
        ours = logits
        for process in sampling.make_logits_processors(**options):
            ours = process(_tokens(as_given, tokens), ours)
        np.testing.assert_allclose(ours.numpy(), np.array(theirs), atol=1e-5)
    assert torch.equal(logits, given_logits)


def _tokens(as_given: Callable[..., Any], tokens: list[int]) -> Any:
    return as_given(tokens, dtype=torch.long) if as_given is torch.tensor else as_given(tokens)


def test_nothing_switched_on_is_no_processor() -> None:
    assert sampling.make_logits_processors() == []
    assert sampling.make_logits_processors({}, 0.0, presence_penalty=0, frequency_penalty=None) == []


def test_a_context_size_of_none_is_the_whole_text() -> None:
    (process,) = sampling.make_logits_processors(presence_penalty=1.0, presence_context_size=None)
    assert process(list(range(50)), torch.zeros(1, 60)).sum() == -50


def test_a_negative_repetition_penalty_is_refused() -> None:
    with pytest.raises(ValueError, match="-2"):
        sampling.make_logits_processors(repetition_penalty=-2.0)


def test_processors_take_half_precision_and_batches() -> None:
    logits = torch.randn(3, 60).bfloat16()
    for process in sampling.make_logits_processors({1: 1.0}, 1.2, presence_penalty=0.1, frequency_penalty=0.1):
        logits = process([1, 2, 2], logits)
    assert logits.shape == (3, 60)
    assert logits.dtype == torch.bfloat16
