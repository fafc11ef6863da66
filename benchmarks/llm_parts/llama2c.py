"""llama2.c's model files as a Hugging Face folder: a trained model of 260 thousand weights that tells stories.

    python3 -m benchmarks.llm_parts.llama2c FOLDER      converts stories260K.bin from MERLINE_ASSETS (../shared/assets)

The rows of the query and key matrices are put in Hugging Face's order (llama2.c turns neighbours,
Hugging Face halves), and the feed-forward part is filled up with zeros from 172 to 192, so that its rows divide into
groups of 32: the network computes the same.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpora.speech import ASSETS

Floats = NDArray[np.float32]

MODEL = ASSETS / "llm" / "stories260K.bin"
VOCABULARY = ASSETS / "llm" / "tok512.bin"
GROUP = 32


@dataclass(frozen=True, slots=True)
class Header:
    """The seven numbers in front of the weights."""

    width: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    context: int

    @property
    def head_size(self) -> int:
        return self.width // self.heads


def convert(model: Path, vocabulary: Path, folder: Path) -> Path:
    """Write config.json, model.safetensors and a tokenizer into `folder`."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    data = model.read_bytes()
    header = Header(*struct.unpack("<7i", data[:28]))
    save_file(dict(_tensors(header, np.frombuffer(data, "<f4", offset=28))), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(_config(header), indent=1), encoding="utf-8")
    _write_tokenizer(_pieces(vocabulary, header.vocabulary), folder)
    return folder


def _config(header: Header) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": header.width,
        "intermediate_size": header.inner + -header.inner % GROUP,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "num_key_value_heads": header.kv_heads,
        "head_dim": header.head_size,
        "vocab_size": header.vocabulary,
        "max_position_embeddings": header.context,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "float32",
    }


def _tensors(header: Header, values: Floats) -> Iterator[tuple[str, Floats]]:
    """Hugging Face's names; the file has each kind of matrix for all layers together."""
    width, inner, layers = header.width, header.inner, header.layers
    shared = header.kv_heads * header.head_size
    taken = 0

    def take(*shape: int) -> Floats:
        nonlocal taken
        size = int(np.prod(shape))
        taken += size
        return values[taken - size : taken].reshape(shape)

    yield "model.embed_tokens.weight", take(header.vocabulary, width).copy()
    stacks = {
        "input_layernorm": take(layers, width),
        "self_attn.q_proj": take(layers, width, width),
        "self_attn.k_proj": take(layers, shared, width),
        "self_attn.v_proj": take(layers, shared, width),
        "self_attn.o_proj": take(layers, width, width),
        "post_attention_layernorm": take(layers, width),
        "mlp.gate_proj": take(layers, inner, width),
        "mlp.down_proj": take(layers, width, inner),
        "mlp.up_proj": take(layers, inner, width),
    }
    for n in range(layers):
        for name, stack in stacks.items():
            yield f"model.layers.{n}.{name}.weight", _as_hugging_face(name, stack[n], header).copy()
    yield "model.norm.weight", take(width).copy()


def _as_hugging_face(name: str, weight: Floats, header: Header) -> Floats:
    missing = -header.inner % GROUP
    if name in ("self_attn.q_proj", "self_attn.k_proj"):
        pairs = weight.reshape(-1, header.head_size // 2, 2, header.width)
        return pairs.transpose(0, 2, 1, 3).reshape(weight.shape)
    if name in ("mlp.gate_proj", "mlp.up_proj"):
        return np.pad(weight, ((0, missing), (0, 0)))
    if name == "mlp.down_proj":
        return np.pad(weight, ((0, 0), (0, missing)))
    return weight


def _pieces(path: Path, count: int) -> list[tuple[str, float]]:
    """(text, score) of each token: after the longest length, a score, a length and the bytes of each."""
    data = path.read_bytes()
    found, at = [], 4
    for _ in range(count):
        score, length = struct.unpack_from("<fi", data, at)
        found.append((data[at + 8 : at + 8 + length].decode(errors="replace"), score))
        at += 8 + length
    return found


def _write_tokenizer(pieces: list[tuple[str, float]], folder: Path) -> None:
    """SentencePiece's BPE as merges: a piece is made of any two others, the best scored piece first."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    names = ["<unk>", "<s>", "</s>", *(text.replace(" ", "\u2581") for text, _ in pieces[3:])]
    vocabulary = {name: n for n, name in enumerate(names)}
    ranked = sorted(range(3 + 256, len(names)), key=lambda n: -pieces[n][1])
    merges = [
        (names[n][:cut], names[n][cut:])
        for n in ranked
        for cut in range(1, len(names[n]))
        if names[n][:cut] in vocabulary and names[n][cut:] in vocabulary
    ]
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


if __name__ == "__main__":
    print(convert(MODEL, VOCABULARY, Path(sys.argv[1])))
