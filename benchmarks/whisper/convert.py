"""openai-whisper's checkpoints as CTranslate2 folders that faster-whisper loads offline, without transformers.

The layout is that of ctranslate2.converters.TransformersConverter, filled from OpenAI's names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.converters import utils
from ctranslate2.specs import common_spec, whisper_spec
from torch import Tensor

from benchmarks.whisper.tokens import LANGUAGES, vocabulary, write_tokenizer

_FIRST_LANGUAGE = 50259
_BLANK, _END = 220, 50257


def convert(checkpoint: dict[str, Any], folder: Path, quantization: str | None = None) -> None:
    """Write `checkpoint` ({"dims", "model_state_dict"}, multilingual, 51,865 tokens) to `folder`.

    `quantization`: None keeps float32; else int8, int8_float32, float16, ...
    """
    dims = checkpoint["dims"]
    weights: dict[str, Tensor] = checkpoint["model_state_dict"]
    if dims["n_vocab"] != len(vocabulary()):
        raise ValueError(f"the vocabulary has {dims['n_vocab']} tokens; only {len(vocabulary())} can be converted")
    spec = whisper_spec.WhisperSpec(
        dims["n_audio_layer"], dims["n_audio_head"], dims["n_text_layer"], dims["n_text_head"]
    )
    source = _Source(weights)
    source.encoder(spec.encoder)
    source.decoder(spec.decoder)
    layers, heads = dims["n_text_layer"], dims["n_text_head"]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [_BLANK, _END]
    spec.config.lang_ids = list(range(_FIRST_LANGUAGE, _FIRST_LANGUAGE + LANGUAGES))
    spec.config.alignment_heads = [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]
    spec.register_vocabulary(list(vocabulary()))
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    write_tokenizer(folder / "tokenizer.json")


class _Source:
    """OpenAI's tensors by name, put into CTranslate2's layers."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._weights = weights

    def encoder(self, spec: Any) -> None:
        for name in ("conv1", "conv2"):
            conv = getattr(spec, name)
            conv.weight, conv.bias = self._array(f"encoder.{name}.weight"), self._array(f"encoder.{name}.bias")
        spec.position_encodings.encodings = self._array("encoder.positional_embedding")
        self._norm(spec.layer_norm, "encoder.ln_post")
        for index, layer in enumerate(spec.layer):
            self._block(layer, f"encoder.blocks.{index}")

    def decoder(self, spec: Any) -> None:
        spec.embeddings.weight = spec.projection.weight = self._array("decoder.token_embedding.weight")
        spec.position_encodings.encodings = self._array("decoder.positional_embedding")
        self._norm(spec.layer_norm, "decoder.ln")
        for index, layer in enumerate(spec.layer):
            block = f"decoder.blocks.{index}"
            self._block(layer, block)
            cross = f"{block}.cross_attn"
            self._norm(layer.attention.layer_norm, f"{cross}_ln")
            utils.fuse_linear(layer.attention.linear[0], [self._linear(f"{cross}.query")])
            utils.fuse_linear(layer.attention.linear[1], [self._linear(f"{cross}.key"), self._linear(f"{cross}.value")])
            self._linear(f"{cross}.out", layer.attention.linear[2])

    def _block(self, layer: Any, name: str) -> None:
        attention = layer.self_attention
        self._norm(attention.layer_norm, f"{name}.attn_ln")
        utils.fuse_linear(
            attention.linear[0], [self._linear(f"{name}.attn.{part}") for part in ("query", "key", "value")]
        )
        self._linear(f"{name}.attn.out", attention.linear[1])
        self._norm(layer.ffn.layer_norm, f"{name}.mlp_ln")
        self._linear(f"{name}.mlp.0", layer.ffn.linear_0)
        self._linear(f"{name}.mlp.2", layer.ffn.linear_1)

    def _linear(self, name: str, into: Any = None) -> Any:
        spec = common_spec.LinearSpec() if into is None else into
        spec.weight = self._array(f"{name}.weight")
        if f"{name}.bias" in self._weights:
            spec.bias = self._array(f"{name}.bias")
        return spec

    def _norm(self, spec: Any, name: str) -> None:
        spec.gamma, spec.beta = self._array(f"{name}.weight"), self._array(f"{name}.bias")

    def _array(self, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        return self._weights[name].detach().float().cpu().contiguous().numpy()
