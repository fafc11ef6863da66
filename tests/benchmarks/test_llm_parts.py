"""What `bench llm` measures with: models of the shapes that it says, the same weights on every side, and its ratios."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.llm_parts import byte_model, engines, latency, quality, speed
from benchmarks.llm_parts.gguf_file import llama_name
from benchmarks.llm_parts.llama2c import MODEL, VOCABULARY, convert
from benchmarks.llm_parts.qwen import SHAPE, prompt_tokens, read_weights, tensor_shapes, write_model
from core.models.tokenizer import load_tokenizer

TINY = {
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 96,
    "vocab_size": 160,
}


def test_the_shape_is_qwens_as_transformers_builds_it() -> None:
    from transformers import AutoModelForCausalLM, Qwen2Config

    shape = SHAPE | {"num_hidden_layers": 2, "max_window_layers": 2}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(Qwen2Config(**shape))
    expected = {name: tuple(one.shape) for name, one in model.named_parameters()}
    assert dict(tensor_shapes(shape)) == expected
    assert read_weights(shape) == sum(one.numel() for one in model.parameters() if one.ndim == 2)


def test_a_written_model_is_read_by_ours_and_by_transformers_with_the_same_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path / "home"))
    write_model(tmp_path, SHAPE | TINY)
    sides = [engines.Ours(tmp_path, "float32"), engines.Transformers(tmp_path, "float32")]
    prompt = [token % TINY["vocab_size"] for token in prompt_tokens(12)]
    written = [side.decode(prompt, 6) for side in sides]
    assert written[0].tokens == written[1].tokens
    assert all(len(one.tokens) == 6 and one.seconds > 0 for one in written)
    for side in sides:
        side.prefill(prompt)


def test_tensors_have_llama_cpps_names() -> None:
    assert llama_name("model.embed_tokens.weight") == "token_embd.weight"
    assert llama_name("model.layers.12.self_attn.q_proj.bias") == "blk.12.attn_q.bias"
    assert llama_name("model.layers.0.post_attention_layernorm.weight") == "blk.0.ffn_norm.weight"
    assert len({llama_name(name) for name, _ in tensor_shapes(SHAPE)}) == len(dict(tensor_shapes(SHAPE)))


class _Scripted:
    """An engine that takes as long as it is told."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = name, seconds

    def decode(self, prompt: Any, count: int) -> engines.Decoded:
        return engines.Decoded(tuple(range(count)), self.seconds)

    def prefill(self, prompt: Any) -> None:
        """At once."""


def test_each_precision_is_held_against_transformers_and_against_llama_cpp_at_its_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "SETTLE_S", 0.0)
    monkeypatch.setattr(speed, "measured_bandwidth", lambda: 10e9)
    scripted = [
        _Scripted("float32", 0.1),
        _Scripted("int4", 0.02),
        _Scripted("transformers float32", 0.1),
        _Scripted("llama.cpp Q4_0", 0.025),
        _Scripted("llama.cpp Q8_0", 0.04),
    ]
    found = {figure.name: figure for figure in speed.decode_figures({one.name: one for one in scripted})}
    assert found["decode int4 / transformers float32"].value == pytest.approx(5.0)
    assert found["decode int4 / transformers float32"].ok
    assert found["decode float32 / transformers float32"].ok is False
    assert found["decode int4 / llama.cpp Q4_0"].value == pytest.approx(1.25)
    assert found["decode float32: same tokens as transformers"].value == 100
    in_eight = 151936 * 896 + 24 * 2 * 128 * 896  # the output head; keys and values
    read = (493961216 - in_eight) * 4.5 / 8 + in_eight * 8.5 / 8
    assert found["decode int4: share of bandwidth"].value == pytest.approx(100 * 50 * read / 10e9)
    assert not any("int8" in name for name in found)
    named = {figure.name for figure in speed.prefill_figures({one.name: one for one in scripted})}
    assert {"prefill int4 / transformers float32", "prefill int4 / llama.cpp Q4_0"} <= named


def test_of_an_engines_rounds_the_fastest_counts_and_the_first_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "SETTLE_S", 0.0)
    given = iter([0.1, 0.5, 0.3, 0.4])
    assert engines.take_turns([_Scripted("one", 0)], 3, lambda _: next(given)) == {"one": 0.3}


def test_modules_are_read_or_held_out_never_both(tmp_path: Path) -> None:
    for n in range(60):
        (tmp_path / f"module{n}.py").write_text(f'"""Module number {n} of the library."""', encoding="utf-8")
    (tmp_path / "broken.py").write_text("def (", encoding="utf-8")
    read, held = (byte_model.texts(held_out, tmp_path).decode().split("\n\n") for held_out in (False, True))
    assert len(read) > 4 * len(held) > 0
    assert sorted(read + held) == sorted(f"Module number {n} of the library." for n in range(60))


