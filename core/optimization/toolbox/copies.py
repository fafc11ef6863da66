"""Copies of models that share the weights of what they were made from, as long as nothing changes them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from core.utils.errors import QuantizationError


def borrowing_copy(model: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy in evaluation mode whose modules and buffers are its own and whose parameters are the model's.

    With `dtype` parameters of another float type become that, in memory of their own. It is for running and for
    putting other layers into it; neither `to` nor training. Raises QuantizationError for what cannot be copied.
    """
    kept = {id(one): _converted(one, dtype) for one in model.parameters()}
    return deep_copy(model, dict(kept)).eval()


def deep_copy(model: nn.Module, known: dict[int, object] | None = None) -> nn.Module:
    """Of everything but what is `known` by its id. Raises QuantizationError."""
    try:
        return copy.deepcopy(model, known)
    except (TypeError, RuntimeError) as error:
        raise QuantizationError(f"{type(model).__name__} cannot be copied ({error}); give one that can") from error


def _converted(parameter: nn.Parameter, dtype: torch.dtype | None) -> nn.Parameter:
    if dtype is None or not parameter.is_floating_point() or parameter.dtype == dtype:
        return parameter
    return nn.Parameter(parameter.detach().to(dtype), parameter.requires_grad)


@torch.no_grad()
def own_weights_of(work: nn.Module, lender: nn.Module) -> None:
    """Whatever `work` still shares with `lender` becomes its own; what is shared within it stays so."""
    lent = {storage_key(one) for one in (*lender.parameters(), *lender.buffers()) if storage_key(one)}
    made: dict[int, Tensor] = {}
    for module in work.modules():
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if storage_key(tensor) not in lent:
                continue
            if id(tensor) not in made:
                own = tensor.detach().clone()
                is_parameter = isinstance(tensor, nn.Parameter)
                made[id(tensor)] = nn.Parameter(own, tensor.requires_grad) if is_parameter else own
            setattr(module, name, made[id(tensor)])


def storage_key(tensor: Tensor) -> int:
    """The same for all that share memory; 0 where that cannot be told."""
    return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided else 0
