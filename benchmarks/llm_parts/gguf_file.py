"""The same tensors as a file for llama.cpp, quantised as its own formats Q4_0 and Q8_0; every matrix, the table too.

Written from the format's specification with the package `gguf`. The file has no vocabulary: tokens go in and out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMATS = ("Q4_0", "Q8_0")
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OTHER_NAMES = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}


def gguf_path(folder: Path, kind: str) -> Path:
    """The file beside the model's own, made at the first call: half a minute."""
    path = folder / f"model-{kind}.gguf"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        write_gguf(folder, kind, unfinished)
        unfinished.rename(path)
    return path


def write_gguf(folder: Path, kind: str, path: Path) -> None:
    """A Qwen2 folder with tied embeddings as one file."""
    import gguf

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(path, "qwen2")
    describe(writer, config)
    quantised = gguf.GGMLQuantizationType[kind]
    for name, values in tensors(folder):
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, quantised), raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def describe(writer: Any, config: dict[str, Any]) -> None:
    """What llama.cpp asks to know of the network."""
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")


def tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    """llama.cpp's names, float32 numpy arrays."""
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            yield llama_name(name), file.get_tensor(name).float().numpy()


def llama_name(name: str) -> str:
    """model.layers.3.mlp.up_proj.weight -> blk.3.ffn_up.weight."""
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    _, _, layer, *middle, kind = name.split(".")
    return f"blk.{layer}.{NAMES['.'.join(middle)]}.{kind}"
