"""The language model on a real card: what it computes there is what the CPU computes, in float32, to the token."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from tiny import SENTENCES, tiny_model

from core.models.batch import batch_generate
from core.models.cuda_graph import WAYS, GraphedDecoder
from core.models.generation import generate_step, stream_generate
from core.models.loading import LoadOptions, load_model, to_cpu
from core.models.prompt_cache import (
    load_prompt_cache,
    make_prompt_cache,
    save_prompt_cache,
    trim_prompt_cache,
)
from core.models.sampling import make_logits_processors, make_sampler
from core.models.speculative import speculative_generate_step
from core.models.tokenizer import load_tokenizer
from core.utils.errors import InferenceError

pytestmark = pytest.mark.gpu

ON_CPU = LoadOptions(fused=False)
"""what is computed on the card is compared with: torch's own kernels, which take no time to compile"""
PROMPT = [5, 9, 77, 300, 2, 41, 8]
FAMILIES = ("qwen2", "qwen3", "llama", "smollm3")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    at = tmp_path_factory.mktemp("models")
    return {family: tiny_model(at / family, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def pair(folders: dict[str, Path]) -> tuple[Any, Any]:
    """The same Qwen3 on the CPU and on the card."""
    return load_model(folders["qwen3"], ON_CPU)[0], load_model(folders["qwen3"], LoadOptions(device="cuda"))[0]


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels for the CPU are not what is tried here, and take long to compile."""
    for module in ("quantize", "packed_linear"):
        monkeypatch.setattr(f"core.models.{module}.has_kernels", lambda: False)


@pytest.fixture
def little_memory() -> Iterator[Any]:
    """A function that leaves this process so many bytes of the card more than it has now."""
    whole = torch.cuda.get_device_properties(0).total_memory

    def leave(count: int) -> None:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + count) / whole)

    yield leave
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def written(model: Any, prompt: Any = PROMPT, count: int = 40, **options: Any) -> list[int]:
    return [token for token, _ in generate_step(prompt, model, max_tokens=count, **options)]


def best_way() -> str:
    """What a graph should record on this card."""
    return WAYS[0] if torch.cuda.get_device_capability() >= (9, 0) else WAYS[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_and_log_probabilities_are_the_cpus(folders: dict[str, Path], family: str):
    here, _ = load_model(folders[family], ON_CPU)
    there, _ = load_model(folders[family], LoadOptions(device="cuda"))
    expected = list(generate_step(PROMPT, here, max_tokens=200))
    found = list(generate_step(PROMPT, there, max_tokens=200))
    assert there.fused.way == best_way()
    assert [token for token, _ in found] == [token for token, _ in expected]
    for (_, ours), (_, theirs) in zip(found, expected, strict=True):
        assert torch.allclose(ours.cpu(), theirs, atol=1e-3)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_a_graph_is_the_eager_one(folders: dict[str, Path], way: str):
    if way == WAYS[0] and best_way() != way:
        pytest.skip("the card is too old to launch ahead")
    eager, _ = load_model(folders["llama"], LoadOptions(device="cuda", fused=False))
    graphed, _ = load_model(folders["llama"], LoadOptions(device="cuda", fused=False))
    tiles = None
    if way == WAYS[1]:
        from core.models.cuda_step import WIDE

        tiles = WIDE  # the other ways have those of small models
    graphed.fused = GraphedDecoder(graphed, ways=[way], tiles=tiles)
    assert written(graphed, count=200) == written(eager, count=200)
    assert graphed.fused.way == way


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_agrees_along_the_same_text(folders: dict[str, Path], precision: Any):
    eager, _ = load_model(folders["qwen2"], LoadOptions(device="cuda", precision=precision, fused=False))
    graphed, _ = load_model(folders["qwen2"], LoadOptions(device="cuda", precision=precision))
    caches = make_prompt_cache(eager), make_prompt_cache(graphed)
    text = torch.tensor([PROMPT * 8])
    for model, cache in zip((eager, graphed), caches, strict=True):
        model(text, cache=cache, logits="none")
    for token in written(eager, count=30):
        one = torch.tensor([[token]])
        expected, found = (m(one, cache=c, logits="last") for m, c in zip((eager, graphed), caches, strict=True))
        assert float((found - expected).norm() / expected.norm()) < 0.05
    assert graphed.fused.way == best_way()


def test_weights_go_to_the_card_one_by_one(tmp_path: Path):
    dims = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 6, "head_dim": 64, "vocab_size": 8000}
    folder = tiny_model(tmp_path / "model", "llama", num_attention_heads=8, dtype=torch.bfloat16, **dims)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    model, _ = load_model(folder, LoadOptions(device="cuda", precision="bfloat16"))
    size = sum(parameter.nbytes for parameter in model.parameters())
    assert torch.cuda.max_memory_allocated() - before < 1.05 * size + 2**20


def test_a_cache_grows_past_its_room(pair: tuple[Any, Any]):
    here, there = pair
    long = torch.randint(0, 384, (1000,), generator=torch.Generator().manual_seed(1)).tolist()
    cache = make_prompt_cache(there)
    assert written(there, long, 60, prompt_cache=cache) == written(here, long, 60)
    assert cache[0].offset == 1060
    assert cache[0].keys.shape[2] == 2048
    assert cache[0].keys.is_cuda


@pytest.mark.parametrize(
    "options", [{"max_kv_size": 32}, {"kv_bits": 8, "kv_group_size": 32, "quantized_kv_start": 20}]
)
def test_bounded_and_quantised_caches(folders: dict[str, Path], tmp_path: Path, options: dict[str, Any]):
    folder = tiny_model(tmp_path / "wide", "qwen3", head_dim=32)
    here, _ = load_model(folder, ON_CPU)
    there, _ = load_model(folder, LoadOptions(device="cuda"))
    assert written(there, count=60, **options) == written(here, count=60, **options)


@pytest.mark.parametrize("kind", ["plain", "bounded", "quantised"])
def test_caches_are_trimmed_kept_and_read_again(tmp_path: Path, kind: str):
    there, _ = load_model(tiny_model(tmp_path / "wide", "qwen3", head_dim=32), LoadOptions(device="cuda"))
    cache = make_prompt_cache(there, 64 if kind == "bounded" else None)
    first = written(there, count=12, prompt_cache=cache)
    if kind == "quantised":
        cache = [one.to_quantized(group_size=32, bits=8) for one in cache]
    assert trim_prompt_cache(cache, 8) == 8
    save_prompt_cache(tmp_path / "kept.safetensors", cache)
    again = load_prompt_cache(tmp_path / "kept.safetensors")
    assert written(there, first[4:5], 7, prompt_cache=again) == first[5:]
    assert written(there, first[4:5], 7, prompt_cache=cache) == first[5:]


def test_a_cancelled_reply_leaves_the_cache_at_what_was_given(pair: tuple[Any, Any], folders: dict[str, Path]):
    _, there = pair
    tokenizer = load_tokenizer(folders["qwen3"], None, ())
    expected = written(there, count=20)
    cache = make_prompt_cache(there)
    replies = stream_generate(there, tokenizer, PROMPT, max_tokens=20, prompt_cache=cache)
    given = [next(replies).token for _ in range(6)]
    replies.close()
    assert given == expected[:6]
    assert cache[0].offset == len(PROMPT) + 6
    trim_prompt_cache(cache, 1)
    assert written(there, given[-1:], 10, prompt_cache=cache) == expected[6:16]


def test_two_texts_taken_in_turn_do_not_mix(pair: tuple[Any, Any]):
    here, there = pair
    texts = PROMPT, PROMPT[::-1]
    steps = [generate_step(text, there, max_tokens=10) for text in texts]
    mixed = list(zip(*steps, strict=True))
    for index, text in enumerate(texts):
        assert [pair[index][0] for pair in mixed] == written(here, text, 10)


def test_another_thread_may_work_on_the_card_while_a_step_is_recorded(folders: dict[str, Path]):
    here, _ = load_model(folders["qwen3"], ON_CPU)
    there, _ = load_model(folders["qwen3"], LoadOptions(device="cuda"))
    done, sums = threading.Event(), []

    def work() -> None:
        while not done.is_set():
            sums.append(float(torch.ones(1 << (10 + len(sums) % 12), device="cuda").mean()))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        texts = [written(there, PROMPT, 20) for _ in range(4)]
    finally:
        done.set()
        thread.join()
    assert texts == [written(here, PROMPT, 20)] * 4
    assert there.fused.way == best_way()
    assert set(sums) == {1.0}


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_packed_layers_compute_on_the_card(folders: dict[str, Path], precision: Any):
    here, _ = load_model(folders["qwen2"], LoadOptions(precision=precision, fused=False))
    there, _ = load_model(folders["qwen2"], LoadOptions(precision=precision, device="cuda"))
    text = torch.tensor([PROMPT * 4])
    expected, found = here(text, cache=make_prompt_cache(here)), there(text, cache=make_prompt_cache(there))
    assert float((found.cpu() - expected).norm() / expected.norm()) < 1e-3
    assert len(written(there, count=10)) == 10


def test_drafts_batches_samplers_and_processors(pair: tuple[Any, Any], folders: dict[str, Path]):
    here, there = pair
    draft, _ = load_model(folders["llama"], LoadOptions(device="cuda"))
    expected = written(here, count=30)
    drafted = speculative_generate_step(PROMPT, there, draft, max_tokens=30, num_draft_tokens=3)
    assert [token for token, _, _ in drafted] == expected
    own = speculative_generate_step(PROMPT, there, there, max_tokens=30, num_draft_tokens=3)
    assert [token for token, _, _ in own] == expected
    tokenizer = load_tokenizer(folders["qwen3"], None, ())
    prompts = [PROMPT, PROMPT[:3], PROMPT * 5]
    batch = batch_generate(there, tokenizer, prompts, max_tokens=20, return_token_ids=True)
    assert batch.token_ids == [written(here, prompt, 20) for prompt in prompts]
    sampled = written(there, count=12, sampler=make_sampler(temp=0.8, top_p=0.9, top_k=40, min_p=0.01))
    assert all(0 <= token < 384 for token in sampled)
    options = {"logits_processors": make_logits_processors({5: -3.0}, repetition_penalty=1.3)}
    assert written(there, count=30, **options) == written(here, count=30, **options)


def test_texts_through_the_tokenizer(pair: tuple[Any, Any], folders: dict[str, Path]):
    here, there = pair
    tokenizer = load_tokenizer(folders["qwen3"], None, ())
    texts = [[one.text for one in stream_generate(m, tokenizer, SENTENCES[0], max_tokens=25)] for m in (here, there)]
    assert texts[0] == texts[1]


def test_weights_that_are_no_numbers_are_told(folders: dict[str, Path]):
    there, _ = load_model(folders["llama"], LoadOptions(device="cuda"))
    there.model.norm.weight[3] = float("nan")
    with pytest.raises(InferenceError, match="computed no numbers"):
        written(there, count=5)
    good, _ = load_model(folders["llama"], LoadOptions(device="cuda"))
    steps = generate_step(PROMPT, good, max_tokens=9)
    next(steps)
    good.model.layers[0].mlp.down_proj.weight.fill_(float("inf"))
    with pytest.raises(InferenceError, match="computed no numbers"):
        list(steps)


def test_a_card_without_room_for_the_weights_is_left_for_the_cpu(
    folders: dict[str, Path], tmp_path: Path, little_memory: Any, caplog: pytest.LogCaptureFixture
):
    dims = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 4, "head_dim": 64, "vocab_size": 8000}
    folder = tiny_model(tmp_path / "model", "llama", num_attention_heads=8, **dims)
    little_memory(12 * 2**20)
    with caplog.at_level(logging.WARNING):
        model, _ = load_model(folder, LoadOptions(device="cuda", fused=False))
    assert model.device.type == "cpu"
    assert "does not fit on cuda as float32" in caplog.text
    assert "it runs on the CPU instead" in caplog.text
    assert len(written(model, count=5)) == 5


@pytest.mark.usefixtures("without_numba")
def test_a_card_that_fills_up_ends_the_reply_and_the_model_can_leave_it(folders: dict[str, Path], little_memory: Any):
    there, _ = load_model(folders["llama"], LoadOptions(device="cuda"))
    expected = written(there, count=20)
    long = torch.randint(0, 384, (1900,), generator=torch.Generator().manual_seed(2)).tolist()
    little_memory(2**20)
    caches: list[Any] = []
    with pytest.raises(InferenceError, match="the GPU has no memory left"):
        fill(there, long, caches)
    caches.clear()
    to_cpu(there)
    assert there.device.type == "cpu"
    assert written(there, count=20) == expected


def fill(model: Any, prompt: list[int], caches: list[Any]) -> None:
    """Read a prompt again and again into caches that stay."""
    for _ in range(64):
        caches.append(make_prompt_cache(model))
        written(model, prompt, 3, prompt_cache=caches[-1])
