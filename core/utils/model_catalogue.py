"""The models Merline can fetch: where each lies, which of its files are needed, how large they are, under what licence.

Sizes are for the eye, before anything is asked of the network; a download goes by what the hub says.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from core.utils.errors import ModelError

MB = 10**6
WHISPER_FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.*")
"""what CTranslate2 and faster-whisper read"""
PREPROCESSOR = "preprocessor_config.json"
CAUSAL_FILES = ("config.json", "*.safetensors", "tokenizer.json", "tokenizer_config.json")
CAUSAL_OPTIONAL_FILES = (
    "generation_config.json",
    "model.safetensors.index.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model to be had."""

    name: str
    """also its folder's"""
    stage: Literal["stt", "llm", "tts", "turn"]
    engine: str
    """as the configuration names it"""
    size: str
    """as the plan names it, e.g. base"""
    repository: str
    """owner/name at the hub"""
    files: tuple[str, ...]
    """patterns; each must match a file of the repository"""
    size_bytes: int
    """approximately, of those files"""
    licence: str
    languages: tuple[str, ...]
    """of Merline's own that it understands or speaks"""
    optional_files: tuple[str, ...] = ()
    """patterns of files taken where the repository has them"""
    revision: str = "main"


def _whisper(size: str, size_bytes: int, owner: str = "Systran", many_bands: bool = False) -> KnownModel:
    """`many_bands`: it hears 128 mel bands, which only its preprocessor_config.json says."""
    return KnownModel(
        name=f"whisper-{size}",
        stage="stt",
        engine="whisper",
        size=size,
        repository=f"{owner}/faster-whisper-{size}",
        files=(*WHISPER_FILES, PREPROCESSOR) if many_bands else WHISPER_FILES,
        optional_files=() if many_bands else (PREPROCESSOR,),
        size_bytes=size_bytes,
        licence="MIT",
        languages=("en", "fr"),
    )


def _causal(name: str, size: str, size_bytes: int, repository: str) -> KnownModel:
    return KnownModel(
        name=name,
        stage="llm",
        engine="mlx",
        size=size,
        repository=repository,
        files=CAUSAL_FILES,
        optional_files=CAUSAL_OPTIONAL_FILES,
        size_bytes=size_bytes,
        licence="Apache-2.0",
        languages=("en", "fr"),
    )


# Two bytes a parameter and 3 MB of vocabulary and tokenizer; of the smaller Qwen3 the output layer is stored apart.
CATALOGUE = (
    _whisper("tiny", 78 * MB),
    _whisper("base", 148 * MB),
    _whisper("small", 486 * MB),
    _whisper("medium", 1531 * MB),
    _whisper("large-v3-turbo", 1621 * MB, owner="mobiuslabsgmbh", many_bands=True),
    _whisper("large-v3", 3091 * MB, many_bands=True),
    _causal("qwen3-0.6b", "0.6B", 1515 * MB, "Qwen/Qwen3-0.6B"),
    _causal("qwen3-1.7b", "1.7B", 4075 * MB, "Qwen/Qwen3-1.7B"),
    _causal("qwen3-4b", "4B", 8055 * MB, "Qwen/Qwen3-4B"),
    _causal("qwen3-8b", "8B", 16_395 * MB, "Qwen/Qwen3-8B"),
    _causal("qwen2.5-0.5b", "0.5B", 999 * MB, "Qwen/Qwen2.5-0.5B-Instruct"),
    _causal("qwen2.5-1.5b", "1.5B", 3098 * MB, "Qwen/Qwen2.5-1.5B-Instruct"),
    KnownModel(
        name="smart-turn",
        stage="turn",
        engine="smart-turn",
        size="v3.2",
        repository="pipecat-ai/smart-turn-v3",
        files=("smart-turn-v3.2-cpu.onnx",),
        size_bytes=9 * MB,
        licence="BSD-2-Clause",
        languages=("en", "fr"),
    ),
)


def known_model(name: str, catalogue: tuple[KnownModel, ...] = CATALOGUE) -> KnownModel:
    """The catalogue's entry; ModelError with the nearest names for one it lacks."""
    for model in catalogue:
        if model.name == name:
            return model
    raise ModelError(f"{name!r}: no such model; {suggest(name, [model.name for model in catalogue])}")


def suggest(name: str, names: list[str]) -> str:
    """Which names may have been meant, as the second half of a sentence."""
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(repr(one) for one in near)}?"
    return f"there are: {', '.join(names) or 'none'}"
