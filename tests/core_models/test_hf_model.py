"""Other architectures run through transformers' modules in the same loop, with our caches."""

from __future__ import annotations

import copy
import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("transformers", reason="needs transformers (the extra full)")

import torch
import transformers
from peak import measured_peak
from tiny import SENTENCES, tiny_model, tiny_tokenizer

from core.models.generation import generate, generate_step
from core.models.hf_model import HFModel
from core.models.kv_cache import KVCache
from core.models.loading import LoadOptions, load_model
from core.models.prompt_cache import load_prompt_cache, make_prompt_cache, save_prompt_cache, trim_prompt_cache
from core.models.speculative import speculative_generate_step
from core.models.tokenizer import load_tokenizer
from core.utils.errors import InferenceError, ModelLoadError, ModelTooLargeError

CONFIGS: dict[str, Any] = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=384, n_positions=128, n_embd=64, n_layer=2, n_head=4, initializer_range=0.3
    ),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(
        vocab_size=384, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=128, initializer_range=0.3,
    ),
    "mistral with a window": lambda: transformers.MistralConfig(
        vocab_size=384, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=128, sliding_window=16, initializer_range=0.3,
    ),
}  # fmt: skip
PROMPT = [5, 9, 77, 300, 2, 41, 8, 130, 12]


def made(kind: str, folder: Path) -> tuple[Path, Any]:
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(CONFIGS[kind]()).eval()
    network.save_pretrained(folder)
    tiny_tokenizer(folder)
    return folder, network


@pytest.mark.parametrize("kind", CONFIGS)
def test_greedy_tokens_are_those_of_transformers(kind: str, tmp_path: Path):
    folder, network = made(kind, tmp_path / "model")
    model, _ = load_model(folder)
    assert isinstance(model, HFModel)
    out = network.generate(
        torch.tensor([PROMPT]), do_sample=False, max_new_tokens=50, eos_token_id=None, pad_token_id=0
    )
    found = [token for token, _ in generate_step(PROMPT, model, max_tokens=50, prefill_step_size=3)]
    assert found == out[0, len(PROMPT) :].tolist()


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox"])
def test_caches_are_trimmed_kept_and_quantised(kind: str, tmp_path: Path):
    model, _ = load_model(made(kind, tmp_path / "model")[0])
    expected = [token for token, _ in generate_step(PROMPT, model, max_tokens=8)]
    cache = make_prompt_cache(model)
    list(generate_step([*PROMPT[:6], 99, 98], model, max_tokens=0, prompt_cache=cache))
    assert trim_prompt_cache(cache, cache[0].offset - 6) > 0
    save_prompt_cache(tmp_path / "cache.safetensors", cache)
    loaded = load_prompt_cache(tmp_path / "cache.safetensors")
    assert [token for token, _ in generate_step(PROMPT[6:], model, max_tokens=8, prompt_cache=loaded)] == expected
    arguments: dict[str, Any] = {"kv_bits": 8, "kv_group_size": 32, "quantized_kv_start": 0}
    if kind == "gpt2":
        with pytest.raises(ValueError, match="32 does not divide a head of 16; none does: leave kv_bits out"):
            list(generate_step(PROMPT, model, max_tokens=8, **arguments))


def test_a_bounded_cache_computes_what_our_own_decoder_does(tmp_path: Path):
    folder = tiny_model(tmp_path / "model", "llama")
    ours, _ = load_model(folder)
    theirs = HFModel(transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval())
    for arguments in ({"max_kv_size": 12}, {"max_kv_size": 12, "prefill_step_size": 4}, {}):
        expected = list(generate_step(PROMPT * 3, ours, max_tokens=20, **arguments))
        found = list(generate_step(PROMPT * 3, theirs, max_tokens=20, **arguments))
        assert [token for token, _ in found] == [token for token, _ in expected]


def test_drafts_and_texts(tmp_path: Path):
    folder, _ = made("gpt2", tmp_path / "model")
    model, _ = load_model(folder)
    expected = [token for token, _ in generate_step(PROMPT, model, max_tokens=10)]
    assert [token for token, *_ in speculative_generate_step(PROMPT, model, model, max_tokens=10)] == expected
    tokenizer = load_tokenizer(folder)
    text = generate(model, tokenizer, SENTENCES[0], max_tokens=5)
    assert text == generate(model, tokenizer, SENTENCES[0], max_tokens=5)
    embeddings = model.embed(torch.tensor([PROMPT]))[0].clone()
    assert [t for t, _ in generate_step([], model, max_tokens=10, input_embeddings=embeddings)] == expected


def test_a_table_of_positions_ends_somewhere(tmp_path: Path):
    model, _ = load_model(made("gpt2", tmp_path / "model")[0])
    with pytest.raises(InferenceError, match="longer than the 128 tokens"):
        next(generate_step([5] * 129, model))
    with pytest.raises(InferenceError, match="no more than 128 positions"):
        list(generate_step([5] * 120, model, max_tokens=20))


