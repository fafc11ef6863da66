"""The models Merline can fetch: where each lies, which of its files are needed, how large they are, under what licence.

Sizes are for the eye, before anything is asked of the network; a download goes by what the hub says.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
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


HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
"""owner/name"""
HUB_FILES = ("config.json", "model*.safetensors")
HUB_OPTIONAL_FILES = (
    "model.safetensors.index.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "chat_template*",
)
"""of a language model that the catalogue does not know; weights in safetensors alone, and no code"""


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
    one_of: tuple[str, ...] = ()
    """files of which the first that the repository has is taken"""
    needs: tuple[str, ...] = ()
    """names of other models that it cannot do without: they are fetched with it"""
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


def _bert(name: str, size_bytes: int, repository: str, licence: str, *languages: str) -> KnownModel:
    return KnownModel(
        name=name,
        stage="tts",
        engine="bert",
        size="base",
        repository=repository,
        files=("config.json", "vocab.txt"),
        optional_files=("tokenizer_config.json",),
        one_of=("model.safetensors", "pytorch_model.bin"),
        size_bytes=size_bytes,
        licence=licence,
        languages=languages,
    )


def _melo(name: str, repository: str, bert: str, language: str) -> KnownModel:
    return KnownModel(
        name=name,
        stage="tts",
        engine="melo",
        size=language,
        repository=f"myshell-ai/{repository}",
        files=("config.json", "checkpoint.pth"),
        size_bytes=208 * MB,
        licence="MIT",
        languages=(language,),
        needs=(bert,),
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
    _melo("melo-english", "MeloTTS-English-v2", "bert-english", "en"),
    _melo("melo-english-v1", "MeloTTS-English", "bert-english", "en"),
    _melo("melo-english-v3", "MeloTTS-English-v3", "bert-english", "en"),
    _melo("melo-french", "MeloTTS-French", "bert-french", "fr"),
    _melo("melo-spanish", "MeloTTS-Spanish", "bert-spanish", "es"),
    _melo("melo-chinese", "MeloTTS-Chinese", "bert-multilingual", "zh"),
    _melo("melo-japanese", "MeloTTS-Japanese", "bert-japanese", "ja"),
    _melo("melo-korean", "MeloTTS-Korean", "bert-korean", "ko"),
    # Four bytes a parameter of the whole masked language model, as it is published.
    _bert("bert-english", 440 * MB, "google-bert/bert-base-uncased", "Apache-2.0", "en"),
    _bert("bert-french", 445 * MB, "dbmdz/bert-base-french-europeana-cased", "MIT", "fr"),
    _bert("bert-spanish", 440 * MB, "dccuchile/bert-base-spanish-wwm-uncased", "CC-BY-4.0", "es"),
    _bert("bert-multilingual", 672 * MB, "google-bert/bert-base-multilingual-uncased", "Apache-2.0", "zh"),
    _bert("bert-japanese", 447 * MB, "tohoku-nlp/bert-base-japanese-v3", "Apache-2.0", "ja"),
    _bert("bert-korean", 475 * MB, "kykim/bert-kor-base", "Apache-2.0", "ko"),
)


def is_hub_name(name: str) -> bool:
    """Whether it could be a repository's owner and name."""
    return HUB_NAME.fullmatch(name) is not None and not name.startswith(".")


def hub_model(repository: str, revision: str = "main") -> KnownModel:
    """Any causal language model of the hub. Its size and licence are known to the hub alone: 0 bytes, no licence."""
    return KnownModel(
        name=repository.replace("/", "--") + ("" if revision == "main" else f"--{revision}"),
        stage="llm",
        engine="mlx",
        size="",
        repository=repository,
        files=HUB_FILES,
        optional_files=HUB_OPTIONAL_FILES,
        size_bytes=0,
        licence="",
        languages=(),
        revision=revision,
    )


def known_model(name: str, catalogue: tuple[KnownModel, ...] = CATALOGUE) -> KnownModel:
    """The catalogue's entry of that name or repository, else a language model of the hub by owner/name or folder.

    Raises ModelError, with the nearest names, for what is neither.
    """
    for model in catalogue:
        if name in (model.name, model.repository):
            return model
    if is_hub_name(repository := name.replace("--", "/", 1)):  # as the hub allows no -- in a name, one is its folder's
        return hub_model(repository)
    raise ModelError(f"{name!r}: no such model; {suggest(name, [model.name for model in catalogue])}")


def with_needs(name: str, catalogue: tuple[KnownModel, ...] = CATALOGUE) -> tuple[KnownModel, ...]:
    """The model and those it needs, which come first. Raises ModelError as known_model does."""
    model = known_model(name, catalogue)
    return (*(known_model(needed, catalogue) for needed in model.needs), model)


def suggest(name: str, names: list[str]) -> str:
    """Which names may have been meant, as the second half of a sentence."""
    words = {one: set(one.lower().split("-")) for one in names}
    of_one = {word for word, count in Counter(chain.from_iterable(words.values())).items() if count == 1}
    meant = of_one & set(re.split(r"[-._/\s]", name.lower()))  # "base.eng" tells whisper-base by its one word
    sharing = [one for one in names if words[one] & meant]
    near = list(dict.fromkeys([*sharing, *get_close_matches(name, names, n=3, cutoff=0.5)]))[:3]
    if near:
        return f"did you mean {' or '.join(repr(one) for one in near)}?"
    return f"there are: {', '.join(names) or 'none'}"
