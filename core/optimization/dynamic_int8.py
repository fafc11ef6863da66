"""Dynamic int8: weights of linear and recurrent layers as int8, activations rounded as they come. CPU only.

The layers are the toolbox's own: torch.ao.quantization, which torch is to drop, is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.utils.errors import QuantizationError


@dataclass(frozen=True, slots=True)
class Quantized:
    """What came of it: where nothing was done, `model` is the very model given."""

    model: Any
    applied: bool
    why: str


def quantize_dynamic(torch: Any, model: Any) -> Quantized:
    """A copy of `model` with int8 layers, for inference; or the model itself and the reason."""
    refusal = _refusal(torch, model)
    if refusal:
        return Quantized(model, False, refusal)
    from core.optimization.toolbox.quantization import ModelQuantizer
    from core.optimization.toolbox.quantization_config import QuantizationConfig

    quantizer = ModelQuantizer(QuantizationConfig(embeddings=False))
    try:
        smaller = quantizer.quantize(model)
    except QuantizationError as error:
        return Quantized(model, False, f"{error}; float32 stays")
    return Quantized(smaller, True, f"linear and recurrent layers run in int8 on {quantizer.report.backend}")


def _refusal(torch: Any, model: Any) -> str:
    devices = {parameter.device.type for parameter in model.parameters()}
    if devices - {"cpu"}:
        return f"dynamic int8 runs on a CPU and the weights are on {', '.join(sorted(devices))}; float32 stays"
    if not any(isinstance(module, (torch.nn.Linear, torch.nn.LSTM, torch.nn.GRU)) for module in model.modules()):
        return "the model has no linear or recurrent layer to quantise; float32 stays"
    return ""
