"""Gated channels and grouped heads that are really gone from Llama-like blocks."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from torch import Tensor, nn

from core.models.configuration import DecoderConfig
from core.models.decoder import Decoder
from core.optimization.toolbox.pruned_files import load_pruned, save_pruned
from core.optimization.toolbox.structured_pruning import StructuredPruner
from core.utils.errors import OptimizationError

transformers: Any = pytest.importorskip("transformers", reason="needs transformers (the extra full)")
IDS = torch.arange(12).view(1, -1)


def llama(heads: int = 4, kv_heads: int = 4) -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=48, intermediate_size=48, num_hidden_layers=2, num_attention_heads=heads,
        num_key_value_heads=kv_heads, head_dim=8, tie_word_embeddings=True, attention_bias=True,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def decoder() -> Decoder:
    told = llama(4, 2).config.to_dict() | {"model_type": "llama", "rope_theta": 10000.0, "attention_bias": False}
    torch.manual_seed(0)
    made = Decoder(replace(DecoderConfig.from_dict(told), qkv_bias=True)).eval()
    for weight in made.parameters():
        weight.data = torch.randn_like(weight) * 0.2
    return made


@torch.no_grad()
def silence(model: nn.Module, channels: list[int], heads: list[int]) -> None:
    """Those give nothing: their up rows are zero, and what reads the heads does not look at them."""
    for block in model.get_submodule("model.layers"):
        block.mlp.up_proj.weight[channels] = 0
        for head in heads:
            block.self_attn.o_proj.weight[:, 8 * head : 8 * head + 8] = 0


def logits(model: nn.Module, ids: Tensor = IDS) -> Tensor:
    with torch.no_grad():
        out = model(ids)
    return out if isinstance(out, Tensor) else out.logits


@pytest.mark.parametrize(
    ("make", "ratio", "silent_heads", "heads", "kv_heads"),
    [
        (llama, 0.34, [1], 3, 3),  # each head has keys of its own
        (lambda: llama(4, 1), 0.34, [1], 3, 1),  # four queries share keys: one of them
        (lambda: llama(6, 3), 0.34, [2, 3], 4, 2),  # of three groups of two a whole one
        (decoder, 0.5, [2, 3], 2, 1),
    ],
)
def test_what_gives_nothing_goes_and_nothing_is_lost(
    make: Any, ratio: float, silent_heads: list[int], heads: int, kv_heads: int, tmp_path: Path
):
    model = make()
    silence(model, list(range(0, 48, 2)), silent_heads)
    before = copy.deepcopy(model.state_dict())
    done = StructuredPruner().prune(model, ratio, IDS)
    smaller, want = done.model, logits(model)
    block: Any = smaller.get_submodule("model.layers.1")
    assert block.self_attn.q_proj.out_features == block.self_attn.o_proj.in_features == 8 * heads
    assert block.self_attn.k_proj.out_features == block.self_attn.v_proj.out_features == 8 * kv_heads
    assert len(block.self_attn.q_proj.bias) == 8 * heads
    assert removed(done) == round(48 * (1 - ratio))
    assert block.mlp.up_proj.out_features == block.mlp.down_proj.in_features == removed(done)
    assert torch.allclose(logits(smaller), want, atol=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert done.after_bytes < done.before_bytes
    path = tmp_path / "smaller.safetensors"
    save_pruned(smaller, path)
    again = load_pruned(path, make())
    assert torch.equal(logits(again), logits(smaller))


def removed(done: Any) -> int:
    (after,) = {one.after for one in done.removals if len(one.layers) == 3}
    return int(after)


def test_a_pruned_model_writes_text_and_its_configuration_makes_another():
    model = llama(6, 3)
    silence(model, list(range(16)), [0, 1])
    smaller: Any = StructuredPruner().prune(model, 1 / 3, IDS).model
    asked = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, "attention_mask": torch.ones_like(IDS)}
    assert torch.equal(smaller.generate(IDS, **asked), model.generate(IDS, **asked))
    again = transformers.LlamaForCausalLM(smaller.config).eval()
    again.load_state_dict(smaller.state_dict())
    assert torch.equal(logits(again), logits(smaller))
    assert model.config.num_key_value_heads == 3


def test_no_head_goes_that_was_not_asked_for_and_channels_stay_a_multiple():
    done = StructuredPruner(multiple_of=16).prune(llama(6, 3), 0.34, IDS)
    assert removed(done) == 32
    few = StructuredPruner().prune(llama(6, 3), 0.2, IDS)
    assert {len(one.layers) for one in few.removals} == {3}
    assert removed(few) == 38


class Gateless(nn.Module):
    """Its gate is no gate: channels are mixed before they are read."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(8, 16), nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj((self.gate_proj(x) * self.up_proj(x)).cumsum(dim=-1))


def test_blocks_that_compute_something_else_than_they_are_called_are_told():
    torch.manual_seed(0)
    model = nn.Sequential(Gateless()).eval()
    with pytest.raises(OptimizationError, match="compute something else than the names"):
        StructuredPruner().prune(model, 0.5, torch.randn(4, 8))
