"""Makes a copy of a model with smaller numbers; the model given is never changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from core.models.packed_linear import PackedLinear
from core.optimization.toolbox.batches import Batch, as_batches
from core.optimization.toolbox.copies import borrowing_copy, deep_copy, own_weights_of
from core.optimization.toolbox.fusion import Fusion, drop_relus, find_fusions, fold_norms
from core.optimization.toolbox.graphs import refuse_script, replace_module, set_module
from core.optimization.toolbox.int8_flow import Flow, find_flows
from core.optimization.toolbox.int8_kernels import choose_kernel
from core.optimization.toolbox.int8_layers import (
    CodesMaxPool2d,
    DynamicInt8Linear,
    Int8Layer,
    StaticInt8,
    copied,
    geometry_of,
    objection,
    round_weights,
)
from core.optimization.toolbox.quality import outputs_of, relative_error
from core.optimization.toolbox.quantization_config import (
    Calibration,
    QuantizationConfig,
    QuantizationReport,
    QuantizationType,
)
from core.optimization.toolbox.recurrent_int8 import DynamicInt8Recurrent
from core.optimization.toolbox.replacing import Maker, named_layers, own_weights, replace_layers
from core.optimization.toolbox.split_attention import split_attentions
from core.optimization.toolbox.weight_only import HalfModel, WeightOnlyInt8, weight_only
from core.utils.errors import OptimizationError, QuantizationError

HALVES = {QuantizationType.FP16: torch.float16, QuantizationType.BF16: torch.bfloat16}
NEEDS_DATA = (QuantizationType.STATIC, QuantizationType.QAT)
OWN_LAYERS = (Int8Layer, WeightOnlyInt8, PackedLinear, HalfModel)
FOLDING_TOLERANCE = 1e-3
MUCH_LOST = 0.1
"""of the outputs of a static model, from where its report says so"""


class ModelQuantizer:
    """For any number of models, by one configuration: `report` tells of the last, `progress` hears what takes long."""

    def __init__(
        self, config: QuantizationConfig | None = None, progress: Callable[[str], None] = lambda line: None
    ) -> None:
        self.config = config or QuantizationConfig()
        self._progress = progress
        self._report: QuantizationReport | None = None
        self._notes: tuple[str, ...] = ()

    @property
    def report(self) -> QuantizationReport:
        """Raises QuantizationError before the first model."""
        if self._report is None:
            raise QuantizationError("nothing was quantised yet; call quantize(model) first")
        return self._report

    def quantize(self, model: nn.Module, calibration_data: Any = None) -> nn.Module:
        """A smaller copy, for inference on a CPU (FP16 and BF16: where the model is).

        `calibration_data` is what batches.as_batches takes: static and QAT need it. Raises QuantizationError where
        nothing can be quantised, data is missing or does not fit, or weights are not finite.
        """
        kind = self.config.quantization_type
        refuse_script(model, QuantizationError)
        batches = self._batches(calibration_data)
        learns = kind is QuantizationType.QAT  # and its gradients are not to reach the model given
        work = working_copy(model) if learns else lean_copy(model)
        fusions, note = fold(work, batches) if self.config.fuse else ([], "")
        self._notes = (note,) if note else ()
        if kind in HALVES:
            return self._half(work, fusions)
        work = as_float(work)
        if kind in NEEDS_DATA:
            work = self._static(work, fusions, batches)
        else:
            made, left = replace_layers(work, self._maker(work), self.config.skip)
            self._tell(made, left, fusions)
        own_weights_of(work, model)
        return work

    def _batches(self, data: Any) -> list[Batch]:
        if self.config.quantization_type not in NEEDS_DATA:
            return []
        if data is None:
            raise QuantizationError(
                f"{self.config.quantization_type.value} needs calibration_data: some batches like those in use; "
                "dynamic needs none"
            )
        try:
            return as_batches(data, "calibration_data")
        except OptimizationError as error:
            raise QuantizationError(str(error)) from error

    def _maker(self, work: nn.Module) -> Maker:
        kind, config = self.config.quantization_type, self.config
        if kind is QuantizationType.DYNAMIC:
            return lambda layer: _dynamic(layer, config)
        eight = named_layers(work, config.eight_bits, "eight_bits")
        shared = dict[int, PackedLinear]()

        def smaller(layer: nn.Module) -> nn.Module | str:
            in_eight = kind is QuantizationType.INT8_WEIGHT or id(getattr(layer, "weight", None)) in eight
            return weight_only(layer, 8 if in_eight else 4, config.per_channel, shared)

        return smaller

    def _half(self, work: nn.Module, fusions: list[Fusion]) -> nn.Module:
        kind = self.config.quantization_type
        names = tuple(name for name, layer in work.named_modules() if own_weights(layer))
        if not names:
            raise _nothing([])
        half = HalfModel(borrowing_copy(work, HALVES[kind]), HALVES[kind])
        own_weights_of(half, work)  # those that were half already
        if not all(bool(torch.isfinite(one).all()) for one in half.parameters() if one.is_floating_point()):
            raise QuantizationError(f"weights are not finite in {kind.value}, which ends at 65504; take bf16")
        self._report = QuantizationReport(
            kind, "", names, (), tuple(one.layer for one in fusions if one.norm), notes=self._notes
        )
        return half.eval()

    def _static(self, work: nn.Module, fusions: list[Fusion], batches: list[Batch]) -> nn.Module:
        from core.optimization.toolbox.qat import train_under_rounding

        relus = {fusion.layer for fusion in fusions if fusion.relu}
        exact = outputs_or_error(work, batches)
        floats = dict(work.named_modules())
        names = {name for name, layer in floats.items() if own_weights(layer) and not objection(layer)}
        flows = find_flows(work, names - self.config.skip, relus) if self.config.fuse else []
        made, left = replace_layers(work, lambda layer: _static(layer, self.config), self.config.skip)
        layers = {name: layer for name, layer in work.named_modules() if isinstance(layer, StaticInt8)}
        for name in relus & layers.keys():
            layers[name].set_call(relu=True)
        drop_relus(work, [fusion for fusion in fusions if fusion.layer in layers])
        self._progress(f"calibrating {len(layers)} layers on {len(batches)} batches")
        unseen = calibrate(work, batches, self.config.calibration)
        for name in unseen:
            replace_module(work, layers[name], floats[name])
            left.append((name, "calibration data never reached it"))
        kept = [name for name in made if name not in unseen]
        rounded = [name for name in kept if name in layers]
        if not rounded:
            raise _nothing(left)
        hand_on(work, [flow for flow in flows if not {flow.source, *flow.takers} & set(unseen)])
        self._tell(kept, left, fusions, tuple(name for name in rounded if layers[name].call.hands_on))
        if self.config.quantization_type is QuantizationType.QAT:
            learning = {name: floats[name] for name in rounded}
            train_under_rounding(work, learning, (batches, exact), (self.config, self._progress))
        off = relative_error(outputs_or_error(work, batches[:1]), exact[:1])
        if off > MUCH_LOST and self.config.quantization_type is QuantizationType.STATIC:
            note = f"on the first batch the outputs are off by {off:.0%}: layer_costs says which layers to skip"
            self._report = replace(self.report, notes=(*self.report.notes, note))
        return work

    def _tell(
        self, made: Sequence[str], left: list[tuple[str, str]], fusions: list[Fusion], on: tuple[str, ...] = ()
    ) -> None:
        kind = self.config.quantization_type
        if not made:
            raise _nothing(left)
        int8 = kind not in (QuantizationType.INT8_WEIGHT, QuantizationType.INT4_WEIGHT)
        backend = choose_kernel(self.config.backend).name if int8 else ""
        fused = tuple(one.layer for one in fusions if one.norm or (kind in NEEDS_DATA and one.relu))
        self._report = QuantizationReport(kind, backend, tuple(made), tuple(left), fused, on, self._notes)


def working_copy(model: nn.Module) -> nn.Module:
    """A deep copy in evaluation mode. Raises TypeError for no module, QuantizationError for one quantised already."""
    _check_float(model)
    return deep_copy(model).eval()


def lean_copy(model: nn.Module) -> nn.Module:
    """As working_copy, but with the model's own weights: see borrowing_copy."""
    _check_float(model)
    return borrowing_copy(model)