def test_perplexity_of_a_model_that_knows_nothing_is_its_vocabulary(tmp_path: Path) -> None:
    write_model(tmp_path, SHAPE | TINY)
    model = quality.loaded(tmp_path, "float32")
    model.model.embed_tokens.weight.zero_()
    assert quality.perplexity(model, [[1, 2, 3], [4, 5]]) == pytest.approx(TINY["vocab_size"])


def test_a_llama2c_file_computes_as_it_is_defined(tmp_path: Path) -> None:
    """Query and key turn neighbouring rows in that format, halves in Hugging Face's."""
    numbers = np.random.default_rng(0)
    width, inner, heads, vocabulary = 16, 20, 2, 300
    sizes = [(vocabulary, width), (width,), *[(width, width)] * 4, (width,)]
    sizes += [(inner, width), (width, inner), (inner, width), (width,)]
    values = [numbers.normal(0, 0.3, size).astype("<f4") for size in sizes]
    header = struct.pack("<7i", width, inner, 1, heads, heads, vocabulary, 32)
    (tmp_path / "model.bin").write_bytes(header + b"".join(value.tobytes() for value in values))
    pieces = [(b"x", 0.0)] * 3 + [(b"<0x%02X>" % byte, 0.0) for byte in range(256)]
    pieces += [(b"%d" % n, -float(n)) for n in range(vocabulary - len(pieces))]
    (tmp_path / "words.bin").write_bytes(
        struct.pack("<i", 9) + b"".join(struct.pack("<fi", score, len(text)) + text for text, score in pieces)
    )
    folder = convert(tmp_path / "model.bin", tmp_path / "words.bin", tmp_path / "folder")
    assert json.loads((folder / "config.json").read_text())["intermediate_size"] == 32
    model = quality.loaded(folder, "float32")
    tokens = [1, 270, 280, 290]
    with torch.inference_mode():
        found = model(torch.tensor([tokens]), logits="last")[0, -1].numpy()
    np.testing.assert_allclose(found, _by_definition(values, tokens, heads), atol=1e-4)


def _by_definition(values: list[Any], tokens: list[int], heads: int) -> Any:
    """One layer of llama2.c's network, written out."""
    table, norm, wq, wk, wv, wo, inner_norm, gate, down, up, last_norm = values
    size = table.shape[1] // heads

    def normed(x: Any, weight: Any) -> Any:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight

    def turned(x: Any) -> Any:
        pairs = x.reshape(len(x), heads, size // 2, 2)
        angle = np.arange(len(x))[:, None] * 10000.0 ** (-np.arange(0, size, 2) / size)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        first, second = pairs[..., 0], pairs[..., 1]
        return np.stack((first * cos - second * sin, first * sin + second * cos), -1).reshape(len(x), heads, size)

    x = table[tokens]
    given = normed(x, norm)
    q, k, v = turned(given @ wq.T), turned(given @ wk.T), (given @ wv.T).reshape(len(x), heads, size)
    scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(size) + np.triu(np.full((len(x),) * 2, -np.inf), 1)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    x = x + np.einsum("hij,jhd->ihd", weights, v).reshape(len(x), -1) @ wo.T
    given = normed(x, inner_norm)
    opened = given @ gate.T
    x = x + (opened / (1 + np.exp(-opened)) * (given @ up.T)) @ down.T
    return normed(x[-1], last_norm) @ table.T


@pytest.mark.skipif(not MODEL.exists(), reason="the model of 260 thousand weights is not under MERLINE_ASSETS")
def test_the_trained_model_tells_a_story(tmp_path: Path) -> None:
    from core.models.generation import generate

    folder = convert(MODEL, VOCABULARY, tmp_path)
    tokenizer = load_tokenizer(folder)
    told = generate(
        quality.loaded(folder, "float32"), tokenizer, [1, *tokenizer.encode("Once upon a time")], max_tokens=30
    )
    assert told.strip().startswith(", there was a little girl named Lily.")


class Prepared:
    """In the place of the model: a reply's first token takes a second for each word that was not prepared."""

    def answer(self, words: str, parts: Any) -> tuple[float, float]:
        known = max((text for text, _ in parts if words.startswith(text)), key=len, default="")
        return float(len(words.split()) - len(known.split())), float(len(parts))


def test_words_are_prepared_as_they_were_heard_and_the_target_is_of_what_the_assistant_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoken = tuple(
        latency.Words(*one) for one in (("what", 0), ("what it", 4), ("what is it", 4), ("what is it new", 10))
    )
    heard = latency.Heard(spoken, latency.Words("what is it now", 14), "what is it now")
    assert heard.stable == ("what", "what is it")
    monkeypatch.setattr(latency, "_Prepared", lambda model: Prepared())
    figures = {figure.name: figure for figure in latency.partial_figures(None, [heard])}
    ratios = {way: figures[f"first token, prepared: {way} / nothing"] for way in latency.WAYS if way != "nothing"}
    assert [figure.value for figure in ratios.values()] == [0.25, 0.25, 0.0]
    assert [figure.target for figure in ratios.values()] == [None, 0.3, 0.3]
    assert figures["stable before the end, of 4 spoken words"].value == 75.0
