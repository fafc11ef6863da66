"""One call of a model with an input given as a tensor, a tuple or a mapping, placed where the model is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def call_model(torch: Any, model: Any, model_input: Any, device: Any) -> Any:
    """The model's answer, waited for. Tensors go to where the model's weights are, to `device` where it has none."""
    device = _device_of(model) or device
    given = placed(torch, model_input, device)
    if isinstance(given, Mapping):
        result = model(**given)
    else:
        result = model(*given) if isinstance(given, tuple) else model(given)
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).synchronize()
    return result


def _device_of(model: Any) -> Any:
    parameters = getattr(model, "parameters", None)
    first = next(iter(parameters()), None) if callable(parameters) else None
    return None if first is None else first.device


def placed(torch: Any, value: Any, device: Any) -> Any:
    """The same value with its tensors on `device`."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: placed(torch, item, device) for name, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(placed(torch, item, device) for item in value)
    return value
