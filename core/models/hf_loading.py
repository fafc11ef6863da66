"""Reads any other causal LM of Hugging Face than Llama's family, by transformers' own loader, into an HFModel.

Weights come from safetensors only, and code that comes with a model is never run. One that keeps a state and does not
go on from it as if it had read all at once is refused.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import AutoModelForCausalLM

from core.models.checkpoint import Checkpoint
from core.models.hf_model import HFModel
from core.models.requirements import BYTES_PER_WEIGHT, check_memory
from core.utils.errors import ModelLoadError

logger = logging.getLogger(__name__)


def load_hf_model(folder: Path, config: Mapping[str, Any], options: Any) -> HFModel:
    """Raises ModelLoadError for what transformers does not know, would need code for, or finds incomplete."""
    checkpoint = Checkpoint(folder)
    if config.get("auto_map") and not config.get("model_type"):
        raise ModelLoadError(f"{folder}: this model needs code of its own, which is never run; take another")
    precision = options.precision
    if precision in ("int8", "int4"):
        precision = "bfloat16"
        logger.warning(
            "%s runs through transformers' modules, which stay in bfloat16: no %s", folder, options.precision
        )
    if options.device == "cpu" and options.memory_bytes is not None:
        count = sum(math.prod(checkpoint.entry(name).shape) for name in checkpoint)
        sizes = {one: count * BYTES_PER_WEIGHT[one] for one in ("float32", "bfloat16", "float16")}
        check_memory(sizes, precision, options.memory_bytes, folder.name)
    # In the file's own type, so that transformers maps it and copies nothing; then each tensor in the type asked for.
    kept = max((checkpoint.entry(name) for name in checkpoint), key=lambda entry: entry.size_bytes).dtype
    network = _read_by_transformers(folder, kept, options.overrides, config.get("model_type"))
    network.eval().requires_grad_(False)
    if kept != getattr(torch, precision):
        _convert(network, checkpoint, getattr(torch, precision))
    model = HFModel(network.to(options.device))
    if model.keeps_state and not _goes_on(model):
        raise ModelLoadError(
            f"{folder}: {config.get('model_type')} keeps a state that it cannot be given back; take another model"
        )
    return model


def _read_by_transformers(folder: Path, kept: torch.dtype, overrides: Mapping[str, Any], kind: Any) -> Any:
    """Its module, each tensor in the type `kept`; `kind` is the model's type, for errors."""
    try:
        with without_progress_bars():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=kept,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **overrides,
            )
    except (
        OSError, ValueError, LookupError, ImportError, RuntimeError, TypeError, AttributeError, StrictDataclassError
    ) as error:  # fmt: skip
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = str(error).partition("\n")[0]
        raise ModelLoadError(
            f"{folder}: transformers cannot load {kind!r} ({reason}); "
            "take a causal language model that it knows, or a newer transformers"
        ) from error
    network, info = loaded
    lacking = sorted(info["missing_keys"]) or sorted(str(one) for one in info["mismatched_keys"])
    if lacking:
        raise ModelLoadError(
            f"{folder}: {len(lacking)} tensors are missing or of another shape, the first is {lacking[0]}; "
            "fetch the model again"
        )
    return network


def _goes_on(model: HFModel) -> bool:
    """Whether three tokens in two parts give what they give at once, in the model's own precision."""
    tokens = torch.arange(3).remainder(model.vocab).unsqueeze(0)
    try:
        cache = model.make_cache()
        model(tokens[:, :2], cache=cache, logits="none")  # type: ignore[arg-type]
        parted = model(tokens[:, 2:], cache=cache)  # type: ignore[arg-type]
        whole = model(tokens)
    except (TypeError, ValueError, AttributeError, IndexError, KeyError, RuntimeError) as error:
        logger.info("it does not take transformers' cache of states: %s", error)
        return False
    assert parted is not None
    assert whole is not None
    return torch.allclose(parted[:, -1], whole[:, -1], rtol=0.05, atol=0.05 * float(whole.abs().max()))


def _convert(network: nn.Module, checkpoint: Checkpoint, dtype: torch.dtype) -> None:
    """Give each parameter another type, read from the file again: what was mapped is never touched, nor counted twice.

    A parameter that the file has under another name or in another order is converted in memory.
    """
    for name, parameter in network.named_parameters():
        if name in checkpoint and checkpoint.entry(name).shape == tuple(parameter.shape):
            first, last = checkpoint.rows(name, 0, 1), checkpoint.rows(name, parameter.shape[0] - 1, parameter.shape[0])
            if torch.equal(first, parameter.data[:1]) and torch.equal(last, parameter.data[-1:]):
                parameter.data = checkpoint.read(name, dtype)
                continue
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Transformers', while it reads or writes a model: they would be drawn into what the program says itself."""
    their_logging: Any = import_module("transformers.utils.logging")
    shown = their_logging.is_progress_bar_enabled()
    their_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            their_logging.enable_progress_bar()
