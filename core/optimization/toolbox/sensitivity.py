"""What each layer costs in quality when it alone is quantised, and so which layers to leave in float."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from core.optimization.toolbox.batches import as_batches
from core.optimization.toolbox.graphs import replace_module
from core.optimization.toolbox.int8_layers import StaticInt8
from core.optimization.toolbox.measuring import size_bytes
from core.optimization.toolbox.quality import judge, outputs_of
from core.optimization.toolbox.quantization import (
    HALVES,
    ModelQuantizer,
    as_float,
    calibrate,
    lean_copy,
    outputs_or_error,
)
from core.optimization.toolbox.quantization_config import QuantizationConfig, QuantizationType
from core.optimization.toolbox.replaying import Replay
from core.utils.errors import QuantizationError


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer quantised, all others in float."""

    layer: str
    error: float
    """distance of the outputs to the float model's, relative to their size"""
    accuracy: float
    """by labels where there are, else agreement with the float model; 0..1"""
    saved_bytes: int


def layer_costs(model: nn.Module, config: QuantizationConfig, data: Any) -> list[LayerCost]:
    """The costliest first. `data` calibrates and judges; for each layer the model runs on it from its block on.

    A few dozen tokens are enough for a language model. Source: one layer at a time, as Wu et al., Integer Quantization
    for Deep Learning Inference, arXiv 2004.09602, section 5.2. Raises QuantizationError as `quantize` does, and for
    types that are not chosen layer by layer.
    """
    if config.quantization_type in HALVES:
        raise QuantizationError(
            f"{config.quantization_type.value} is not chosen layer by layer; take an int8 or int4 type"
        )
    if config.quantization_type is QuantizationType.QAT:
        config = replace(config, quantization_type=QuantizationType.STATIC)
    batches = as_batches(data, "data of the sensitivity")
    plain = lean_copy(model)
    exact = outputs_of(plain, batches)
    plain = as_float(plain)
    everything = ModelQuantizer(replace(config, fuse=False))
    whole = everything.quantize(model, batches)
    floats = dict(plain.named_modules())
    names = everything.report.quantized
    made = {name: whole.get_submodule(name) for name in names}
    for name in names:
        replace_module(whole, made[name], floats[name])
    replay = Replay(whole, names, batches)
    costs = []
    for name in names:
        replace_module(whole, floats[name], made[name])
        quality = judge(replay.outputs(name), exact, batches)
        replace_module(whole, made[name], floats[name])
        saved = size_bytes(floats[name]) - size_bytes(made[name])
        costs.append(LayerCost(name, quality.error, quality.accuracy, saved))
    return sorted(costs, key=lambda cost: -cost.error)


def skip_list(costs: Sequence[LayerCost], most_error: float) -> frozenset[str]:
    """Layers to leave in float so that the squares of the others' errors sum to at most `most_error` squared.

    Errors of rounding add like independent noise. Raises QuantizationError for a bound that is not above zero.
    """
    if not most_error > 0:
        raise QuantizationError(f"most_error={most_error}: give a share above 0, e.g. 0.01")
    skipped: set[str] = set()
    total = sum(cost.error**2 for cost in costs)
    for cost in sorted(costs, key=lambda cost: -cost.error):
        if total <= most_error**2:
            break
        skipped.add(cost.layer)
        total -= cost.error**2
    return frozenset(skipped)


def recalibrate(quantized: nn.Module, data: Any, config: QuantizationConfig | None = None) -> nn.Module:
    """A copy of a static model with the ranges of new data. The float model is not needed.

    Raises QuantizationError for a model without static layers; ranges that the data does not reach stay.
    """
    work = copy.deepcopy(quantized)
    layers = {name: layer for name, layer in work.named_modules() if isinstance(layer, StaticInt8)}
    if not layers:
        raise QuantizationError(
            f"{type(quantized).__name__} has no static int8 layers to calibrate; quantise with STATIC"
        )
    batches = as_batches(data, "calibration data")
    before = {name: layer.call for name, layer in layers.items()}
    sources = [name for name, call in before.items() if call.hands_on]
    takers = {source: [name for name, call in before.items() if call.x == before[source].out] for source in sources}
    for name in calibrate(work, batches, (config or QuantizationConfig()).calibration):
        call = before[name]
        layers[name].observers = None
        layers[name].set_call(x=call.x, out=call.out)
    for source in sources:
        layers[source].set_call(hands_on=True)
        for taker in takers[source]:
            layers[taker].set_call(x=layers[source].call.out)
    outputs_or_error(work, batches[:1])
    return work
