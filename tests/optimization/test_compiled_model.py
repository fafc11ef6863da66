"""The wrapper is the model in everything but speed, and falls back once."""

from __future__ import annotations

import copy
import logging
import threading

import pytest

from core.optimization.compiled_model import OptimizedModelWrapper


class Doubler:
    """A model without torch."""

    rate_hz = 16_000

    def __init__(self) -> None:
        self.calls = 0
        self.training = True

    def __call__(self, value: int, *, plus: int = 0) -> int:
        self.calls += 1
        if value < 0:
            raise ValueError("negative")
        return 2 * value + plus

    def generate(self, prompt: int) -> list[int]:
        return [self(prompt)]

    def eval(self) -> Doubler:
        self.training = False
        return self


class Layers(list[str]):
    """A model of several parts, as nn.Sequential is."""


def test_the_parts_of_a_model_are_reached_as_its_own():
    wrapper = OptimizedModelWrapper(Layers(["conv", "norm"]), "layers")
    assert (wrapper[0], wrapper[-1:], len(wrapper), list(wrapper)) == ("conv", ["norm"], 2, ["conv", "norm"])
    assert "norm" in wrapper
    assert "act" not in wrapper
    assert not OptimizedModelWrapper(Layers(), "nothing")
    single = OptimizedModelWrapper(Doubler(), "doubler")
    assert single, "a model without parts is no empty one"
    for ask in (len, iter, lambda model: model[0]):
        with pytest.raises(TypeError):
            ask(single)  # type: ignore[operator]


class Compiled:
    """A compiled call that works until it is told to break."""

    def __init__(self, model: Doubler, breaks: bool = False) -> None:
        self.model = model
        self.breaks = breaks
        self.calls = 0

    def __call__(self, *inputs: int, **named: int) -> int:
        self.calls += 1
        if self.breaks:
            raise RuntimeError("CppCompileError: no omp.h\nmany more lines")
        return self.model(*inputs, **named)


def test_calls_go_through_the_compiled_code_and_everything_else_to_the_model():
    model = Doubler()
    compiled = Compiled(model)
    wrapper = OptimizedModelWrapper(model, "doubler", compiled)
    assert wrapper(3, plus=1) == 7
    assert compiled.calls == 1
    assert wrapper.compiled
    assert wrapper.fallback_reason == ""
    assert wrapper.generate(2) == [4]
    assert wrapper.rate_hz == 16_000
    assert wrapper.unwrapped is model
    assert "generate" in dir(wrapper)


def test_setting_and_deleting_reach_the_model():
    model = Doubler()
    wrapper = OptimizedModelWrapper(model, "doubler")
    wrapper.rate_hz = 8000
    assert model.rate_hz == 8000
    del wrapper.rate_hz
    assert model.rate_hz == 16_000
    with pytest.raises(AttributeError, match="absent"):
        _ = wrapper.absent


def test_a_method_that_returns_the_model_returns_the_wrapper():
    model = Doubler()
    wrapper = OptimizedModelWrapper(model, "doubler", Compiled(model))
    assert wrapper.eval() is wrapper
    assert model.training is False


def test_it_falls_back_once_with_the_reason_and_stays_eager(caplog: pytest.LogCaptureFixture):
    model = Doubler()
    compiled = Compiled(model, breaks=True)
    wrapper = OptimizedModelWrapper(model, "doubler", compiled)
    with caplog.at_level(logging.WARNING):
        assert wrapper(3) == 6
        assert wrapper(4) == 8
    assert compiled.calls == 1
    assert not wrapper.compiled
    assert wrapper.fallback_reason == "the compiled call failed (RuntimeError: CppCompileError: no omp.h)"
    assert len([record for record in caplog.records if "eagerly from now on" in record.message]) == 1


def test_a_first_line_that_only_announces_the_reason_is_told_with_it():
    def compiled(*inputs: int) -> int:
        raise RuntimeError("backend='inductor' raised:\nImportError: no ptxas\n\nSet TORCHDYNAMO_VERBOSE=1")

    wrapper = OptimizedModelWrapper(Doubler(), "doubler", compiled)
    assert wrapper(3) == 6
    assert wrapper.fallback_reason.endswith("(RuntimeError: backend='inductor' raised: ImportError: no ptxas)")


def test_an_input_at_fault_is_the_callers_and_no_reason_to_fall_back():
    model = Doubler()
    wrapper = OptimizedModelWrapper(model, "doubler", Compiled(model))
    with pytest.raises(ValueError, match="negative"):
        wrapper(-1)
    assert wrapper.compiled
    assert wrapper(1) == 2


def test_eager_from_the_start_keeps_its_reason():
    wrapper = OptimizedModelWrapper(Doubler(), "doubler", None, "no compiler")
    assert wrapper(1) == 2
    assert not wrapper.compiled
    assert repr(wrapper) == "OptimizedModelWrapper(doubler, eager: no compiler)"


def test_many_threads_fall_back_to_the_same_answer(caplog: pytest.LogCaptureFixture):
    model = Doubler()
    together = threading.Barrier(8, timeout=20)

    def compiled(value: int) -> int:
        together.wait()
        raise RuntimeError("broken")

    wrapper = OptimizedModelWrapper(model, "doubler", compiled)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(wrapper(5))) for _ in range(8)]
    with caplog.at_level(logging.WARNING):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert answers == [10] * 8
    assert len(caplog.records) == 1


def test_a_half_made_copy_does_not_recurse():
    empty = object.__new__(OptimizedModelWrapper)
    with pytest.raises(AttributeError):
        _ = empty.unwrapped
    with pytest.raises(AttributeError):
        copy.copy(empty).anything  # noqa: B018


def test_a_networks_state_keeps_its_names():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = torch.nn.Linear(2, 2)
    wrapper = OptimizedModelWrapper(model, "linear", model)
    assert list(wrapper.state_dict()) == ["weight", "bias"]
    assert next(wrapper.parameters()) is model.weight
    assert wrapper.to("cpu") is wrapper