@pytest.mark.parametrize(("kept", "asked"), [("bfloat16", "float32"), ("float32", "bfloat16"), ("float16", "float16")])
def test_weights_come_in_the_type_asked_for(kept: str, asked: Any, tmp_path: Path):
    folder, network = made("gpt_neox", tmp_path / "model")
    network.to(getattr(torch, kept)).save_pretrained(folder)
    model, _ = load_model(folder, LoadOptions(precision=asked))
    expected = dict(network.named_parameters())
    for name, parameter in model.network.named_parameters():
        assert parameter.dtype == getattr(torch, asked)
        assert torch.equal(parameter, expected[name].to(parameter.dtype))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_holds_the_model_once(tmp_path: Path):
    for name, size, layers in (("warm", 64, 1), ("large", 768, 4)):
        config = transformers.GPTNeoXConfig(
            vocab_size=20000,
            hidden_size=size,
            num_hidden_layers=layers,
            num_attention_heads=8,
            intermediate_size=4 * size,
        )
        transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(tmp_path / name)
    ratio, size_mb = measured_peak(tmp_path, "float32")
    assert size_mb > 200
    assert ratio <= 1.25


def test_packed_precision_becomes_bfloat16_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder, _ = made("gpt_neox", tmp_path / "model")
    with caplog.at_level(logging.WARNING):
        model, _ = load_model(folder, LoadOptions(precision="int4"))
    assert model.dtype == torch.bfloat16
    assert "stay in bfloat16" in caplog.text


def test_a_model_that_memory_does_not_hold_is_refused(tmp_path: Path):
    folder, _ = made("gpt2", tmp_path / "model")
    size = (folder / "model.safetensors").stat().st_size
    load_model(folder, LoadOptions(memory_bytes=2 * size))
    with pytest.raises(ModelTooLargeError, match="set the precision to bfloat16"):
        load_model(folder, LoadOptions(memory_bytes=size))
    with pytest.raises(ModelTooLargeError, match="as float16: take a smaller one"):
        load_model(folder, LoadOptions(memory_bytes=1000, precision="int4"))


def test_what_transformers_does_not_know_or_have_is_told(tmp_path: Path):
    folder, _ = made("gpt2", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_layer": 3}))
    with pytest.raises(ModelLoadError, match="tensors are missing"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "nonsense"}))
    with pytest.raises(ModelLoadError, match="transformers cannot load 'nonsense'"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps(config | {"n_embd": 32}))
    with pytest.raises(ModelLoadError):
        load_model(folder)


STATES = {
    "mamba": lambda: transformers.MambaConfig(vocab_size=384, hidden_size=32, num_hidden_layers=2, state_size=4),
    "lfm2": lambda: transformers.Lfm2Config(
        vocab_size=384, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, full_attn_idxs=[1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STATES)
def test_a_model_that_keeps_a_state_goes_on_from_it_and_takes_nothing_back(kind: str, tmp_path: Path):
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(STATES[kind]()).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    network.save_pretrained(tmp_path / kind)
    model, _ = load_model(tmp_path / kind)
    prompt = [5, 9, 77, 300, 2, 41, 88]
    text = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(6):
            text = torch.cat([text, network(input_ids=text, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
    expected = text[0, len(prompt) :].tolist()
    assert [token for token, _ in generate_step(prompt, model, max_tokens=6, prefill_step_size=3)] == expected
    cache = make_prompt_cache(model, max_kv_size=8)
    list(generate_step(prompt[:4], model, max_tokens=0, prompt_cache=cache))
    stored = copy.deepcopy(cache)
    assert [token for token, _ in generate_step(prompt[4:], model, max_tokens=6, prompt_cache=cache)] == expected
    assert [token for token, _ in generate_step(prompt[4:], model, max_tokens=6, prompt_cache=stored)] == expected
    assert (cache[0].offset, cache[1].size(), trim_prompt_cache(cache, 2)) == (13, 13, 0)
    assert sum(one.nbytes for one in cache) > 0
    with pytest.raises(ValueError, match="takes tokens back, which a StateCache cannot"):
        next(speculative_generate_step(prompt, model, model))
    with pytest.raises(ValueError, match="make one with make_prompt_cache"):
        next(generate_step(prompt, model, prompt_cache=[KVCache() for _ in model.layers]))


def test_a_state_that_cannot_be_given_back_is_refused(tmp_path: Path):
    config = transformers.RwkvConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2, attention_hidden_size=16)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "rwkv")
    with pytest.raises(ModelLoadError, match="keeps a state that it cannot be given back"):
        load_model(tmp_path / "rwkv")
