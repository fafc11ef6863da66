"""Which backend a model runs on, and why: faster-whisper unless it cannot, else openai-whisper."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.utils.errors import ConfigError, MissingDependencyError, ModelLoadError
from core.utils.whisper.backend import BackendLoader
from core.utils.whisper.faster_loader import FasterWhisperLoader
from core.utils.whisper.openai_loader import OpenAIWhisperLoader

EXTRA = "full"
_INSTALL = f"install the extra '{EXTRA}': `MERLINE_EXTRAS={EXTRA} python3 main.py`"
_PREFERRED = "faster-whisper"


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend that can be had, and the model's files in its format."""

    loader: BackendLoader
    path: Path
    reason: str


def known_loaders() -> tuple[BackendLoader, ...]:
    """The preferred first."""
    return FasterWhisperLoader(), OpenAIWhisperLoader()


def unread_format() -> str:
    """Why a folder in CTranslate2's format, as `models download` fetches them, cannot be read here; empty if it can."""
    package = FasterWhisperLoader().missing()
    if package is None:
        return ""
    return (
        f"{_PREFERRED}, which alone reads it, is not installed ({package} is missing); {_INSTALL}; "
        "openai-whisper takes a .pt file: `--set stt.model=PATH`"
    )


def choose(loaders: Sequence[BackendLoader], backend: str, model: str, device: str) -> Choice:
    """The first of `loaders` that is installed, runs on `device` and has the model in its format.

    `backend`: auto, or a loader's name, which is then the only one. Raises ConfigError for another name,
    MissingDependencyError, ModelLoadError.
    """
    names = [loader.name for loader in loaders]
    if backend not in ("auto", *names):
        near = difflib.get_close_matches(backend, names, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(f"backend={backend!r}: choose one of auto, {', '.join(names)}{hint}")
    passed_over: list[str] = []
    absent: list[str] = []
    installed: list[BackendLoader] = []
    for loader in loaders:
        if backend not in ("auto", loader.name):
            continue
        package = loader.missing()
        if package is not None:
            absent.append(f"{loader.name} is not installed ({package} is missing)")
            passed_over.append(absent[-1])
        elif backend == "auto" and device == "mps" and loader.name == _PREFERRED:
            passed_over.append(f"{loader.name} does not run on Apple's GPU")
        else:
            installed.append(loader)
            path = loader.find(model)
            if path is not None:
                return Choice(loader, path, _reason(backend, passed_over))
            passed_over.append(f"{loader.name} finds no {model} in its format")
    if not installed:
        raise MissingDependencyError(f"{'; '.join(passed_over)}; {_INSTALL}")
    raise _not_found(installed, absent, model)


def _reason(backend: str, passed_over: Sequence[str]) -> str:
    if backend != "auto":
        return "asked for"
    return "; ".join(passed_over) or "the first choice: the faster one on a CPU and on NVIDIA cards"


def _not_found(loaders: Sequence[BackendLoader], absent: Sequence[str], model: str) -> ModelLoadError:
    path = Path(model).expanduser()
    if path.exists():
        formats = " or ".join(loader.name for loader in loaders)
        cure = "".join(f"; {reason}" for reason in absent) + (f": {_INSTALL}" if absent else "")
        return ModelLoadError(
            f"{path}: no Whisper model for {formats}; faster-whisper takes a folder with model.bin, config.json, "
            f"tokenizer.json and vocabulary.json, openai-whisper a .pt file{cure}"
        )
    names = sorted({name for loader in loaders for name in loader.names()})
    if model in names:
        return ModelLoadError(f"Whisper {model!r} is not on this computer; fetch it, or give the path of a model")
    if any(mark in model for mark in "/\\"):
        return ModelLoadError(f"{model}: there is no such folder or file; check the path")
    near = difflib.get_close_matches(model, names, 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names)}, or give a path"
    return ModelLoadError(f"unknown Whisper model {model!r}: {hint}")
