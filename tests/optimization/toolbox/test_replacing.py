"""Which layers are replaced, wherever they stand; those that compute something else than their kind stay."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from core.optimization import ModelQuantizer, QatConfig, QuantizationConfig
from core.optimization.toolbox.artifact import load_quantized, save_quantized
from core.optimization.toolbox.int8_layers import Int8Layer
from core.optimization.toolbox.measuring import size_bytes
from core.optimization.toolbox.pruning import prune_unstructured
from core.optimization.toolbox.quality import relative_error
from core.optimization.toolbox.sensitivity import layer_costs
from core.utils.errors import OptimizationError, QuantizationError

INT8 = ("dynamic", "static", "qat", "int8_weight", "int4_weight")


def quantizer(kind: str, **more: Any) -> ModelQuantizer:
    return ModelQuantizer(QuantizationConfig(kind, qat=QatConfig(steps=2), **more))  # type: ignore[arg-type]


def off(model: nn.Module, other: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        return relative_error([other(x).float()], [model(x).float()])


class ScaledLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 10 * super().forward(x)


class ScaledEmbedding(nn.Embedding):
    """As BART, Gemma and others have it."""

    def forward(self, ids: Tensor) -> Tensor:
        return 8.0 * super().forward(ids)


class ShiftedPlaces(nn.Embedding):
    """As the places of Whisper and OPT: by length, not by what is given."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.weight[: ids.shape[1]] + 0 * ids.unsqueeze(-1)


class CastingLinear(nn.Linear):
    """As openai-whisper's: the same numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class Reflecting(nn.Conv1d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight, bias).flip(-1)


@pytest.mark.parametrize("kind", INT8)
def test_layers_that_compute_something_else_stay_and_those_that_only_say_it_otherwise_do_not(kind: str):
    torch.manual_seed(0)
    model = nn.Sequential(
        ScaledEmbedding(40, 64), CastingLinear(64, 64), ScaledLinear(64, 64), Reflecting(5, 5, 1), nn.Linear(64, 8)
    ).eval()
    ids = torch.randint(40, (3, 5))
    made = quantizer(kind)
    small = made.quantize(model, ids)
    assert off(model, small, ids) < (0.2 if kind == "int4_weight" else 0.05)
    assert made.report.quantized == ("1", "4")
    reasons = dict(made.report.left_in_float)
    assert {name for name, why in reasons.items() if "computes something else" in why} == {"0", "2", "3"}


def test_places_by_length_are_no_table_to_look_up():
    model = nn.Sequential(ShiftedPlaces(40, 64), nn.Linear(64, 8)).eval()
    ids = torch.randint(40, (3, 5))
    assert off(model, quantizer("dynamic").quantize(model), ids) < 0.03


def test_hooks_are_not_lost():
    model = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 8)).eval()
    model[0].register_forward_hook(lambda layer, given, result: 10 * result)
    made = quantizer("dynamic")
    assert off(model, made.quantize(model), torch.randn(4, 32)) < 0.03
    assert dict(made.report.left_in_float)["0"] == "it has hooks, which would be lost"


def test_a_weight_that_is_computed_is_named_with_its_cure():
    model = nn.Sequential(weight_norm(nn.Linear(32, 32)), nn.Linear(32, 8)).eval()
    made = quantizer("dynamic")
    made.quantize(model)
    assert "remove_parametrizations" in dict(made.report.left_in_float)["0"]
    with pytest.raises(QuantizationError, match="remove_parametrizations"):
        quantizer("dynamic").quantize(nn.Sequential(weight_norm(nn.Linear(32, 8))))
    with pytest.raises(OptimizationError, match="remove_parametrizations"):
        prune_unstructured(nn.Sequential(weight_norm(nn.Linear(32, 8))), 0.5)


class Twice(nn.Module):
    """One layer in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(64, 64)
        self.other = self.one
        self.out = nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.other(self.one(x).relu()).relu())


@pytest.mark.parametrize("kind", INT8)
def test_a_layer_in_two_places_becomes_one_smaller_layer_in_both(kind: str, tmp_path: Path):
    torch.manual_seed(0)
    model, x = Twice().eval(), torch.randn(16, 64)
    small = quantizer(kind).quantize(model, x)
    assert small.one is small.other
    assert not isinstance(small.one, nn.Linear)
    assert size_bytes(small) < 0.35 * size_bytes(model)
    assert off(model, small, x) < (0.3 if kind == "int4_weight" else 0.05)
    save_quantized(small, tmp_path / "twice.safetensors")
    again = load_quantized(tmp_path / "twice.safetensors", Twice())
    assert torch.equal(again(x), small(x))
    assert again.one is again.other
    assert isinstance(quantizer(kind, skip={"other"}).quantize(model, x).one, nn.Linear)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("kind", INT8)
def test_a_model_in_half_precision_becomes_one_that_computes(kind: str, dtype: torch.dtype, tmp_path: Path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(40, 64), nn.LayerNorm(64), nn.Linear(64, 32), nn.LayerNorm(32), nn.Linear(32, 8))
    model = model.to(dtype).eval()
    before = copy.deepcopy(model.state_dict())
    ids = torch.randint(40, (3, 5))
    small = quantizer(kind).quantize(model, ids)
    assert small(ids).dtype == torch.float32
    assert off(model, small, ids) < (0.3 if kind == "int4_weight" else 0.05)
    assert size_bytes(small) < 0.75 * size_bytes(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    save_quantized(small, tmp_path / "small.safetensors")
    assert torch.equal(load_quantized(tmp_path / "small.safetensors", model)(ids), small(ids))


def test_each_layer_of_torchs_own_attention_has_a_cost():
    torch.manual_seed(0)
    model = nn.Sequential(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)).eval()
    costs = layer_costs(model, QuantizationConfig("dynamic"), torch.randn(2, 7, 32))  # type: ignore[arg-type]
    assert {one.layer.removeprefix("0.") for one in costs} == {
        *(f"self_attn.{part}" for part in ("q", "k", "v", "out")),
        *("linear1", "linear2"),
    }
    assert all(one.error > 0 for one in costs)
    made = quantizer("dynamic", skip={costs[0].layer})
    assert isinstance(made.quantize(model).get_submodule(costs[0].layer), nn.Linear)
    assert not any(isinstance(layer, Int8Layer) for layer in model.modules())
