"""Finds, checks and loads folders in CTranslate2's format."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from core.utils.errors import ConfigError, GpuUnavailableError, GpuUnfitError, ModelLoadError
from core.utils.whisper.backend import LoadRequest
from core.utils.whisper.card import absent_library, card_error, load_packaged

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

    from core.utils.whisper.faster import FasterWhisper

logger = logging.getLogger(__name__)

NAME = "faster-whisper"
Loaded = TypeVar("Loaded")
_NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""Without the last, faster-whisper would ask the hub."""
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
_LARGER = {"float16": "float32", "bfloat16": "float32", "int8": "float32"}
_TRIED_FRAMES = 100


class FasterWhisperLoader:
    """Loads folders in CTranslate2's format."""

    name = NAME

    def missing(self) -> str | None:
        return next((name for name in ("faster_whisper", "ctranslate2") if find_spec(name) is None), None)

    def find(self, model: str) -> Path | None:
        folder = Path(model).expanduser()
        if folder.is_dir():
            return folder if any((folder / name).exists() for name in ("model.bin", *_VOCABULARIES)) else None
        if model not in self.names():
            return None
        from faster_whisper.utils import download_model
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(download_model(model, local_files_only=True))
        except LocalEntryNotFoundError:
            return None

    def names(self) -> tuple[str, ...]:
        from faster_whisper import available_models

        return tuple(available_models())

    def load(self, path: Path, request: LoadRequest) -> FasterWhisper:
        """Load a folder on the device that is asked for; see BackendLoader."""
        check_folder(path)
        import ctranslate2
        from faster_whisper import WhisperModel

        from core.utils.whisper.faster import FasterWhisper

        cards = ctranslate2.get_cuda_device_count()
        device = request.device if request.device != "auto" else "cuda" if cards else "cpu"
        if device not in ("cpu", "cuda"):
            raise ConfigError(f"device={device!r}: {NAME} runs on cpu or cuda; backend='openai-whisper' also on mps")
        if device == "cuda" and not cards:
            raise GpuUnavailableError("device='cuda': CTranslate2 sees no NVIDIA card; use device='cpu' or 'auto'")
        compute_type = _possible(request.compute_type, ctranslate2.get_supported_compute_types(device))
        try:
            model = in_passing_thread(
                lambda: WhisperModel(str(path), device=device, compute_type=compute_type, cpu_threads=request.threads)
            )
        except (RuntimeError, ValueError) as error:
            if device == "cuda" and (fault := card_error(NAME, error)) is not None:
                raise fault from error
            raise ModelLoadError(f"{path}: the model is damaged ({error}); remove it and fetch it again") from error
        if model.feature_extractor.mel_filters.shape[0] != model.model.n_mels:
            raise ModelLoadError(
                f"{path}: the model hears {model.model.n_mels} mel bands and its preprocessor_config.json, which says "
                "so, is missing or wrong; fetch the folder again"
            )
        if device == "cuda":
            _try_card(model)
        return FasterWhisper(model)


def _try_card(model: WhisperModel) -> None:
    """Compute once: only that shows whether the card's libraries are there. Raises GpuUnfitError, GpuBusyError."""
    silence = np.zeros((model.model.n_mels, _TRIED_FRAMES), np.float32)
    for again in (True, False):
        try:
            model.encode(silence)
        except RuntimeError as error:
            library = absent_library(error)
            if again and library is not None and load_packaged(library):
                continue
            raise (card_error(NAME, error) or GpuUnfitError(f"{NAME}: the GPU failed ({error})")) from error
        return


def check_folder(folder: Path) -> None:
    """Whether all files of a CTranslate2 model are there and those in JSON can be read. Raises ModelLoadError."""
    absent = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        absent.append(_VOCABULARIES[0])
    if absent:
        raise ModelLoadError(f"{folder}: {', '.join(absent)} missing; the folder is incomplete, fetch it again")
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        file = folder / name
        if not file.is_file():
            continue
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ModelLoadError(f"{file}: damaged ({error}); fetch the folder again") from error
        if not isinstance(content, dict) or (name == "tokenizer.json" and "model" not in content):
            raise ModelLoadError(f"{file}: not what its name says; fetch the folder again")


def _possible(wanted: str, supported: set[str]) -> str:
    if wanted == "default" or wanted in supported:
        return wanted
    if wanted not in _LARGER:
        raise ConfigError(f"compute_type={wanted!r}: choose one of default, {', '.join(sorted(supported))}")
    logger.info("%s cannot compute in %s here: %s instead", NAME, wanted, _LARGER[wanted])
    return _LARGER[wanted]


def in_passing_thread(load: Callable[[], Loaded]) -> Loaded:
    """What `load` gives or raises, from a thread that ends.

    GNU's OpenMP keeps the helpers of each thread that lives on, and once it keeps more than there are processors, a
    thread that waits for another one sleeps at once. CTranslate2 has its own threads for what comes after the loading.
    """
    with ThreadPoolExecutor(1, "whisper-load") as passing:
        return passing.submit(load).result()
