"""Steps that are begun before the ones before them were read; the graph is a fake, as in test_cuda_graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from test_cuda_graph import PROMPT, Capture, graphed
from tiny import tiny_model

from core.models.generation import generate_step
from core.models.kv_cache import bring
from core.models.loading import LoadOptions, load_model
from core.models.prompt_cache import make_prompt_cache
from core.models.sampling import make_sampler
from core.models.token_loop import StepOptions, TokenLoop
from core.utils.errors import InferenceError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("ahead") / "model", "qwen3")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    return load_model(folder, LoadOptions(fused=False))[0]


def begun(model: Any, prompt: list[int], **options: Any) -> tuple[TokenLoop, int, Any]:
    """A loop, its first token, and the step after it."""
    loop = TokenLoop(model, make_prompt_cache(model), StepOptions(**options))
    token, _ = loop.prefill(torch.tensor(prompt), None)
    return loop, token, loop.launch(token)


def ahead(model: Any, prompt: list[int], count: int, **options: Any) -> list[int]:
    """Tokens, each step begun before the one before was read."""
    loop, token, pending = begun(model, prompt, **options)
    tokens = [token]
    while len(tokens) < count:
        after = loop.launch(pending)
        tokens.append(loop.finish(pending)[0])
        pending = after
    return tokens


def written(model: Any, prompt: list[int], count: int) -> list[int]:
    return [token for token, _ in generate_step(prompt, model, max_tokens=count)]


@pytest.mark.parametrize("through_graph", [True, False])
def test_the_text_is_the_same(folder: Path, plain: Any, through_graph: bool):
    model = graphed(folder, Capture()) if through_graph else plain
    assert ahead(model, PROMPT, 40) == written(plain, PROMPT, 40)


def test_a_graph_that_is_captured_anew_in_between_loses_no_token(folder: Path, plain: Any):
    long = torch.randint(0, 384, (1018,), generator=torch.Generator().manual_seed(1)).tolist()
    capture = Capture()
    assert ahead(graphed(folder, capture), long, 12) == written(plain, long, 12)
    assert capture.captured == 2


def test_two_texts_in_turn_do_not_mix(folder: Path, plain: Any):
    model = graphed(folder, Capture())
    texts = PROMPT, PROMPT[::-1]
    loops = [begun(model, text) for text in texts]
    found = [[token] for _, token, _ in loops]
    waiting = [pending for *_, pending in loops]
    for _ in range(8):
        for index, (loop, *_) in enumerate(loops):
            after = loop.launch(waiting[index])
            found[index].append(loop.finish(waiting[index])[0])
            waiting[index] = after
    assert found == [written(plain, text, 9) for text in texts]


def test_a_sampler_chooses(folder: Path, plain: Any):
    likeliest = make_sampler(temp=0.5, top_k=1)
    assert ahead(graphed(folder, Capture()), PROMPT, 10, sampler=likeliest) == written(plain, PROMPT, 10)


def test_weights_that_are_no_numbers_are_told_when_the_step_is_read(folder: Path):
    model = graphed(folder, Capture())
    loop, _, pending = begun(model, PROMPT)
    model.model.norm.weight[3] = float("nan")
    after = loop.launch(pending)
    assert loop.finish(pending)[0] >= 0
    with pytest.raises(InferenceError, match="computed no numbers"):
        loop.finish(after)


def test_a_cache_is_brought_to_where_the_model_is(tmp_path: Path):
    wide, _ = load_model(tiny_model(tmp_path / "wide", "qwen3", head_dim=32), LoadOptions(fused=False))
    cache = make_prompt_cache(wide)
    list(generate_step(PROMPT, wide, max_tokens=2, prompt_cache=cache))
    quantised = [one.to_quantized(group_size=32, bits=8) for one in cache]
    bring([*cache, *quantised, *make_prompt_cache(wide)], torch.device("meta"))
    assert all(one.keys.is_meta and one.values.is_meta for one in cache)
    assert all(part.is_meta for one in quantised for part in (*one.keys, *one.values))
