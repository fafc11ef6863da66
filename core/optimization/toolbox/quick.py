"""One call each: a model made smaller in one way, and two models measured beside each other."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from core.optimization.toolbox.batches import as_batches
from core.optimization.toolbox.measuring import MEGABYTE, size_bytes, typical_ms
from core.optimization.toolbox.quality import outputs_of, relative_error
from core.optimization.toolbox.quantization import ModelQuantizer
from core.optimization.toolbox.quantization_config import QatConfig, QuantizationConfig, QuantizationType


def to_dynamic_int8(model: nn.Module) -> nn.Module:
    """Linear layers in int8, activations rounded as they come."""
    return ModelQuantizer(QuantizationConfig(QuantizationType.DYNAMIC)).quantize(model)


def to_static_int8(model: nn.Module, calibration_data: Any) -> nn.Module:
    """Linear and convolution layers in int8 by the ranges of the data."""
    return ModelQuantizer(QuantizationConfig(QuantizationType.STATIC)).quantize(model, calibration_data)


def train_to_int8(model: nn.Module, training_data: Any, steps: int = 200) -> nn.Module:
    """Static int8 whose weights were trained on under the rounding."""
    config = QuantizationConfig(QuantizationType.QAT, qat=QatConfig(steps))
    return ModelQuantizer(config).quantize(model, training_data)


def to_fp16(model: nn.Module) -> nn.Module:
    """Everything in float16."""
    return ModelQuantizer(QuantizationConfig(QuantizationType.FP16)).quantize(model)


def to_bf16(model: nn.Module) -> nn.Module:
    """Everything in bfloat16."""
    return ModelQuantizer(QuantizationConfig(QuantizationType.BF16)).quantize(model)


def to_int8_weights(model: nn.Module) -> nn.Module:
    """Weights alone in 8 bits."""
    return ModelQuantizer(QuantizationConfig(QuantizationType.INT8_WEIGHT)).quantize(model)


def to_int4_weights(model: nn.Module) -> nn.Module:
    """Weights alone in 4 bits."""
    return ModelQuantizer(QuantizationConfig(QuantizationType.INT4_WEIGHT)).quantize(model)


def benchmark_quantization(
    model: nn.Module, quantized: nn.Module, test_input: Any, num_iterations: int = 100
) -> dict[str, float]:
    """size_reduction_percent, speedup, error (distance of the outputs, relative), and the sizes and times they are of.

    `test_input`: a tensor, a tuple of positional or a mapping of keyword arguments. Both are called by turns; times are
    lower quartiles. The model is measured in evaluation mode and left in its own. Raises OptimizationError for an input
    that a model does not take, or fewer than one iteration.
    """
    (batch, *_) = batches = as_batches(test_input, "test_input")
    modes = [(layer, layer.training) for layer in (*model.modules(), *quantized.modules())]
    model.eval()
    quantized.eval()
    try:
        error = relative_error(outputs_of(quantized, batches), outputs_of(model, batches))
        ways = {"original": partial(batch.run, model), "quantized": partial(batch.run, quantized)}
        took = typical_ms(ways, num_iterations)
    finally:
        for layer, training in modes:
            layer.training = training
    before, after = size_bytes(model), size_bytes(quantized)
    return {
        "size_reduction_percent": 100 * (1 - after / before) if before else 0.0,
        "speedup": took["original"] / took["quantized"],
        "error": error,
        "original_ms": took["original"],
        "quantized_ms": took["quantized"],
        "original_mb": before / MEGABYTE,
        "quantized_mb": after / MEGABYTE,
    }
