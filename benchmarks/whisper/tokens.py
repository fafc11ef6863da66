"""Whisper's vocabulary as `tokenizer.json`, built offline from the file that openai-whisper carries.

faster-whisper asks the hub for that file where a model's folder lacks it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

END_OF_TEXT = 50257
FIRST_TIMESTAMP = 50364
LANGUAGES = 99


@cache
def vocabulary() -> tuple[str, ...]:
    """All 51,865 tokens in order, as CTranslate2 and `tokenizers` spell them: bytes as GPT-2's printable characters."""
    ranks, specials = _encoding()
    spelled = [_spell(token) for token, _ in sorted(ranks.items(), key=lambda item: item[1])]
    return (*spelled, *sorted(specials, key=specials.__getitem__))


def write_tokenizer(path: Path) -> None:
    """Write the multilingual tokenizer to `path`."""
    path.write_text(_tokenizer_json(), encoding="utf-8")


@cache
def _tokenizer_json() -> str:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from whisper.tokenizer import get_encoding

    ranks, specials = _encoding()
    names = {_spell(token): rank for token, rank in ranks.items()}
    pairs = [
        tuple(map(_spell, _halves(ranks, token))) for token in sorted(ranks, key=ranks.__getitem__) if len(token) > 1
    ]
    tokenizer = Tokenizer(models.BPE(vocab=names, merges=pairs, fuse_unk=False))
    pattern = Regex(get_encoding("multilingual")._pat_str)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    ordered = sorted(specials, key=specials.__getitem__)
    timestamps = [name for name in ordered if _is_timestamp(name)]
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ordered if not _is_timestamp(name)])
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in timestamps])
    return tokenizer.to_str()


def _is_timestamp(name: str) -> bool:
    return name[2:-2].replace(".", "").isdigit()


def _encoding() -> tuple[dict[bytes, int], dict[str, int]]:
    from whisper.tokenizer import get_encoding

    encoding = get_encoding("multilingual", num_languages=LANGUAGES)
    return encoding._mergeable_ranks, encoding._special_tokens


def _halves(ranks: dict[bytes, int], token: bytes) -> tuple[bytes, bytes]:
    """The two tokens that were merged to make this one: what its bytes come to with the merges before it."""
    parts = [bytes([byte]) for byte in token]
    limit = ranks[token]
    while len(parts) > 2:
        best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], limit))
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts[0], parts[1]


@cache
def _printable() -> tuple[str, ...]:
    """GPT-2's spelling of the 256 bytes (Radford et al. 2019): printable ones as they are, others from U+0100 on."""
    kept = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    moved = iter(range(256, 512))
    return tuple(chr(byte) if byte in kept else chr(next(moved)) for byte in range(256))


def _spell(token: bytes) -> str:
    spelling = _printable()
    return "".join(spelling[byte] for byte in token)
