"""Where Smart Turn lies: in the folder that MERLINE_REAL names (tools/real_models.py), or where it was fetched to."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.endpoint_parts.whisper_words import REAL
from core.utils.model_store import ModelStore
from stt.smart_turn import NAME


def turn_model_folder() -> Path | None:
    """None: it is not on this machine."""
    folder = Path(os.environ[REAL], NAME).resolve() if REAL in os.environ else None
    return folder if folder is not None and folder.is_dir() else ModelStore().find(NAME)
