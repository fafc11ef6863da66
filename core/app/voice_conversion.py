"""Brings a fetched speech model into its lasting form, once, where torch is here; else it is used as it came."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

from core.utils.errors import DataError, ModelLoadError
from core.utils.model_catalogue import known_model
from core.utils.model_store import MANIFEST, ModelStore, replace_file

logger = logging.getLogger(__name__)

PACKAGES = ("torch", "safetensors")


def make_lasting(store: ModelStore, name: str) -> None:
    """Convert a complete model's weights to safetensors and let go of the pickle; does nothing for other models.

    Raises ModelLoadError for weights that are damaged or hold code, which then do not count as here, ModelError while
    another process is at that model, and DataError.
    """
    engine = known_model(name, store.catalogue).engine
    folder = store.folder / name
    if engine not in ("melo", "bert") or not all(importlib.util.find_spec(package) for package in PACKAGES):
        return
    from tts.melo.conversion import convert_bert, convert_voice

    with store.locked(name):
        try:
            done = convert_voice(folder) if engine == "melo" else convert_bert(folder)
        except ModelLoadError:
            _disown(folder)
            raise
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror or error}); free some space") from error
        if done is not None:
            replace_file(folder, *done)
            logger.info("%s: %s stands for %s", folder, done[1], done[0])


def _disown(folder: Path) -> None:
    """Without its manifest a model is not complete."""
    (folder / MANIFEST).unlink(missing_ok=True)
