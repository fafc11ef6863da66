"""Quantisation-aware training: weights learn on while they are rounded, gradients pass as if they were not.

Source: the straight-through estimator, Bengio et al., arXiv 1308.3432, as Jacob et al., arXiv 1712.05877, use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.graphs import replace_module
from core.optimization.toolbox.int8_kernels import plain_product
from core.optimization.toolbox.int8_layers import StaticInt8, copied, round_weights
from core.optimization.toolbox.quality import refuse_without_gradient, training_loss
from core.optimization.toolbox.quantization_config import QuantizationConfig
from core.utils.errors import OptimizationError, QuantizationError


class RoundedLayer(nn.Module):
    """What an int8 layer will compute, in float and with gradients. Ranges are those of calibration."""

    def __init__(self, like: StaticInt8, weight: Tensor, per_channel: bool) -> None:
        super().__init__()
        self.like, self.per_channel = like.call, per_channel
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = None if like.bias is None else nn.Parameter(like.bias.detach().clone())
        self.backend = like.backend

    def forward(self, x: Tensor) -> Tensor:
        """float32."""
        call = self.like
        peaks = self.weight.detach().abs().flatten(1).amax(dim=1)
        scales = ((peaks if self.per_channel else peaks.max().expand_as(peaks)) / 127).clamp_min(1e-12)
        zeros = torch.zeros(len(scales), dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(self.weight, scales, zeros, 0, -127, 127)
        x = torch.fake_quantize_per_tensor_affine(x, call.x.scale, call.x.zero_point, 0, call.x.levels)
        shape = (-1,) + (1,) * (call.geometry.dimensions if call.geometry else 0)
        y = plain_product(x, weight, call)
        y = y if self.bias is None else y + self.bias.view(shape)
        return y.relu() if call.relu else y

    def rounded(self) -> StaticInt8:
        """The int8 layer of the weights as they are now."""
        codes, scales = round_weights(self.weight, self.per_channel)
        made = StaticInt8(codes, scales, copied(self.bias), self.like.geometry)
        made.backend = self.backend
        made.set_call(x=self.like.x, out=self.like.out, relu=self.like.relu, hands_on=self.like.hands_on)
        return made


def train_under_rounding(
    work: nn.Module,
    floats: Mapping[str, nn.Module],
    data: tuple[Sequence[Batch], Sequence[Tensor]],
    how: tuple[QuantizationConfig, Callable[[str], None]],
) -> list[float]:
    """Train the static model itself from the float layers' weights; the loss of each step.

    `data`: batches, and what the float model gave for each: followed where there are no labels. `how`: the
    configuration, and who is told of every tenth of the steps. Raises QuantizationError where the loss is not finite.
    """
    (batches, exact), (config, progress) = data, how
    tenth = max(1, config.qat.steps // 10)
    rounded = {}
    for name, layer in floats.items():
        static = work.get_submodule(name)
        assert isinstance(static, StaticInt8)
        assert isinstance(layer.weight, Tensor)
        rounded[name] = RoundedLayer(static, layer.weight, config.per_channel)
        replace_module(work, static, rounded[name])
    parameters = [one for layer in rounded.values() for one in layer.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=config.qat.learning_rate)
    order = torch.Generator().manual_seed(config.qat.seed)
    losses: list[float] = []
    with torch.enable_grad():
        while len(losses) < config.qat.steps:
            for index in torch.randperm(len(batches), generator=order).tolist()[: config.qat.steps - len(losses)]:
                optimizer.zero_grad()
                try:
                    loss = training_loss(batches[index].run(work), batches[index].labels, exact[index])
                except OptimizationError as error:
                    raise QuantizationError(f"training under rounding: {error}") from error
                found = float(loss.detach())
                if not math.isfinite(found):
                    raise QuantizationError(f"training under rounding: the loss is {found}; lower learning_rate")
                refuse_without_gradient(loss, work, QuantizationError)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                losses.append(found)
                if len(losses) % tenth == 0:
                    progress(f"training under rounding, step {len(losses)} of {config.qat.steps}: loss {found:.4g}")
    for layer in rounded.values():
        replace_module(work, layer, layer.rounded())
    return losses
