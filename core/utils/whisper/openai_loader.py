"""Finds checkpoints in openai-whisper's format, a .pt file or a folder with one, and hands them to openai.py."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from core.utils.whisper.backend import Backend, LoadRequest

NAME = "openai-whisper"


class OpenAIWhisperLoader:
    """See BackendLoader. Imports neither torch nor whisper before a model is loaded, but for its list of names."""

    name = NAME

    def missing(self) -> str | None:
        return next((name for name in ("whisper", "torch") if find_spec(name) is None), None)

    def find(self, model: str) -> Path | None:
        path = Path(model).expanduser()
        if path.is_dir():
            found = sorted(path.glob("*.pt"))
            return found[0] if len(found) == 1 else None
        if path.is_file():
            return path
        if model not in self.names():
            return None
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        aliases = {"large": "large-v3", "turbo": "large-v3-turbo"}
        cached = Path(cache).expanduser() / "whisper" / f"{aliases.get(model, model)}.pt"
        return cached if cached.is_file() else None

    def names(self) -> tuple[str, ...]:
        from whisper import available_models

        return tuple(available_models())

    def load(self, path: Path, request: LoadRequest) -> Backend:
        """Load a checkpoint on the device that is asked for."""
        from core.utils.whisper.openai import OpenAIWhisper

        engine = OpenAIWhisper(path, request)
        engine.load()
        return engine
