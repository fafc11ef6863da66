"""Which layer costs what, what to leave in float, new ranges for a model, and training under rounding."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from small_models import ConvNet, conv_net, images, labelled
from torch import Tensor, nn

from core.optimization import ModelQuantizer, QatConfig, QuantizationConfig, QuantizationType
from core.optimization.toolbox.batches import as_batches
from core.optimization.toolbox.quality import judge, outputs_of, relative_error
from core.optimization.toolbox.quick import to_dynamic_int8, to_static_int8
from core.optimization.toolbox.replaying import Replay
from core.optimization.toolbox.sensitivity import LayerCost, layer_costs, recalibrate, skip_list
from core.utils.errors import QuantizationError


def fragile() -> ConvNet:
    """`third` has one weight that makes all others of its row round to nothing."""
    model = conv_net()
    with torch.no_grad():
        model.third.weight[:, 0] = 60.0
        model.second_norm.weight[0] = 0.0
        model.second_norm.bias[0] = 0.0
        model.depth.weight[0] = 0.0
        model.depth.bias[0] = 0.0
    return model


def error_of(model: nn.Module, quantized: nn.Module) -> float:
    batches = as_batches(images(), "test")
    return relative_error(outputs_of(quantized, batches), outputs_of(model, batches))


def test_the_layer_that_costs_most_is_found_and_skipping_it_helps():
    model = fragile()
    before = copy.deepcopy(model.state_dict())
    static = QuantizationConfig(QuantizationType.STATIC)
    costs = layer_costs(model, static, images())
    assert {cost.layer for cost in costs} == {"first", "second", "depth", "third", "inner", "out"}
    assert costs[0].layer == "third"
    assert costs[0].error > 3 * costs[1].error
    assert all(cost.saved_bytes > 0 for cost in costs if cost.layer != "depth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    skipped = skip_list(costs, most_error=1.01 * sum(cost.error**2 for cost in costs[1:]) ** 0.5)
    assert skipped == {"third"}
    better = ModelQuantizer(QuantizationConfig(QuantizationType.STATIC, skip=skipped)).quantize(model, images())
    assert error_of(model, better) < 0.5 * error_of(model, to_static_int8(model, images()))


def test_the_skip_list_is_as_short_as_the_bound_allows():
    costs = [LayerCost("a", 0.03, 1.0, 1), LayerCost("b", 0.04, 1.0, 1), LayerCost("c", 0.0, 1.0, 1)]
    assert skip_list(costs, 0.05) == frozenset()
    assert skip_list(costs, 0.049) == {"b"}
    assert skip_list(costs, 0.01) == {"a", "b"}
    with pytest.raises(QuantizationError, match="most_error=0"):
        skip_list(costs, 0)
    with pytest.raises(QuantizationError, match="not chosen layer by layer"):
        layer_costs(conv_net(), QuantizationConfig(QuantizationType.BF16), images())


def test_ranges_of_the_wrong_data_are_mended_without_the_float_model():
    model = conv_net()
    wrong = to_static_int8(model, [0.05 * x for x in images()])
    mended = recalibrate(wrong, images())
    assert error_of(model, wrong) > 0.2
    assert error_of(model, mended) < 0.03
    assert mended.second.call.x == mended.first.call.out
    assert mended.first.call.hands_on
    with pytest.raises(QuantizationError, match="no static int8 layers"):
        recalibrate(to_dynamic_int8(model), images())


def trained() -> ConvNet:
    """On the squares of small_models.labelled, until it knows them."""
    torch.manual_seed(1)
    model = ConvNet().train()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(4):
        for x, y in labelled(8):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model.eval()


def test_training_under_rounding_beside_static():
    model, data, test = trained(), labelled(8), as_batches(labelled(4, seed=50), "test")
    with torch.no_grad():
        for norm in (model.first_norm, model.second_norm):
            norm.weight *= torch.logspace(-1, 0.3, len(norm.weight))
    exact = outputs_of(model, test)
    rough = QuantizationConfig(QuantizationType.QAT, per_channel=False, qat=QatConfig(60, 3e-3))
    static = ModelQuantizer(QuantizationConfig(QuantizationType.STATIC, per_channel=False)).quantize(model, data)
    aware = ModelQuantizer(rough).quantize(model, data)
    before, after = (judge(outputs_of(one, test), exact, test) for one in (static, aware))
    assert before.accuracy_of == after.accuracy_of == "labels"
    assert after.accuracy >= before.accuracy
    assert after.accuracy > 0.9


def test_training_that_runs_away_is_told():
    quantizer = ModelQuantizer(QuantizationConfig(QuantizationType.QAT, qat=QatConfig(60, 1e25)))
    with pytest.raises(QuantizationError, match="lower learning_rate"):
        quantizer.quantize(conv_net(), images())


class Counting(nn.Linear):
    """Counts its calls."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        Counting.calls += 1
        return super().forward(x)


class Blocks(nn.Module):
    """A list of blocks; with `tells` each is given what the one before left behind, beside its output."""

    def __init__(self, tells: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Sequential(Counting(8, 8), nn.ReLU(inplace=True)) for _ in range(4))
        self.head, self.tells = nn.Linear(8, 3), tells

    def forward(self, x: Tensor) -> Tensor:
        left = 0.0
        for layer in self.layers:
            x = x + layer(x) + self.tells * left
            left = float(Counting.calls)
        return self.head(x)


def test_what_lies_before_a_layer_is_computed_once():
    x = [torch.randn(2, 8), torch.randn(5, 8)]
    model, batches = Blocks().eval(), as_batches(x, "test")
    names = ["layers.0.0", "layers.3.0", "head"]
    replay = Replay(model, names, batches)
    for name, computed in zip(names, (4, 1, 0), strict=True):
        Counting.calls = 0
        replay.outputs(name)
        assert Counting.calls == computed * len(batches)
    Counting.calls = 0
    with torch.no_grad():
        model.head.weight *= 2
        model.layers[3][0].weight *= 2
    found = replay.outputs("layers.3.0")
    assert Counting.calls == len(batches)
    assert all(torch.equal(one, other) for one, other in zip(found, outputs_of(model, batches), strict=True))


def test_blocks_that_tell_each_other_more_than_their_outputs_are_not_replayed():
    model = Blocks(tells=True).eval()
    replay = Replay(model, ["head"], as_batches([torch.randn(2, 8)], "test"))
    before = Counting.calls
    replay.outputs("head")
    assert Counting.calls - before == 4
