"""Every kernel that works here agrees with the plain one; ranges, and the choice of a kernel."""

from __future__ import annotations

import copy
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from torch import nn

from core.optimization.toolbox.calibration import RangeObserver
from core.optimization.toolbox.int8_call import Affine
from core.optimization.toolbox.int8_kernels import activation_levels, choose_kernel, obstacle
from core.optimization.toolbox.int8_layers import DynamicInt8Linear, StaticInt8, copied, geometry_of, round_weights
from core.utils.errors import QuantizationError

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(40, 24), (3, 5, 40)),
    "linear without bias": (lambda: nn.Linear(40, 24, bias=False), (3, 40)),
    "strided": (lambda: nn.Conv2d(8, 16, 3, 2, 1), (2, 8, 13, 13)),
    "grouped, dilated": (lambda: nn.Conv1d(8, 16, 5, 1, 4, 2, 2), (2, 8, 30)),
    "in space": (lambda: nn.Conv3d(4, 8, 3), (1, 4, 6, 6, 6)),
}


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("name", list(LAYERS))
@pytest.mark.parametrize("backend", ["onednn", "x86", "fbgemm", "qnnpack"])
@torch.no_grad()
def test_kernels_agree_with_the_plain_one(backend: str, name: str, relu: bool):
    if why := obstacle(backend):
        pytest.skip(f"{backend} is not usable here: {why}")
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer, x = make(), torch.randn(shape)
    made = StaticInt8(*round_weights(layer.weight), copied(layer.bias), geometry_of(layer))
    made.backend = backend
    made.set_call(relu=relu)
    made.observe()
    made(x)
    made.finish_observing("minmax")
    plain = copy.deepcopy(made)
    plain.backend = "plain"
    exact = layer(x).relu() if relu else layer(x)
    assert float((made(x) - exact).norm() / exact.norm()) < 0.02
    # one step of the output's range where a kernel can only give codes; oneDNN gives float
    step = 1e-4 if backend == "onednn" else 1.01 * made.call.out.scale
    assert float((made(x) - plain(x)).abs().max()) <= step
    for one in (made, plain):
        one.set_call(hands_on=True)
    codes, wanted = made(x), plain(x)
    assert codes.dtype == torch.uint8
    assert int((codes.int() - wanted.int()).abs().max()) <= 1
    assert torch.equal(made.codes, plain.codes)


@pytest.mark.parametrize("backend", ["onednn", "x86", "fbgemm", "qnnpack", "plain"])
@torch.no_grad()
def test_rows_of_unlike_size_keep_their_precision_where_each_has_its_scale(backend: str):
    if why := obstacle(backend):
        pytest.skip(f"{backend} is not usable here: {why}")
    torch.manual_seed(0)
    layer, x = nn.Linear(40, 24), torch.randn(4, 40) * torch.tensor([[1.0], [0.01], [10.0], [0.0]])
    made = DynamicInt8Linear(*round_weights(layer.weight), copied(layer.bias))
    made.backend = backend
    error = (made(x) - layer(x)).norm(dim=1) / layer(x).norm(dim=1)
    rows = [0, 1, 2, 3] if backend in ("onednn", "plain") else [2]
    assert float(error[rows].max()) < 0.02


def test_the_range_holds_zero_exactly_and_clips():
    affine = Affine.of_range(0.5, 3.0)
    assert affine.zero_point == 0
    assert affine.decode(affine.encode(torch.tensor([0.0, 3.0, 99.0]))).tolist() == pytest.approx([0.0, 3.0, 3.0])
    below = Affine.of_range(-2.0, -1.0, levels=127)
    assert below.zero_point == below.levels == 127
    assert float(below.decode(below.encode(torch.zeros(1)))) == 0.0
    assert int(below.encode(torch.tensor([-9.0]))) == 0


def test_observers_add_up_and_refuse_what_is_not_finite():
    one = RangeObserver()
    with pytest.raises(QuantizationError, match="never reached"):
        one.range("minmax")
    one.look(torch.tensor([-1.0, 2.0]))
    one.look(torch.tensor([]))
    one.look(torch.tensor([3.0]))
    assert (one.low, one.high) == (-1.0, 3.0)
    with pytest.raises(QuantizationError, match="look for NaN"):
        one.look(torch.tensor([float("inf")]))


def test_the_choice_of_a_kernel():
    assert choose_kernel("plain").name == "plain"
    assert obstacle(choose_kernel().name) == ""
    assert activation_levels("plain") == 255
    with pytest.raises(QuantizationError, match="take one of: auto, onednn"):
        choose_kernel("tpu")


def test_a_kernel_that_computes_wrongly_is_not_chosen(monkeypatch: pytest.MonkeyPatch):
    from core.optimization.toolbox import int8_kernels

    class Wrong(int8_kernels.PlainKernel):
        name = "onednn"

        def run(self, x: Any, packed: Any, call: Any) -> Any:
            return 1.1 * super().run(x, packed, call)

    monkeypatch.setattr(int8_kernels, "OneDnnKernel", Wrong)
    for cached in (int8_kernels.obstacle, int8_kernels.choose_kernel):
        cached.cache_clear()
    try:
        with pytest.raises(QuantizationError, match=r"onednn does not work here \(its answers are off by 10 %\)"):
            choose_kernel("onednn")
        assert choose_kernel("auto").name != "onednn"
    finally:
        for cached in (int8_kernels.obstacle, int8_kernels.choose_kernel):
            cached.cache_clear()


def test_one_value_a_thousand_times_as_large_is_not_clipped_because_the_sample_missed_it():
    one = RangeObserver()
    values = torch.randn(4 * 8192, generator=torch.Generator().manual_seed(3))
    values[3] = 2000.0  # every fourth value is looked at
    one.look(values)
    kept = one.range("mse")
    assert float(kept.decode(kept.encode(torch.tensor([2000.0])))) == pytest.approx(2000.0, rel=0.05)
    several = RangeObserver()
    several.look(torch.randn(100))
    several.merge(one)
    assert several.range("mse").scale == pytest.approx(kept.scale)
