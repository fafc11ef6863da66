"""Fills a decoder with 8 or 4 bit weights: each matrix is quantised a few rows at a time as it is read.

With a folder to keep them in, the packed weights are written there and mapped in at the next start. A kept file
belongs to exactly these weights; one that is damaged or of others is made anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from core.models.checkpoint import Checkpoint
from core.models.decoder import Decoder
from core.models.packed_linear import PackedEmbedding, PackedLinear
from core.models.packed_store import PackedStore
from core.models.quantize import BLOCK, GROUP, Bits, Packed, can_pack, pack
from core.models.requirements import EMBEDDING, HEAD, bits_of
from core.utils.errors import ModelLoadError, QuantizationError

logger = logging.getLogger(__name__)

PACKED_BITS: dict[str, Bits] = {"int8": 8, "int4": 4}
WEIGHTS_AT_ONCE = 2**18
"""quantised together: their temporaries are a few times as large as float32"""

Weights = Callable[[str, int, int, Bits], Packed]
"""packed weights by a matrix's name, rows, columns and bits"""
Floats = Callable[[str], Tensor]
"""a float32 tensor by name"""


def fill_packed(decoder: Decoder, checkpoint: Checkpoint, bits: Bits, folder: Path | None) -> None:
    """Give a decoder on the meta device its weights. What has rows of an odd length, and norms, stay float32.

    What packing took is in `decoder.packing_s` where the next start is spared it. Raises ModelLoadError for weights
    that are no numbers.
    """
    if folder is None:
        _fill(decoder, bits, _packer(checkpoint), lambda name: checkpoint.read(name, torch.float32))
        return
    store = PackedStore(folder, checkpoint, bits)
    kept = store.open()
    if kept is not None and _fits(decoder, bits, kept):
        _fill(decoder, bits, lambda name, rows, columns, bits: _kept_weights(kept, name, rows), kept.__getitem__)
        return
    began_s = time.perf_counter()
    _fill(decoder, bits, _packer(checkpoint), lambda name: checkpoint.read(name, torch.float32))
    if store.write(packed_tensors(decoder)):
        decoder.packing_s = time.perf_counter() - began_s


def packed_tensors(decoder: Decoder) -> dict[str, Tensor]:
    """Every tensor once, by the name of what it was in the checkpoint: a matrix's is split in codes and scales."""
    found: dict[str, Tensor] = {}
    for name, module in decoder.named_modules():
        if isinstance(module, PackedLinear):
            whole = EMBEDDING if name == HEAD and decoder.config.tie_embeddings else name.removesuffix(".linear")
            found[f"{whole}.weight.codes"], found[f"{whole}.weight.scales"] = module.packed, module.scales
            found[f"{whole}.bias"] = module.bias[: module.rows]
        elif not isinstance(module, PackedEmbedding):
            for leaf, parameter in module.named_parameters(recurse=False):
                found[f"{name}.{leaf}"] = parameter.data
    return found


def _fill(decoder: Decoder, bits: Bits, weights: Weights, floats: Floats) -> None:
    config = decoder.config
    matrices = [(name, one) for name, one in decoder.named_modules() if isinstance(one, nn.Linear)]
    if can_pack(config.hidden):
        table = PackedLinear(weights(EMBEDDING, config.vocab, config.hidden, bits_of(EMBEDDING, config, bits)))
        decoder.model.embed_tokens = PackedEmbedding(table)
        if config.tie_embeddings:
            decoder.lm_head = table
    for name, linear in sorted(matrices, key=lambda pair: -pair[1].weight.numel()):
        if can_pack(linear.in_features):
            bias = None if linear.bias is None else floats(f"{name}.bias")
            own = bits_of(name, config, bits)
            packed = PackedLinear(weights(name, linear.out_features, linear.in_features, own), bias)
            path, _, leaf = name.rpartition(".")
            setattr(decoder.get_submodule(path), leaf, packed)
    for name, _ in list(decoder.named_parameters()):
        path, _, leaf = name.rpartition(".")
        setattr(decoder.get_submodule(path), leaf, nn.Parameter(floats(name), requires_grad=False))


def _packer(checkpoint: Checkpoint) -> Weights:
    def packed(name: str, rows: int, columns: int, bits: Bits) -> Packed:
        blocks, groups = -(-rows // BLOCK), columns // GROUP
        codes = torch.empty(blocks, groups, 64 * bits, dtype=torch.uint8)
        scales = torch.empty(blocks, groups, BLOCK, dtype=torch.float16)
        step = max(BLOCK, WEIGHTS_AT_ONCE // columns // BLOCK * BLOCK)
        for first in range(0, rows, step):
            weights = checkpoint.rows(f"{name}.weight", first, min(first + step, rows), torch.float32)
            try:
                part = pack(weights, bits)
            except QuantizationError as error:
                raise ModelLoadError(f"{checkpoint.folder}: {name}: {error}") from error
            at = slice(first // BLOCK, first // BLOCK + part.codes.shape[0])
            codes[at], scales[at] = part.codes, part.scales
        return Packed(codes, scales, rows)

    return packed


def _kept_weights(kept: dict[str, Tensor], name: str, rows: int) -> Packed:
    return Packed(kept[f"{name}.weight.codes"], kept[f"{name}.weight.scales"], rows)


def _fits(decoder: Decoder, bits: Bits, kept: dict[str, Tensor]) -> bool:
    """Whether a kept file has every tensor in the shape that the configuration asks for."""
    for name, shape in _expected(decoder, bits).items():
        if name not in kept or tuple(kept[name].shape) != shape:
            logger.warning("the packed weights kept for %s lack %s; they are made anew", decoder.config.family, name)
            return False
    return True


def _expected(decoder: Decoder, bits: Bits) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, module in decoder.named_modules():
        for leaf, parameter in module.named_parameters(recurse=False):
            full = f"{name}.{leaf}"
            matrix = leaf == "weight" and isinstance(module, (nn.Linear, nn.Embedding))
            if matrix and can_pack(parameter.shape[-1]):
                own = bits_of(name, decoder.config, bits)
                blocks, groups = -(-parameter.shape[0] // BLOCK), parameter.shape[1] // GROUP
                found[f"{full}.codes"], found[f"{full}.scales"] = (blocks, groups, 64 * own), (blocks, groups, BLOCK)
            else:
                found[full] = tuple(parameter.shape)
    return found
