"""Dynamic int8, or the model as it was and the reason."""

from __future__ import annotations

from typing import Any

import pytest

from core.optimization.dynamic_int8 import quantize_dynamic
from core.optimization.torch_optimizer import TorchOptimizer

torch = pytest.importorskip("torch", reason="torch is not installed")


def size_bytes(model: Any) -> int:
    return sum(tensor.nbytes for tensor in model.state_dict().values())


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256)).eval()


def test_weights_become_a_quarter_and_answers_stay_close(model: Any):
    done = quantize_dynamic(torch, model)
    assert done.applied
    assert "run in int8 on " in done.why
    samples = torch.randn(8, 256)
    with torch.inference_mode():
        exact, close = model(samples), done.model(samples)
    assert size_bytes(done.model) < 0.27 * size_bytes(model)
    assert float((exact - close).norm() / exact.norm()) < 0.03
    assert isinstance(model[0], torch.nn.Linear)


def test_recurrent_layers_become_int8_too():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.LSTM(32, 64))
    done = quantize_dynamic(torch, model)
    assert done.applied
    assert size_bytes(done.model) < 0.3 * size_bytes(model)


def test_the_optimizer_gives_the_model_back_with_the_reason_where_there_is_nothing_to_do():
    model = torch.nn.Sequential(torch.nn.Conv1d(2, 2, 3))
    optimizer = TorchOptimizer()
    assert optimizer.quantize_dynamic(model) is model
    decision = next(one for one in optimizer.decisions if one.what == "dynamic int8")
    assert decision.applied is False
    assert "no linear" in decision.why


def test_weights_that_cannot_be_rounded_keep_float32_and_say_why(model: Any):
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
    done = quantize_dynamic(torch, model)
    assert done.model is model
    assert not done.applied
    assert done.why == "0: weights are not all finite; train or fetch the model again; float32 stays"


def test_weights_that_are_not_on_the_cpu_stay(model: Any):
    away = torch.nn.Linear(2, 2, device="meta")
    done = quantize_dynamic(torch, away)
    assert done.model is away
    assert "on meta" in done.why
