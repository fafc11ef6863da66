"""cuDNN's autotuning stays on only where it was measured faster."""

from __future__ import annotations

import threading

import pytest
from machines import FakeTensor, FakeTorch, ManualClock

from core.optimization.autotune import measure_autotuning
from core.optimization.profiler import InferenceProfiler
from core.optimization.torch_optimizer import TorchOptimizer


class Network:
    """Takes as long as it is told to with the switch on and off.

    As in torch, a thread keeps the kernel that the switch gave it first.
    """

    def __init__(self, torch: FakeTorch, clock: ManualClock, plain_s: float, tuned_s: float) -> None:
        self.torch = torch
        self.clock = clock
        self.seconds = {False: plain_s, True: tuned_s}
        self.calls = 0
        self.kept = threading.local()

    def __call__(self, samples: object = None) -> None:
        self.calls += 1
        self.kept.tuned = getattr(self.kept, "tuned", self.torch.cudnn.benchmark)
        self.clock.now_s += self.seconds[self.kept.tuned]


@pytest.mark.parametrize(("tuned_s", "kept"), [(0.8, True), (0.99, False), (1.0, False), (1.4, False)])
def test_it_is_kept_where_it_pays(tuned_s: float, kept: bool):
    torch, clock = FakeTorch(cuda=True), ManualClock()
    network = Network(torch, clock, 1.0, tuned_s)
    optimizer = TorchOptimizer(torch=torch, profiler=InferenceProfiler(clock=clock))
    assert optimizer.try_autotune(network, FakeTensor(), shapes_are_bucketed=True) is kept
    assert torch.cudnn.benchmark is kept


def test_free_shapes_are_not_even_tried():
    torch, clock = FakeTorch(cuda=True), ManualClock()
    network = Network(torch, clock, 1.0, 0.1)
    assert TorchOptimizer(torch=torch).try_autotune(network, FakeTensor(), shapes_are_bucketed=False) is False
    assert network.calls == 0
    assert torch.cudnn.benchmark is False


def test_a_model_that_fails_leaves_the_switch_as_it_was():
    torch = FakeTorch(cuda=True)

    def run() -> None:
        raise RuntimeError("wrong shape")

    with pytest.raises(RuntimeError, match="wrong shape"):
        measure_autotuning(torch, run, ManualClock())
    assert torch.cudnn.benchmark is False
