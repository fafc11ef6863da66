"""Builds a model from its folder, tensor by tensor: beside the model itself no more than one piece is ever in memory.

Llama's family becomes our own Decoder; any other causal LM runs through transformers' modules (core.models.hf_model).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from core.models.checkpoint import Checkpoint
from core.models.configuration import DecoderConfig, UnsupportedDecoderError, read_config
from core.models.decoder import Decoder
from core.models.packing import PACKED_BITS, fill_packed
from core.models.requirements import BYTES_PER_WEIGHT, check_memory, model_bytes
from core.utils.errors import MissingDependencyError, ModelLoadError

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "float16", "int8", "int4"]
IGNORED_SUFFIXES = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""tables that old checkpoints carry and every program computes itself"""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load."""

    precision: Precision = "float32"
    device: str = "cpu"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """fields of config.json to replace"""
    memory_bytes: int | None = None
    """main memory that is free; on a CPU a model that needs more is refused. None: not checked"""
    packed_cache: Path | None = None
    """folder where packed weights are kept for the next start; None: they are packed anew each time"""
    fused: bool = True
    """whether core.models.fused runs the decoder on a CPU where it can, and core.models.cuda_graph on a card"""


def load_model(folder: Path, options: LoadOptions | None = None) -> tuple[Any, dict[str, Any]]:
    """The model, ready to compute, and its config.json. A GPU without room is left for the CPU, with a warning.

    Raises ModelLoadError for files that are absent, damaged or do not fit together, ModelTooLargeError for a model
    that main memory does not hold, ValueError for an unknown precision.
    """
    options = options or LoadOptions()
    if options.precision not in BYTES_PER_WEIGHT:
        raise ValueError(f"precision {options.precision!r} is unknown; take one of {', '.join(BYTES_PER_WEIGHT)}")
    if not folder.is_dir():
        raise ModelLoadError(f"{folder} is no folder; give the folder of a model or the name of a repository")
    config = read_config(folder) | dict(options.overrides)
    _refuse_quantised(folder, config)
    try:
        with torch.inference_mode(False):  # tensors that are made inside are of no use outside
            return _load(folder, config, options), config
    except torch.OutOfMemoryError as error:
        logger.warning(
            "%s does not fit on %s as %s (%s); it runs on the CPU instead: a smaller model or int4 may fit",
            folder.name, options.device, options.precision, str(error).partition(". ")[0],
        )  # fmt: skip
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with torch.inference_mode(False):
        return _load(folder, config, replace(options, device="cpu")), config


def build_decoder(config: DecoderConfig, checkpoint: Checkpoint, options: LoadOptions) -> Decoder:
    """A Decoder with the checkpoint's weights."""
    with torch.device("meta"):
        decoder = Decoder(config)
    _check_tensors(decoder, checkpoint)
    if options.device == "cpu" and options.memory_bytes is not None:
        sizes = {precision: model_bytes(decoder, precision) for precision in BYTES_PER_WEIGHT}
        check_memory(sizes, options.precision, options.memory_bytes, checkpoint.folder.name)
    if options.precision in PACKED_BITS:
        fill_packed(decoder, checkpoint, PACKED_BITS[options.precision], options.packed_cache)
        decoder.to(options.device)
    else:
        _fill(decoder, checkpoint, getattr(torch, options.precision), options.device)
    decoder.eval().requires_grad_(False)
    if options.fused and options.device == "cpu":
        _fuse(decoder)
    elif options.fused and options.device == "cuda" and options.precision not in PACKED_BITS:
        from core.models.cuda_graph import GraphedDecoder

        decoder.fused = GraphedDecoder(decoder)
    return decoder


def to_cpu(model: Any) -> None:
    """Move a model off its card, tensor by tensor. What it had computed into caches stays there: make them anew."""
    own = isinstance(model, Decoder)
    if own:
        model.fused = None
    with torch.inference_mode(False):
        (model if own else model.network).to("cpu")
    if own:
        _fuse(model)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load(folder: Path, config: dict[str, Any], options: LoadOptions) -> Any:
    try:
        decoder_config = DecoderConfig.from_dict(config)
    except UnsupportedDecoderError as reason:
        try:
            from core.models.hf_loading import load_hf_model
        except ImportError as error:
            raise MissingDependencyError(
                f"{folder.name} is none of our own architectures ({reason}) and needs transformers, which cannot be "
                f"imported ({error}); install the extra 'full'"
            ) from error

        logger.info("%s runs through transformers' own modules (%s)", folder.name, reason)
        return load_hf_model(folder, config, options)
    return build_decoder(decoder_config, Checkpoint(folder), options)


def _fill(decoder: Decoder, checkpoint: Checkpoint, dtype: torch.dtype, device: str) -> None:
    largest_first = sorted(decoder.named_parameters(), key=lambda pair: -pair[1].numel())
    for name, _ in largest_first:
        path, _, leaf = name.rpartition(".")
        tensor = checkpoint.read(name, dtype).to(device)
        setattr(decoder.get_submodule(path), leaf, nn.Parameter(tensor, requires_grad=False))


def _fuse(decoder: Decoder) -> None:
    from core.models.fused import FusedDecoder, obstacle
    from core.models.quantize import has_kernels

    reason = obstacle(decoder) if has_kernels() else "numba, which compiles its kernels, is not installed"
    if reason:
        logger.info("the model runs layer by layer: %s", reason)
    else:
        decoder.fused = FusedDecoder(decoder)


def _refuse_quantised(folder: Path, config: Mapping[str, Any]) -> None:
    """Weights that another engine has quantised are in its own format."""
    given = config.get("quantization") or config.get("quantization_config")
    if given:
        method = given.get("quant_method", "MLX") if isinstance(given, Mapping) else "an unknown method"
        raise ModelLoadError(
            f"{folder}: these weights were quantised by {method}, whose format is not read here; take the original "
            "model, which Merline quantises itself (precision int8 or int4)"
        )


def _check_tensors(decoder: Decoder, checkpoint: Checkpoint) -> None:
    """Names and shapes; nothing is read for it."""
    wanted = {name: tuple(parameter.shape) for name, parameter in decoder.named_parameters()}
    missing = sorted(name for name in wanted if name not in checkpoint)
    if missing:
        raise ModelLoadError(
            f"{checkpoint.folder}: {len(missing)} tensors are missing, the first is {missing[0]}; fetch the model again"
        )
    known = {*wanted, "lm_head.weight"} if decoder.config.tie_embeddings else set(wanted)
    extra = sorted(name for name in checkpoint if name not in known and not name.endswith(IGNORED_SUFFIXES))
    if extra:
        raise ModelLoadError(
            f"{checkpoint.folder}: config.json does not tell of {extra[0]} ({len(extra)} such tensors); "
            "the files do not belong together, fetch the model again"
        )
    for name, shape in wanted.items():
        found = checkpoint.entry(name).shape
        if found != shape:
            raise ModelLoadError(
                f"{checkpoint.folder}: {name} has shape {list(found)} where config.json asks for {list(shape)}; "
                "the files do not belong together, fetch the model again"
            )
