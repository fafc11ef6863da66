"""Zeros and what they bring; channels and heads that are really gone; steps that stop in time."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from small_models import ConvNet, conv_net, images, tied_lm
from torch import Tensor, nn

from core.optimization.toolbox.measuring import size_bytes
from core.optimization.toolbox.pruned_files import load_pruned, save_pruned
from core.optimization.toolbox.pruning import StepwiseConfig, prune_stepwise, prune_unstructured
from core.optimization.toolbox.structured_pruning import StructuredPruner
from core.utils.errors import ModelLoadError, OptimizationError


def same_state(model: nn.Module, before: dict[str, Tensor]) -> bool:
    now = model.state_dict()
    return now.keys() == before.keys() and all(torch.equal(now[name], before[name]) for name in now)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_smallest_weights_become_zero_and_nothing_else_changes(scope: Any):
    model = conv_net()
    before = copy.deepcopy(model.state_dict())
    pruned = prune_unstructured(model, 0.3, scope)
    assert pruned.sparsity == pytest.approx(0.3, abs=0.01)
    assert same_state(model, before)
    assert pruned.dense_bytes == size_bytes(model)
    assert "Memory stays" in pruned.note
    for name, after in pruned.model.state_dict().items():
        assert torch.equal(after[after != 0], before[name][after != 0])
        if after.dim() < 2:
            assert torch.equal(after, before[name])
    shares = set(pruned.layers.values())
    assert (max(shares) - min(shares) < 0.05) == (scope == "layer")
    if scope == "global":
        now = pruned.model.state_dict()
        weights = [(now[f"{name}.weight"], before[f"{name}.weight"]) for name in pruned.layers]
        largest_gone = max(float(old[new == 0].abs().max()) for new, old in weights)
        assert largest_gone <= min(float(new[new != 0].abs().min()) for new, _ in weights)


@pytest.mark.parametrize(("ratio", "shrinks"), [(0.01, False), (0.5, True), (0.9, True)])
def test_a_file_is_sparse_only_where_that_is_smaller_and_comes_back(ratio: float, shrinks: bool, tmp_path: Path):
    pruned = prune_unstructured(tied_lm(), ratio)
    path = tmp_path / "pruned.safetensors"
    written = save_pruned(pruned.model, str(path))
    assert (written < 0.7 * size_bytes(tied_lm())) == shrinks
    assert abs(written - pruned.sparse_bytes) < 2000
    again = load_pruned(str(path), tied_lm(seed=9))
    assert same_state(again, pruned.model.state_dict())
    with pytest.raises(ModelLoadError, match="no pruned ConvNet"):
        load_pruned(path, conv_net())


def test_channels_are_gone_from_every_layer_that_shares_them(tmp_path: Path):
    model = conv_net()
    before = copy.deepcopy(model.state_dict())
    done = StructuredPruner().prune(model, 0.25, images()[0])
    smaller = done.model
    assert same_state(model, before)
    assert isinstance(smaller, ConvNet)
    assert tuple(smaller.first.weight.shape) == (12, 3, 3, 3)
    assert smaller.first_norm.num_features == 12
    # `second` and `third` are added to each other, and `depth` works on each channel: they go together
    assert smaller.second.weight.shape[:2] == (18, 12)
    assert smaller.third.weight.shape[:2] == (18, 18)
    assert smaller.depth.groups == 18
    assert tuple(smaller.inner.weight.shape) == (24, 18 * 4)
    assert tuple(smaller.out.weight.shape) == (5, 24)
    assert done.after_bytes == size_bytes(smaller) < 0.65 * size_bytes(model)
    assert smaller(images()[0]).shape == (8, 5)
    path = tmp_path / "smaller.safetensors"
    save_pruned(smaller, path)
    again = load_pruned(path, conv_net(seed=5))
    assert torch.equal(again(images()[0]), smaller(images()[0]))
    assert again.depth.groups == 18


def test_channels_that_do_nothing_are_the_ones_that_go_and_nothing_is_lost():
    model = conv_net()
    dead = [1, 4, 9]
    with torch.no_grad():
        model.first.weight[dead] = 0
        for part in (model.first_norm.weight, model.first_norm.bias, model.first_norm.running_mean):
            part[dead] = 0
        for inner in (2, 30):
            model.inner.weight[inner] = 0
            model.inner.bias[inner] = 0
    one = StructuredPruner().prune(
        nn.Sequential(model.first, model.first_norm, nn.ReLU(), model.second), 3 / 16, images()[0]
    )
    assert [(removal.before, removal.after) for removal in one.removals] == [(16, 13)]
    x = images()[0]
    want = model.second(torch.relu(model.first_norm(model.first(x))))
    assert torch.allclose(one.model(x), want, atol=1e-5)


def test_the_number_that_stays_may_be_a_multiple():
    done = StructuredPruner(multiple_of=8).prune(conv_net(), 0.4, images()[0])
    assert {removal.after for removal in done.removals} == {16, 24}


class Joined(nn.Module):
    """What ends in a concatenation must stay."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.end = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(torch.cat((self.one(x), self.two(x)), dim=1))