def _check_float(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"a torch.nn.Module is wanted, not a {type(model).__name__}")
    if is_quantized(model):
        raise QuantizationError(f"{type(model).__name__} is quantised already; begin with the float model")


def is_quantized(model: nn.Module) -> bool:
    """Whether it holds a layer of ours."""
    return any(isinstance(layer, OWN_LAYERS) for layer in model.modules())


def fold(work: nn.Module, batches: list[Batch]) -> tuple[list[Fusion], str]:
    """Fold norms into the model itself, unless data show that its answers would change. And what to know of it."""
    fusions, note = find_fusions(work)
    if batches and any(fusion.norm for fusion in fusions):
        folded = borrowing_copy(work)
        fold_norms(folded, fusions)
        exact = outputs_or_error(work, batches[:1])
        if relative_error(outputs_or_error(folded, batches[:1]), exact) > FOLDING_TOLERANCE:
            return [], "norms were not folded: the model's answers would have changed"
    fold_norms(work, fusions)
    return fusions, note


def calibrate(work: nn.Module, batches: Sequence[Batch], how: Calibration) -> list[str]:
    """Give every static layer the ranges that the data shows; names of those that it never reached."""
    layers = {name: layer for name, layer in work.named_modules() if isinstance(layer, StaticInt8)}
    for layer in layers.values():
        layer.observe()
    outputs_or_error(work, batches)
    unseen = []
    for name, layer in layers.items():
        assert layer.observers is not None
        if layer.observers[0].seen:
            layer.finish_observing(how)
        else:
            unseen.append(name)
    return unseen


