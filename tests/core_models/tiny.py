"""Random-weight causal LMs on disk, made in milliseconds, that our loader, transformers and mlx-lm all read.

The weights are drawn wide enough for clear margins between tokens: three programs then agree on 200 greedy steps.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

SENTENCES = (
    "Set a timer for ten minutes and call it tea.",
    "What is the weather like in Lisbon tomorrow morning?",
    "Remind me to phone the dentist on Tuesday at half past nine.",
    "Éteins la lumière du salon, s'il te plaît, et mets de la musique.",
    "Quelle heure est-il à Montréal ? Il fait déjà nuit, je crois.",
    "The quick brown fox jumps over the lazy dog, 42 times out of 100.",
    "1. First this, 2. then that; finally (and only then) the rest!",
)
"""what the tokenizer is trained on, and what tests use as prompts"""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

LLAMA3_SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}

ARCHITECTURES = {
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
}

DIMENSIONS: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
    "vocab_size": 384,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "hidden_act": "silu",
    "bos_token_id": None,
    "eos_token_id": 2,
}


def tiny_model(folder: Path, family: str = "qwen2", seed: int = 0, dtype: Any = torch.float32, **dims: Any) -> Path:
    """Write config.json, model.safetensors and a tokenizer into `folder`; `dims` are fields of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    config = tiny_config(family, **dims)
    (folder / "config.json").write_text(json.dumps(config | {"torch_dtype": str(dtype).removeprefix("torch.")}))
    weights = {name: tensor.to(dtype) for name, tensor in random_weights(config, seed).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tiny_tokenizer(folder)
    return folder


def tiny_config(family: str, **dims: Any) -> dict[str, Any]:
    """A config.json of a family."""
    config = DIMENSIONS | {"model_type": family, "architectures": [ARCHITECTURES[family]]} | dims
    if family == "llama":
        config = {"attention_bias": False, "mlp_bias": False} | config
    if family == "qwen3":
        config = {"attention_bias": False} | config
    if family == "mistral":
        config = {"sliding_window": None} | config
    if family == "smollm3":
        config = {"attention_bias": False, "no_rope_layer_interval": 2, "pad_token_id": 0} | config
    return config


def random_weights(config: dict[str, Any], seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors by Hugging Face's names, float32."""
    generator = torch.Generator().manual_seed(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads, head_dim = (config[k] for k in ("num_attention_heads", "num_key_value_heads", "head_dim"))
    family = config["model_type"]
    qkv_bias = family == "qwen2" or config.get("attention_bias", False)
    o_bias = family != "qwen2" and config.get("attention_bias", False)
    mlp_bias = config.get("mlp_bias", False)
    found: dict[str, torch.Tensor] = {}

    def matrix(name: str, rows: int, columns: int, bias: bool) -> None:
        found[f"{name}.weight"] = torch.randn(rows, columns, generator=generator) * columns**-0.5
        if bias:
            found[f"{name}.bias"] = torch.randn(rows, generator=generator) * 0.2

    def norm(name: str, size: int) -> None:
        found[f"{name}.weight"] = 1 + 0.2 * torch.randn(size, generator=generator)

    found["model.embed_tokens.weight"] = torch.randn(config["vocab_size"], hidden, generator=generator)
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        norm(f"{at}.input_layernorm", hidden)
        matrix(f"{at}.self_attn.q_proj", heads * head_dim, hidden, qkv_bias)
        matrix(f"{at}.self_attn.k_proj", kv_heads * head_dim, hidden, qkv_bias)
        matrix(f"{at}.self_attn.v_proj", kv_heads * head_dim, hidden, qkv_bias)
        matrix(f"{at}.self_attn.o_proj", hidden, heads * head_dim, o_bias)
        if family == "qwen3":
            norm(f"{at}.self_attn.q_norm", head_dim)
            norm(f"{at}.self_attn.k_norm", head_dim)
        norm(f"{at}.post_attention_layernorm", hidden)
        matrix(f"{at}.mlp.gate_proj", inner, hidden, mlp_bias)
        matrix(f"{at}.mlp.up_proj", inner, hidden, mlp_bias)
        matrix(f"{at}.mlp.down_proj", hidden, inner, mlp_bias)
    norm("model.norm", hidden)
    if not config["tie_word_embeddings"]:
        matrix("lm_head", config["vocab_size"], hidden, False)
    return found


def tiny_tokenizer(folder: Path, chat_template: str | None = CHAT_TEMPLATE) -> None:
    """A byte-level BPE tokenizer of 320 tokens with ChatML's special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    if chat_template is not None:
        settings["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