class FixedView(nn.Module):
    """A number in forward that pruning would make wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).view(-1, 8))


class Sloped(nn.Module):
    """A mask for each head, as ALiBi has."""

    def __init__(self, alike: bool) -> None:
        super().__init__()
        self.attention, self.out = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 2)
        slopes = torch.ones(4) if alike else torch.arange(4.0)
        distance = torch.arange(5.0).view(-1, 1) - torch.arange(5.0)
        self.register_buffer("mask", -(slopes.view(-1, 1, 1) * distance.abs()))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.attention(x, x, x, attn_mask=self.mask.repeat(len(x), 1, 1), need_weights=False)[0])


def test_heads_with_masks_of_their_own_stay():
    x = torch.randn(2, 5, 16)
    assert StructuredPruner().prune(Sloped(alike=True).eval(), 0.25, x).removals[0].after == 3
    with pytest.raises(OptimizationError, match="gives each head a mask of its own"):
        StructuredPruner().prune(Sloped(alike=False).eval(), 0.25, x)


@pytest.mark.parametrize(
    ("make", "x", "told"),
    [
        (Joined, torch.randn(1, 3, 4, 4), "no channels that can go at any ratio"),
        (FixedView, torch.randn(2, 6), "no channels that can go at any ratio"),
        (tied_lm, torch.zeros(1, 4, dtype=torch.long), "cannot be traced"),
        (conv_net, torch.randn(2, 4, 8, 8), "does not take this data"),
    ],
)
def test_what_cannot_lose_channels_is_told_and_left_alone(make: Any, x: Tensor, told: str):
    model = make().eval()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(OptimizationError, match=told):
        StructuredPruner().prune(model, 0.25, x)
    assert same_state(model, before)


@pytest.mark.filterwarnings("ignore:.*nested tensors is in prototype.*:UserWarning")
@pytest.mark.filterwarnings("ignore:.*enable_nested_tensor is True.*:UserWarning")
def test_heads_and_inner_channels_go_from_torchs_own_transformer(tmp_path: Path):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2)).eval()
    with torch.no_grad():
        for block in model[0].layers:
            dead = slice(8, 16)
            block.self_attn.out_proj.weight[:, dead] = 0
            block.linear1.weight[:16] = 0
            block.linear1.bias[:16] = 0
    x = torch.randn(2, 7, 32)
    done = StructuredPruner().prune(model, 0.25, x)
    assert {(removal.before, removal.after) for removal in done.removals} == {(4, 3), (64, 48)}
    block = done.model[0].layers[0]
    assert block.self_attn.q.weight.shape == (24, 32)
    mask = torch.zeros(2, 7, dtype=torch.bool)
    mask[1, 5:] = True
    with torch.no_grad():
        for options in ({}, {"mask": nn.Transformer.generate_square_subsequent_mask(7)}):
            assert torch.allclose(done.model[0](x, **options), model[0](x, **options), atol=1e-5)
        got = done.model[0](x, src_key_padding_mask=mask)[~mask]
        assert torch.allclose(got, model[0](x, src_key_padding_mask=mask)[~mask], atol=1e-5)
        weights = block.self_attn(x, x, x)[1]
    assert torch.allclose(weights.sum(-1), torch.ones(2, 7), atol=1e-5)
    path = tmp_path / "heads.safetensors"
    save_pruned(done.model, path)
    again = load_pruned(path, model)
    assert torch.equal(again(x), done.model(x))


@pytest.mark.parametrize("ratio", [0, 1, -0.1, 1.5, float("nan"), "half"])
def test_a_ratio_is_between_none_and_all(ratio: Any):
    for call in (
        lambda: prune_unstructured(conv_net(), ratio),
        lambda: StructuredPruner().prune(conv_net(), ratio, images()[0]),
    ):
        with pytest.raises(OptimizationError, match="above 0 and below 1"):
            call()


def test_other_bad_input():
    with pytest.raises(OptimizationError, match="no layer with weights"):
        prune_unstructured(nn.ReLU(), 0.5)
    broken = conv_net()
    with torch.no_grad():
        broken.out.weight[0, 0] = float("nan")
    with pytest.raises(OptimizationError, match="not all finite"):
        prune_unstructured(broken, 0.5)
    with pytest.raises(OptimizationError, match="scope 'row'"):
        prune_unstructured(conv_net(), 0.5, "row")  # type: ignore[arg-type]
    with pytest.raises(OptimizationError, match="multiple_of=0"):
        StructuredPruner(0)
    with pytest.raises(OptimizationError, match="most_loss=2"):
        StepwiseConfig(most_loss=2)
    with pytest.raises(OptimizationError, match=r"step=0\.5, most=0\.3"):
        StepwiseConfig(step=0.5, most=0.3)
    for accuracy in (None, float("nan"), 64.1):
        with pytest.raises(OptimizationError, match=r"a share from 0 to 1 .* 1 / p"):
            prune_stepwise(conv_net(), lambda _, accuracy=accuracy: accuracy)


def test_shares_may_be_numbers_of_other_libraries():
    given = torch.tensor(0.3)
    assert prune_unstructured(conv_net(), given).sparsity == pytest.approx(0.3, abs=0.01)  # type: ignore[arg-type]
    _, steps = prune_stepwise(conv_net(), lambda _: given, StepwiseConfig(0.3, 0.3))  # type: ignore[arg-type]
    assert steps[0].accuracy == pytest.approx(0.3)
    assert steps[0].kept is True


def test_steps_stop_before_accuracy_is_lost_and_fine_tuning_is_asked():
    model = conv_net()
    tuned: list[float] = []

    def zeros(one: nn.Module) -> float:
        return float(torch.cat([weight.flatten() for weight in one.parameters()]).eq(0).float().mean())

    def fine_tune(one: nn.Module) -> nn.Module:
        tuned.append(zeros(one))
        return one

    kept, steps = prune_stepwise(
        model, lambda one: 1.0 if zeros(one) < 0.35 else 0.9, StepwiseConfig(0.1, 0.8, 0.05), fine_tune=fine_tune
    )
    assert [step.kept for step in steps] == [True, True, True, False]
    assert zeros(kept) == pytest.approx(tuned[2])
    assert len(tuned) == 4
    untouched, steps = prune_stepwise(model, lambda one: 0.5 if zeros(one) else 1.0, StepwiseConfig(0.2))
    assert [step.kept for step in steps] == [False]
    assert same_state(untouched, model.state_dict())
