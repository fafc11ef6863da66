"""Dynamic int8: weights of linear and recurrent layers as int8, activations quantised as they come. CPU only."""

from __future__ import annotations

import platform
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Quantized:
    """What came of it: where nothing was done, `model` is the very model given."""

    model: Any
    applied: bool
    why: str


def quantize_dynamic(torch: Any, model: Any, machine: str | None = None) -> Quantized:
    """A copy of `model` with int8 layers, or the model itself and the reason.

    torch 2.13 still ships torch.ao.quantization with a notice that it is to go; its successor torchao is a
    package of its own that Merline does not install. `machine` is what platform.machine() says.
    """
    refusal = _refusal(torch, model)
    if refusal:
        return Quantized(model, False, refusal)
    engine = _engine(torch, machine or platform.machine())
    if engine is None:
        return Quantized(model, False, "torch was built without int8 kernels for this processor; float32 stays")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*torch\.ao\.quantization is deprecated.*")
        warnings.filterwarnings("ignore", message=r"(?s).*quantized tensor creation functions.*")
        try:
            quantization = import_module("torch.ao.quantization")
        except ImportError as error:
            return Quantized(model, False, f"this torch has no dynamic int8 ({error}); float32 stays")
        torch.backends.quantized.engine = engine
        try:
            smaller = quantization.quantize_dynamic(model, set(_kinds(torch)), dtype=torch.qint8)
        except (RuntimeError, NotImplementedError) as error:
            return Quantized(model, False, f"{engine} refused ({str(error).partition(chr(10))[0]}); float32 stays")
    return Quantized(smaller, True, f"linear and recurrent layers run in int8 on {engine}")


def _kinds(torch: Any) -> tuple[Any, ...]:
    return (torch.nn.Linear, torch.nn.LSTM, torch.nn.GRU)


def _refusal(torch: Any, model: Any) -> str:
    devices = {parameter.device.type for parameter in model.parameters()}
    if devices - {"cpu"}:
        return f"dynamic int8 runs on a CPU and the weights are on {', '.join(sorted(devices))}; float32 stays"
    if not any(isinstance(module, _kinds(torch)) for module in model.modules()):
        return "the model has no linear or recurrent layer to quantise; float32 stays"
    return ""


def _engine(torch: Any, machine: str) -> str | None:
    arm = machine.lower() in ("arm64", "aarch64") or machine.lower().startswith("armv")
    supported = torch.backends.quantized.supported_engines
    return next((name for name in (("qnnpack",) if arm else ("x86", "fbgemm")) if name in supported), None)
