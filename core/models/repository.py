"""Where a model lies: a folder, a model of Merline's own list, or a repository of the hub by its owner and name.

A repository is looked for in Hugging Face's cache and in Merline's data folder before the network is asked; what is
fetched lies in the data folder. Only safetensors and the tokenizer's files are.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.utils.errors import ModelLoadError
from core.utils.hub import Hub
from core.utils.model_catalogue import CATALOGUE, hub_model, is_hub_name
from core.utils.model_download import ModelDownload
from core.utils.model_store import ModelStore


def find_model(
    path_or_repo: str | os.PathLike[str],
    revision: str | None = None,
    hub: Hub | None = None,
    folder: Path | None = None,
) -> Path:
    """The folder of a model; a repository that is nowhere on this machine is fetched into `folder` through `hub`.

    Raises ModelLoadError for a name that is neither, ModelError for what the hub refuses, DataError for the disk.
    """
    text = os.fspath(path_or_repo)
    path = Path(text).expanduser()
    if path.is_dir():
        return path
    if any(known.name == text for known in CATALOGUE):
        return ModelStore().resolve(text)
    if path.is_absolute() or text.startswith((".", "~")) or not is_hub_name(text):
        raise ModelLoadError(
            f"{text}: there is no such folder, and it is no owner/name of a repository; check the path or the name"
        )
    return _in_their_cache(text, revision) or _in_ours(text, revision or "main", hub or Hub(), folder)


def _in_their_cache(name: str, revision: str | None) -> Path | None:
    """The snapshot that huggingface_hub keeps, if it has weights."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        found = Path(snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=["*.json"]))
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None
    whole = (found / "config.json").is_file() and any(found.glob("*.safetensors"))
    return found if whole else None


def _in_ours(name: str, revision: str, hub: Hub, folder: Path | None) -> Path:
    known = hub_model(name, revision)
    store = ModelStore(folder, catalogue=(known,))
    found = store.find(known.name)
    if found is not None:
        return found
    download = ModelDownload(store, hub)
    return download.fetch(download.plan(known.name))
