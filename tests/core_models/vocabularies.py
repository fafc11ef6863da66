"""Small tokenizers of the three kinds that models come with, trained on a few sentences in well under a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SENTENCES = (
    "The kettle is on; I shall be back in five minutes, said the old man to the children.",
    "L'été dernier, nous étions déjà à la plage où le garçon jouait près de l'hôtel.",
    "Where is the milk? It isn't in the fridge, it is 3.5 degrees there. Really!",
    "今天天气很好,我们去公园吧。",
    "A smile 😀 and a flag 🇫🇷, a family 👨‍👩‍👧 and a wave 👋🏽.",
    "def f(x):\n    return x + 1\n\n\nprint(f(2))\n",
)
TEXTS = (
    "The old man isn't back; the milk is on!",
    "Où étions-nous l'été dernier ? À l'hôtel, déjà.",
    "😀 a 👨‍👩‍👧 wave 👋🏽🇫🇷 and ☃",
    "我们今天去公园。鬱龘",
    "def f(x):\n    return  x\n\n  end \n",
    "  two spaces in front, and behind  ",
    "",
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)


def byte_level_bpe(specials: tuple[str, ...] = ("<|im_end|>", "<|im_start|>")) -> Any:
    """As GPT-2, Llama 3 and Qwen have it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def sentencepiece_bpe(strip: bool = True) -> Any:
    """As Llama 2 and Mistral have it: a mark for a space, bytes for what has no piece."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    spaces = normalizers.Replace(" ", "\u2581")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), spaces]) if strip else spaces
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if strip else []),
        ]
    )
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<unk>", "<s>", "</s>", *byte_tokens],
        limit_alphabet=60,
        show_progress=False,
    )
    tokenizer.train_from_iterator((" " + sentence for sentence in SENTENCES), trainer)
    return _with_plain_bytes(tokenizer, byte_tokens)


def _with_plain_bytes(tokenizer: Any, byte_tokens: list[str]) -> Any:
    """Byte tokens in the vocabulary only: as added tokens they would be taken from the text as it stands."""
    from tokenizers import Tokenizer

    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["content"] not in byte_tokens]
    return Tokenizer.from_str(json.dumps(content))


def word_pieces() -> Any:
    """As BERT has it: neither of the two kinds that have a detokenizer of their own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def as_transformers(tokenizer: Any, **options: Any) -> Any:
    """The same as transformers' class."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **options)


def write_folder(folder: Path, tokenizer: Any, **config: Any) -> Path:
    """tokenizer.json and tokenizer_config.json, as a model's folder holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
