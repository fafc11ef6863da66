"""Offloaded weights are on the device while somebody uses them, and only then."""

from __future__ import annotations

import gc
import weakref

import pytest
from machines import FakeDevice, FakeTorch

from core.optimization.compiled_model import OptimizedModelWrapper
from core.optimization.torch_optimizer import TorchOptimizer


class Movable:
    """A model that knows where it is."""

    def __init__(self, too_big: bool = False) -> None:
        self.places: list[str] = []
        self.too_big = too_big

    def to(self, device: FakeDevice | str) -> Movable:
        place = device if isinstance(device, str) else device.type
        if self.too_big and place == "cuda":
            raise RuntimeError("CUDA error: out of memory")
        self.places.append(place)
        return self


def test_on_the_card_inside_and_in_main_memory_outside():
    fake = FakeTorch(cuda=True)
    optimizer = TorchOptimizer(torch=fake)
    model = Movable()
    context = optimizer.offload(model)
    assert model.places == ["cpu"]
    with context as inside:
        assert inside is model
        assert model.places[-1] == "cuda"
    assert model.places == ["cpu", "cuda", "cpu"]
    assert fake.calls.count("cuda.empty_cache") == 2


def test_whoever_comes_second_neither_moves_it_nor_takes_it_away():
    optimizer = TorchOptimizer(torch=FakeTorch(cuda=True))
    model = Movable()
    with optimizer.offload(model):
        with optimizer.offload(model):
            assert model.places == ["cpu", "cuda"]
        assert model.places == ["cpu", "cuda"]
    assert model.places == ["cpu", "cuda", "cpu"]


def test_a_compiled_model_and_the_model_itself_are_counted_together():
    optimizer = TorchOptimizer(torch=FakeTorch(cuda=True))
    model = Movable()
    wrapper = OptimizedModelWrapper(model, "movable")
    with optimizer.offload(wrapper) as inside:
        assert inside is wrapper
        with optimizer.offload(model):
            assert model.places == ["cpu", "cuda"]
        assert model.places == ["cpu", "cuda"]
    assert model.places == ["cpu", "cuda", "cpu"]


def test_what_does_not_fit_goes_back_and_the_error_is_the_callers():
    optimizer = TorchOptimizer(torch=FakeTorch(cuda=True))
    model = Movable(too_big=True)
    with pytest.raises(RuntimeError, match="out of memory"), optimizer.offload(model):
        pytest.fail("it cannot be entered")
    assert model.places == ["cpu", "cpu"]
    model.too_big = False
    with optimizer.offload(model):
        assert model.places[-1] == "cuda"


def test_a_model_is_not_kept_alive():
    optimizer = TorchOptimizer(torch=FakeTorch(cuda=True))
    model = Movable()
    with optimizer.offload(model):
        pass
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
