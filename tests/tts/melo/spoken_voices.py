"""Small voices with random weights that a text can be said with: published layout, real phones, a small BERT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.tts_parts.voice import write_voice
from tests.tts.melo.melo_voices import small
from tts.melo.bert import Bert, BertConfig

PHONES = """
aa ae ah ao aw ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw w y z zh V
a e i o u j v ø œ ɔ ə ɛ ɑ ɡ ɥ ɲ ʁ ʃ ʒ ɹ ð θ β ɣ ɾ ʎ ̃ ː
, . ! ? … ' - ¿ ¡ SP UNK
"""
LETTERS = "abcdefghijklmnopqrstuvwxyzàâäæçéèêëîïíñóôœöùûüúáABCDEFGHIJKLMNOPQRSTUVWXYZÉÀÇ0123456789"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{letter}" for letter in LETTERS), *",.!?'-¿¡"]
SPEAKERS = {"en": {"EN-US": 0, "EN-BR": 2}, "fr": {"FR": 0}, "es": {"ES": 0}}


def write_spoken_voice(folder: Path, language: str = "en", bert: bool = True, **changes: Any) -> Path:
    """A voice that takes about a hundredth of the published ones' work."""
    config = small(**changes)
    config["symbols"] = ["_", *PHONES.split()]
    config["data"] |= {"n_speakers": 3, "spk2id": SPEAKERS[language]}
    write_voice(folder, config)
    if bert:
        write_small_bert(folder / "bert", lower_case=language == "en")
    return folder


def write_small_bert(folder: Path, lower_case: bool = True, seed: int = 0) -> Path:
    """A masked language model in the published layout, 768 wide as the voices ask, of three layers."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    shape = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 768,
        "num_hidden_layers": 3,
        "num_attention_heads": 12,
        "intermediate_size": 32,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **shape}))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower_case}))
    torch.manual_seed(seed)
    bert = Bert(BertConfig(len(VOCABULARY), 768, 3, 12, 32, 512, 2, 1e-12))
    save_file({f"bert.{name}": tensor for name, tensor in bert.state_dict().items()}, folder / "model.safetensors")
    return folder
