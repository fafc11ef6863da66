"""Folders of Qwen2.5's true shapes with random weights in bfloat16, made once (0.5B: 10 s, 1 GB) and kept.

Random weights take as long as trained ones and need no download. They show nothing about quality, and greedy texts of
them never end. The tokenizer is a small one of the project's own documents with ChatML's marks, so that words have
about as many tokens as in a real model; the network's vocabulary is the real one's 151,936.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.utils.config import PROJECT_FOLDER
from core.utils.paths import make_data_folder

logger = logging.getLogger(__name__)

SHAPE: dict[str, Any] = {
    "model_type": "qwen2",
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "use_sliding_window": False,
    "sliding_window": None,
    "max_window_layers": 24,
    "bos_token_id": None,
    "eos_token_id": 2,
    "torch_dtype": "bfloat16",
}
LARGER = SHAPE | {
    "hidden_size": 1536,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "intermediate_size": 8960,
    "max_window_layers": 28,
}
SHAPES = {"0.5B": SHAPE, "1.5B": LARGER}
"""of Qwen2.5, by the size in its name"""
SEED = 5
SPREAD = 0.02
WORDS = 8000
"""tokens of the small tokenizer"""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def kept_folder(name: str) -> Path:
    """Where a benchmark keeps what takes long to make; it may not exist yet."""
    return make_data_folder() / "bench" / name


def qwen_folder(layers: int | None = None, size: str = "0.5B") -> Path:
    """The model's folder, made at the first call. Fewer layers for a quick look at the benchmark itself."""
    shape = SHAPES[size] | ({} if layers is None else {"num_hidden_layers": layers})
    folder = kept_folder(f"qwen2-{size.lower()}-{shape['num_hidden_layers']}")
    if not (folder / "complete").exists():
        logger.info("making a model of random weights in %s", folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_model(folder, shape)
        write_tokenizer(folder)
        (folder / "complete").touch()
    return folder


def write_model(folder: Path, shape: dict[str, Any]) -> None:
    """config.json and model.safetensors of a Qwen2 shape with tied embeddings."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(SEED)
    tensors = {}
    for name, size in tensor_shapes(shape):
        if name.endswith("norm.weight"):
            tensors[name] = torch.ones(size, dtype=torch.bfloat16)
        else:
            tensors[name] = torch.empty(size).normal_(0.0, SPREAD, generator=generator).bfloat16()
    (folder / "config.json").write_text(json.dumps(shape, indent=1), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def tensor_shapes(shape: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Hugging Face's names and sizes."""
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    shared = width // shape["num_attention_heads"] * shape["num_key_value_heads"]
    yield "model.embed_tokens.weight", (shape["vocab_size"], width)
    for n in range(shape["num_hidden_layers"]):
        at = f"model.layers.{n}"
        for name, rows in (("q", width), ("k", shared), ("v", shared)):
            yield f"{at}.self_attn.{name}_proj.weight", (rows, width)
            yield f"{at}.self_attn.{name}_proj.bias", (rows,)
        yield f"{at}.self_attn.o_proj.weight", (width, width)
        yield f"{at}.mlp.gate_proj.weight", (inner, width)
        yield f"{at}.mlp.up_proj.weight", (inner, width)
        yield f"{at}.mlp.down_proj.weight", (width, inner)
        yield f"{at}.input_layernorm.weight", (width,)
        yield f"{at}.post_attention_layernorm.weight", (width,)
    yield "model.norm.weight", (width,)


def read_weights(shape: dict[str, Any]) -> int:
    """Weights that one decoding step reads: all but the norms; the tied table is read whole, as the output head."""
    sizes = ((name, size) for name, size in tensor_shapes(shape) if len(size) == 2)
    return sum(size[0] * size[1] for _, size in sizes)


def write_tokenizer(folder: Path) -> None:
    """A byte-level BPE of the project's documents."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents(), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def documents() -> list[str]:
    """Every document and module of the project, in order."""
    paths = sorted(PROJECT_FOLDER.glob("*.md")) + sorted(PROJECT_FOLDER.glob("docs/**/*.md"))
    paths += sorted(path for top in ("core", "stt", "llm", "tts") for path in PROJECT_FOLDER.glob(f"{top}/**/*.py"))
    return [path.read_text(encoding="utf-8") for path in paths]


def prompt_tokens(count: int) -> list[int]:
    """The same tokens each time, of those that the tokenizer has."""
    import random

    drawn = random.Random(SEED)
    return [drawn.randrange(len(SPECIAL), WORDS // 2) for _ in range(count)]
