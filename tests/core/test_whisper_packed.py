"""The decoder of openai-whisper in int8: close to the float32 one, and beside it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("whisper", reason="needs openai-whisper (the extra full)")

import torch
import whisper

from core.utils.whisper.packed import PackedLinear, packed

DIMS = whisper.ModelDimensions(80, 20, 32, 2, 1, 300, 12, 32, 2, 2)


@pytest.mark.parametrize("rows", [1, 3])
def test_few_rows_are_multiplied_in_int8(rows: int):
    torch.manual_seed(1)
    weight, bias, x = torch.randn(96, 64), torch.randn(96), torch.randn(2, rows, 64)
    exact = torch.nn.functional.linear(x, weight, bias)
    found = PackedLinear(weight, bias)(x)
    assert found.shape == exact.shape
    assert found.dtype == torch.float32
    assert 0 < float((found - exact).norm() / exact.norm()) < 0.02


def test_many_rows_are_multiplied_as_they_are():
    weight, x = torch.randn(96, 64), torch.randn(1, 20, 64)
    assert torch.equal(PackedLinear(weight)(x), torch.nn.functional.linear(x, weight))


def test_a_row_of_zeros_gives_zeros():
    assert torch.equal(PackedLinear(torch.zeros(16, 32))(torch.ones(1, 32)), torch.zeros(1, 16))


def test_the_decoder_itself_stays_and_its_weights_are_shared():
    decoder = whisper.model.TextDecoder(DIMS.n_vocab, DIMS.n_text_ctx, DIMS.n_text_state, DIMS.n_text_head, 2).eval()
    torch.nn.init.normal_(decoder.positional_embedding)
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    twin = packed(decoder)
    assert twin.token_embedding.weight is decoder.token_embedding.weight
    assert isinstance(twin.blocks[1].mlp[2], PackedLinear)
    assert isinstance(twin.blocks[1].cross_attn.key, torch.nn.Linear)
    assert isinstance(decoder.blocks[1].mlp[2], torch.nn.Linear)
    with torch.inference_mode():
        tokens, sound = torch.tensor([[5, 7, 11]]), torch.randn(1, 20, DIMS.n_text_state)
        exact, found = decoder(tokens, sound), twin(tokens, sound)
    assert float((found - exact).norm() / exact.norm()) < 0.03
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())
