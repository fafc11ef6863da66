"""What a model takes in main memory, reckoned from its shapes before anything is allocated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import nn

from core.models.quantize import GROUP, Bits, can_pack
from core.utils.errors import ModelTooLargeError

if TYPE_CHECKING:
    from core.models.configuration import DecoderConfig
    from core.models.decoder import Decoder

BYTES_PER_WEIGHT = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1 + 2 / GROUP, "int4": 0.5 + 2 / GROUP}
"""packed weights share a float16 scale by groups"""
EMBEDDING, HEAD = "model.embed_tokens", "lm_head"
KEYS_AND_VALUES = (".k_proj", ".v_proj")
NARROW = 768
"""a hidden size below which 4 bits in every layer cost more than they save"""
_LAYER = re.compile(r"\blayers\.(\d+)\.")
WORKING_SHARE = 1.1
"""the model's size, and what is around it while it is read and computes"""


def bits_of(path: str, config: DecoderConfig, bits: Bits) -> Bits:
    """Of the matrix at `path`, in a model of so many bits.

    Embeddings and the output head have 8: in 4 a head costs a small model more than all else. So have keys and values
    that several heads share, as each of their errors is made by all of these: few weights, and nearly half the loss.
    And in a narrow model the first and the last eighth of its layers (SmolLM2-135M on Python's licence and language
    reference: perplexity 1.16 times int8's without, 1.04 with the first four and the last two of its thirty).
    """
    shared = config.kv_heads < config.heads and path.endswith(KEYS_AND_VALUES)
    return 8 if shared or path in (EMBEDDING, HEAD) or _is_outer(path, config) else bits


def _is_outer(path: str, config: DecoderConfig) -> bool:
    """Whether a matrix belongs to one of a narrow model's first or last layers."""
    found = _LAYER.search(path)
    if found is None or config.hidden >= NARROW:
        return False
    return min(int(found[1]), config.layers - 1 - int(found[1])) < config.layers // 8


def model_bytes(model: Decoder, precision: str) -> int:
    """What the weights of a model without storage (on the meta device) will take."""
    packed = precision in ("int8", "int4")
    total = 0.0
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            size = parameter.numel()
            matrix = isinstance(module, (nn.Linear, nn.Embedding)) and name == "weight"
            if packed and not (matrix and can_pack(parameter.shape[-1])):
                total += 4 * size
            elif precision == "int4":
                total += BYTES_PER_WEIGHT[f"int{bits_of(path, model.config, 4)}"] * size
            else:
                total += BYTES_PER_WEIGHT[precision] * size
    return int(total)


def check_memory(sizes: Mapping[str, float], precision: str, free_bytes: int, name: str) -> None:
    """Raises ModelTooLargeError, naming what does fit, when the model needs more than there is.

    `sizes` are the bytes of its weights by precision, in those that it can be had in, widest first.
    """
    needed = WORKING_SHARE * sizes[precision]
    if needed <= free_bytes:
        return
    for other, size in sizes.items():
        fits = WORKING_SHARE * size
        if fits <= free_bytes:
            cure = f"as {other} it needs {_gb(fits)}, which fits: set the precision to {other}"
            break
    else:
        smallest = list(sizes)[-1]
        most = free_bytes / WORKING_SHARE / BYTES_PER_WEIGHT[smallest] / 1e9
        cure = f"the largest model that fits has about {most:.1f} billion parameters, as {smallest}: take a smaller one"
    raise ModelTooLargeError(
        f"{name} as {precision} needs {_gb(needed)} of memory and {_gb(free_bytes)} are free; {cure}"
    )


def _gb(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.2f} GB"
