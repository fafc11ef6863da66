"""Gradient checkpointing: the same gradients, fewer bytes kept for them."""

from __future__ import annotations

from typing import Any

import pytest

from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.errors import OptimizationError

torch = pytest.importorskip("torch", reason="torch is not installed")


def network() -> Any:
    torch.manual_seed(0)
    block = [torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.GELU(), torch.nn.Linear(64, 32)) for _ in range(6)]
    return torch.nn.Sequential(*block, torch.nn.Dropout(0.2))


def backward(model: Any) -> tuple[list[Any], int]:
    """Gradients, and the bytes of tensors saved for the backward pass, weights not counted."""
    saved: dict[int, int] = {}
    weights = {parameter.data_ptr() for parameter in model.parameters()}

    def pack(tensor: Any) -> Any:
        if tensor.data_ptr() not in weights:
            saved[tensor.data_ptr()] = tensor.nbytes
        return tensor

    torch.manual_seed(1)
    model.zero_grad()
    samples = torch.randn(16, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(samples).square().sum()
    kept = sum(saved.values())
    loss.backward()
    return [samples.grad, *(parameter.grad.clone() for parameter in model.parameters())], kept


def test_gradients_are_the_same_and_less_is_saved():
    model = network()
    plain, plain_bytes = backward(model)
    with TorchOptimizer().checkpoint(model) as checkpointing:
        assert len(checkpointing.blocks) == 6
        lean, lean_bytes = backward(model)
    assert all(torch.equal(one, other) for one, other in zip(plain, lean, strict=True))
    assert lean_bytes < plain_bytes / 2
    _, again_bytes = backward(model)
    assert again_bytes == plain_bytes


def test_inference_is_not_touched():
    model = network().eval()
    samples = torch.randn(4, 32)
    optimizer = TorchOptimizer()
    with optimizer.get_inference_context():
        plain = model(samples)
    optimizer.checkpoint(model)
    with optimizer.get_inference_context():
        assert torch.equal(model(samples), plain)


def test_doing_it_twice_is_doing_it_once():
    model = network()
    optimizer = TorchOptimizer()
    first = optimizer.checkpoint(model)
    assert optimizer.checkpoint(model).blocks == ()
    first.remove()
    assert all("forward" not in block.__dict__ for block in model)


def test_blocks_deep_in_a_model_are_found_or_named():
    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Linear(4, 4)
            self.inner = torch.nn.ModuleDict({"layers": torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))})

    model = Encoder()
    optimizer = TorchOptimizer()
    assert optimizer.checkpoint(model).blocks == tuple(model.inner["layers"])
    assert optimizer.checkpoint(model, [model.embed]).blocks == (model.embed,)


def test_a_model_without_blocks_is_an_error_with_a_cure():
    with pytest.raises(OptimizationError, match="name the blocks"):
        TorchOptimizer().checkpoint(torch.nn.Linear(2, 2))
