"""The step that a CUDA graph would replay computes what the decoder does; capturing needs a card and is a fake."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from tiny import tiny_model

from core.models.cuda_graph import GraphedDecoder
from core.models.generation import generate_step
from core.models.loading import LoadOptions, load_model
from core.models.prompt_cache import make_prompt_cache, trim_prompt_cache

PROMPT = [5, 9, 77, 300, 2, 41, 8]


class Capture:
    """Computes again where a graph would be replayed."""

    def __init__(self) -> None:
        self.captured = 0

    def __call__(self, compute: Callable[[], None]) -> Callable[[], None]:
        self.captured += 1
        compute()
        return compute


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model", "qwen3")


def graphed(folder: Path, capture: Any) -> Any:
    model, _ = load_model(folder, LoadOptions(fused=False))
    model.fused = GraphedDecoder(model, capture)
    return model


def test_steps_are_those_of_the_decoder_and_captured_once(folder: Path):
    plain, _ = load_model(folder, LoadOptions(fused=False))
    capture = Capture()
    model = graphed(folder, capture)
    cache = make_prompt_cache(model)
    expected = list(generate_step(PROMPT, plain, max_tokens=60))
    found = list(generate_step(PROMPT, model, max_tokens=60, prompt_cache=cache))
    assert [token for token, _ in found] == [token for token, _ in expected]
    assert torch.allclose(found[-1][1], expected[-1][1], atol=1e-4)
    assert capture.captured == 1
    assert cache[0].offset == len(PROMPT) + 60


def test_another_cache_and_one_that_grew_are_captured_anew(folder: Path):
    plain, _ = load_model(folder, LoadOptions(fused=False))
    capture = Capture()
    model = graphed(folder, capture)
    long = torch.randint(0, 384, (1020,), generator=torch.Generator().manual_seed(1)).tolist()
    expected = [token for token, _ in generate_step(long, plain, max_tokens=20)]
    assert [token for token, _ in generate_step(long, model, max_tokens=20)] == expected
    assert capture.captured == 2
    cache = make_prompt_cache(model)
    first = [token for token, _ in generate_step(PROMPT, model, max_tokens=5, prompt_cache=cache)]
    assert capture.captured == 3
    trim_prompt_cache(cache, 5)
    again = [token for token, _ in generate_step(first[:1], model, max_tokens=4, prompt_cache=cache)]
    assert again == first[1:]
    assert capture.captured == 3


def test_the_memory_that_a_graph_works_in_stays_until_the_next(folder: Path):
    kept: list[weakref.ref[Any]] = []

    def capture(compute: Callable[[], None]) -> Callable[[], None]:
        compute()
        kept.append(weakref.ref(compute))
        return lambda: kept[-1]()()

    model = graphed(folder, capture)
    for count in (1, 2):
        list(generate_step(PROMPT, model, max_tokens=3))
        gc.collect()
        assert [one() is not None for one in kept] == [False] * (count - 1) + [True]


def test_mixed_precision_around_it_is_not_recorded(folder: Path, caplog: pytest.LogCaptureFixture):
    def capture(compute: Callable[[], None]) -> Callable[[], None]:
        compute()

        def replay() -> None:
            with torch.autocast("cpu", enabled=False):  # a graph launches what was recorded, whatever is around it
                compute()

        return replay

    plain, _ = load_model(folder, LoadOptions(fused=False))
    model = graphed(folder, capture)
    cache = make_prompt_cache(model)
    model(torch.tensor([PROMPT]), cache=cache, logits="none")
    with torch.autocast("cpu", torch.bfloat16), caplog.at_level(logging.WARNING):
        step = model(torch.tensor([[7]]), cache=cache, logits="last")
    assert not caplog.text
    assert torch.allclose(step, plain(torch.tensor([[*PROMPT, 7]]), logits="last"), atol=1e-3)


def test_a_capture_that_fails_leaves_the_decoder(folder: Path, caplog: pytest.LogCaptureFixture):
    def fails(compute: Callable[[], None]) -> Callable[[], None]:
        compute()
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    plain, _ = load_model(folder, LoadOptions(fused=False))
    model = graphed(folder, fails)
    with caplog.at_level(logging.WARNING):
        found = [token for token, _ in generate_step(PROMPT, model, max_tokens=10)]
    assert found == [token for token, _ in generate_step(PROMPT, plain, max_tokens=10)]
    assert caplog.text.count("CUDA graphs are off") == 1


def test_bounded_caches_and_batches_go_by(folder: Path):
    capture = Capture()
    model = graphed(folder, capture)
    list(generate_step(PROMPT, model, max_tokens=3, max_kv_size=6))
    list(generate_step(PROMPT, model, max_tokens=3, kv_bits=8, kv_group_size=32, quantized_kv_start=10**6))
    assert model(torch.tensor([[1], [2]]), cache=None).shape[0] == 2
    assert capture.captured == 1