def hand_on(work: nn.Module, flows: Sequence[Flow]) -> None:
    """A taker's range becomes the range of what it is given. Changes the model itself."""
    for flow in flows:
        source: Any = work.get_submodule(flow.source)
        source.set_call(hands_on=True)
        for taker in flow.takers:
            layer: Any = work.get_submodule(taker)
            layer.set_call(x=source.call.out)
        for pool in flow.pools:
            old: Any = work.get_submodule(pool)
            sizes = (old.kernel_size, old.stride, old.padding, old.dilation)
            set_module(work, pool, CodesMaxPool2d(*sizes, ceil_mode=old.ceil_mode).eval())


def outputs_or_error(work: nn.Module, batches: Sequence[Batch]) -> list[torch.Tensor]:
    """The outputs. Raises QuantizationError where the model does not take the data."""
    try:
        return outputs_of(work, batches)
    except QuantizationError:
        raise
    except OptimizationError as error:
        raise QuantizationError(str(error)) from error


def _dynamic(layer: nn.Module, config: QuantizationConfig) -> nn.Module | str:
    if isinstance(layer, nn.Embedding):
        return _table(layer, config)
    if isinstance(layer, nn.LSTM | nn.GRU):
        return DynamicInt8Recurrent.from_float(layer, config.per_channel, config.backend)
    if not isinstance(layer, nn.Linear):
        return f"dynamic int8 is for linear and recurrent layers, not {type(layer).__name__}"
    made = DynamicInt8Linear(*round_weights(layer.weight, config.per_channel), copied(layer.bias))
    made.backend = config.backend
    return made


def _static(layer: nn.Module, config: QuantizationConfig) -> nn.Module | str:
    if isinstance(layer, nn.Embedding):
        return _table(layer, config)
    if why := objection(layer):
        return why
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    bias = copied(layer.bias if isinstance(layer.bias, torch.Tensor) else None)
    made = StaticInt8(*round_weights(weight, config.per_channel), bias, geometry_of(layer))
    made.backend = config.backend
    return made


def _table(layer: nn.Embedding, config: QuantizationConfig) -> nn.Module | str:
    return weight_only(layer, 8, config.per_channel, {}) if config.embeddings else "embeddings=False"


def as_float(work: nn.Module) -> nn.Module:
    """A lean copy that int8 layers fit into: in float32, as they give it, and with projections that are layers.

    Raises QuantizationError for weights that are not on the CPU.
    """
    devices = {parameter.device.type for parameter in work.parameters()} - {"cpu"}
    if devices:
        raise QuantizationError(f"int8 layers run on the CPU and the weights are on {', '.join(devices)}: model.cpu()")
    work = borrowing_copy(work, torch.float32).float()
    split_attentions(work)
    return work


def _nothing(left: Sequence[tuple[str, str]]) -> QuantizationError:
    reasons = "; ".join(f"{name or 'the model'}: {why}" for name, why in left[:5])
    return QuantizationError(f"no layer can be quantised: {reasons or 'the model holds no weights'}")
