"""The fused CPU engine against the decoder's own modules, and against itself in other pieces."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("numba", reason="needs numba (the extra full)")

from core.models.configuration import DecoderConfig  # noqa: E402
from core.models.decoder import Decoder  # noqa: E402
from core.models.fused import ROWS, FusedDecoder, obstacle  # noqa: E402
from core.models.kv_cache import KVCache  # noqa: E402
from core.models.packed_linear import PackedEmbedding, PackedLinear  # noqa: E402

VOCAB = 515
FAMILIES = ("qwen2", "qwen3", "llama")


def decoder(family: str, dtype: torch.dtype = torch.float32, **changed: object) -> Decoder:
    config = {
        "model_type": family, "hidden_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
        "num_hidden_layers": 3, "intermediate_size": 256, "vocab_size": VOCAB, "tie_word_embeddings": family != "llama",
    }  # fmt: skip
    made = Decoder(DecoderConfig.from_dict(config | changed))
    seed = torch.Generator().manual_seed(1)
    for name, parameter in made.named_parameters():
        parameter.requires_grad_(False)
        parameter.copy_(torch.randn(parameter.shape, generator=seed) * 0.1 + ("norm" in name))
    return made.to(dtype).eval()


def packed(family: str, bits: int) -> Decoder:
    made = decoder(family)
    for name, module in list(made.named_modules()):
        if isinstance(module, torch.nn.Linear):
            path, _, leaf = name.rpartition(".")
            setattr(made.get_submodule(path), leaf, PackedLinear.from_float(module.weight, module.bias, bits))
    table = PackedLinear.from_float(made.model.embed_tokens.weight, None, bits)
    made.model.embed_tokens = PackedEmbedding(table)
    made.lm_head = made.lm_head or table
    return made


def tokens(count: int) -> torch.Tensor:
    return torch.randint(0, VOCAB, (count,), generator=torch.Generator().manual_seed(count))


def in_pieces(made: Decoder, text: torch.Tensor, ends: list[int]) -> torch.Tensor:
    """Logits of every token by the fused engine, the text given in pieces."""
    engine, caches, found = FusedDecoder(made), [KVCache() for _ in made.layers], []
    for first, last in pairwise([0, *ends]):
        assert engine.prepare(caches, last - first)
        found.append(engine.forward(text[first:last], caches, "all"))
    assert all(one.offset == ends[-1] for one in caches)
    return torch.cat(found)


def by_modules(made: Decoder, text: torch.Tensor) -> torch.Tensor:
    return made(text.unsqueeze(0), [KVCache() for _ in made.layers])[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_float_weights_give_the_modules_logits(family):
    made, text = decoder(family), tokens(12)
    assert torch.allclose(in_pieces(made, text, list(range(1, 13))), by_modules(made, text), atol=1e-4)


def test_bfloat16_weights_are_computed_with_in_float32():
    made, text = decoder("qwen2", torch.bfloat16), tokens(9)
    assert torch.allclose(in_pieces(made, text, [4, 9]), by_modules(made.float(), text), atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [4, 8])
def test_packed_weights_give_the_modules_logits(family, bits):
    """Both round activations to int8; a last bit of a norm may turn one rounding, hence the tolerance."""
    made, text = packed(family, bits), tokens(20)
    fused, modules = in_pieces(made, text, [20]), by_modules(made, text)
    assert (fused - modules).norm() / modules.norm() < 0.01


@pytest.mark.parametrize("bits", [4, 8])
@settings(max_examples=15, deadline=None)
@given(ends=st.sets(st.integers(1, 39)))
def test_however_a_text_is_cut_the_logits_are_the_same_to_the_bit(bits, ends):
    made, text = CUT[bits], tokens(40)
    assert torch.equal(in_pieces(made, text, [*sorted(ends), 40]), WHOLE[bits])


CUT = {bits: packed("qwen3", bits) for bits in (4, 8)}
WHOLE = {bits: in_pieces(CUT[bits], tokens(40), [40]) for bits in (4, 8)}


def test_a_text_longer_than_one_pass():
    count = ROWS + 44
    whole = in_pieces(CUT[4], tokens(count), [count])
    assert torch.equal(in_pieces(CUT[4], tokens(count), [1, 200, count]), whole)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_do_not_change_a_bit(threads):
    torch.set_num_threads(threads)
    for _ in range(10):
        assert torch.equal(in_pieces(CUT[4], tokens(40), [30, *range(31, 41)]), WHOLE[4])


CROWDED = """
import threading, torch
import numpy as np
import test_fused as fused
stop = threading.Event()
def allocate():
    while not stop.is_set():
        np.full(4160, 7, np.uint8) + 1
for _ in range(3):
    threading.Thread(target=allocate, daemon=True).start()
for n in range(60):
    torch.set_num_threads(2 + n % 4)
    assert torch.equal(fused.in_pieces(fused.CUT[4], fused.tokens(40), [30, 40]), fused.WHOLE[4]), n
stop.set()
"""


def test_threads_that_share_one_heap_do_not_disturb_each_other():
    """Scratch memory that a kernel gave back too early was another thread's at once, seen in one run of hundreds."""
    here = Path(__file__).resolve()
    environment = os.environ | {"MALLOC_ARENA_MAX": "1", "PYTHONPATH": f"{here.parent}{os.pathsep}{here.parents[2]}"}
    done = subprocess.run([sys.executable, "-c", CROWDED], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_only_the_logits_that_are_wanted_are_computed():
    engine, caches, text = FusedDecoder(CUT[8]), [KVCache() for _ in CUT[8].layers], tokens(40)
    engine.prepare(caches, 40)
    assert engine.forward(text[:30], caches, "none") is None
    last = engine.forward(text[30:], caches, "last")
    assert torch.equal(last, WHOLE[8][-1:])


def test_a_cache_that_was_cut_back_goes_on_as_if_it_had_not_been():
    engine, caches, text = FusedDecoder(CUT[4]), [KVCache() for _ in CUT[4].layers], tokens(40)
    engine.prepare(caches, 40)
    engine.forward(torch.cat((text[:10], text[:10])), caches)
    for one in caches:
        one.trim(10)
    assert torch.equal(engine.forward(text[10:], caches, "all"), WHOLE[4][10:])


def test_what_is_no_number_reaches_the_logits():
    made = packed("qwen2", 4)
    made.layers[1].input_layernorm.weight[5] = float("nan")
    assert torch.isnan(in_pieces(made, tokens(3), [3])).all()


def test_a_model_it_does_not_run_is_named_with_the_reason():
    odd = decoder("llama", head_dim=16)
    assert "multiples of 32" in obstacle(odd)
    with pytest.raises(ValueError, match="multiples of 32"):
        FusedDecoder(odd)
    assert "float16" in obstacle(decoder("llama", torch.float16))


def test_caches_of_another_type_become_float32():
    made = packed("qwen2", 4)
    half = [KVCache() for _ in made.layers]
    filled = torch.full((1, 2, 3, 32), 0.5, dtype=torch.bfloat16)
    for one in half:
        one.update_and_fetch(filled, filled)
    assert FusedDecoder(made).prepare(half, 1)
    for one in half:
        for held in (one.keys, one.values):
            assert held.dtype == torch.float32
            assert torch.equal(held[:, :, :3], filled.float())
