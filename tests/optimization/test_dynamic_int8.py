"""Dynamic int8, or the model as it was and the reason."""

from __future__ import annotations

import io
from typing import Any

import pytest

from core.optimization.dynamic_int8 import quantize_dynamic
from core.optimization.torch_optimizer import TorchOptimizer

torch = pytest.importorskip("torch", reason="torch is not installed")


def size_bytes(model: Any) -> int:
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.tell()


@pytest.fixture
def engine():
    """The engine is one switch of the whole process."""
    before = torch.backends.quantized.engine
    yield
    torch.backends.quantized.engine = before


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256)).eval()


@pytest.mark.usefixtures("engine")
@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions.*:UserWarning")
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_weights_become_a_quarter_and_answers_stay_close(model: Any, machine: str):
    done = quantize_dynamic(torch, model, machine)
    if not done.applied:
        pytest.skip(f"this torch cannot: {done.why}")
    samples = torch.randn(8, 256)
    with torch.inference_mode():
        exact, close = model(samples), done.model(samples)
    assert size_bytes(done.model) < 0.3 * size_bytes(model)
    assert float((exact - close).norm() / exact.norm()) < 0.03
    assert ("qnnpack" in done.why) == (machine == "aarch64")
    assert isinstance(model[0], torch.nn.Linear)


@pytest.mark.usefixtures("engine")
def test_the_optimizer_gives_the_model_back_with_the_reason_where_there_is_nothing_to_do():
    model = torch.nn.Sequential(torch.nn.Conv1d(2, 2, 3))
    optimizer = TorchOptimizer()
    assert optimizer.quantize_dynamic(model) is model
    decision = next(one for one in optimizer.decisions if one.what == "dynamic int8")
    assert decision.applied is False
    assert "no linear" in decision.why


class WithoutEngines:
    """torch built without int8 kernels."""

    nn = torch.nn

    class backends:
        class quantized:
            supported_engines = ("none",)


def test_a_torch_without_kernels_keeps_float32(model: Any):
    done = quantize_dynamic(WithoutEngines, model)
    assert done.model is model
    assert not done.applied
    assert "without int8 kernels" in done.why


def test_weights_that_are_not_on_the_cpu_stay(model: Any):
    away = torch.nn.Linear(2, 2, device="meta")
    done = quantize_dynamic(torch, away)
    assert done.model is away
    assert "on meta" in done.why
