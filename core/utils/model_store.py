"""The models on this machine: one plain folder each under the data folder, complete only once its manifest is written.

Guarantees: needs no network, and finds a model by looking at sizes alone. core.utils.model_download fetches.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from core.utils.errors import DataError, ModelError, ModelLoadError
from core.utils.file_lock import FileLock, LockedError
from core.utils.model_catalogue import CATALOGUE, KnownModel, is_hub_name, known_model, suggest, with_needs
from core.utils.paths import data_folder, make_data_folder

logger = logging.getLogger(__name__)

MANIFEST = "merline-model.json"
PARTS = ".parts"
"""the folder inside a model's own where files lie that are not whole yet"""

PACKED = "packed"
"""the folder, beside the store's, of weights in the form that a processor reads fastest"""

State = Literal["complete", "partial", "copied"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was verified when it came."""

    path: str
    """relative to the model's folder, with slashes"""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a complete model consists of."""

    repository: str
    revision: str
    """the commit"""
    files: tuple[StoredFile, ...]


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model's folder as it lies there."""

    name: str
    folder: Path
    size_bytes: int
    """on the disk"""
    state: State
    """copied: put there by hand, so that nobody knows whether it is whole"""


def _disk_free(folder: Path) -> int:
    """Bytes that may still be written at the folder, or where it will be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


class ModelStore:
    """The folder of models. `free_bytes` says how much room the disk of a folder has."""

    def __init__(
        self,
        folder: Path | None = None,
        catalogue: tuple[KnownModel, ...] = CATALOGUE,
        free_bytes: Callable[[Path], int] = _disk_free,
    ) -> None:
        self.catalogue = catalogue
        self._folder = folder
        self._free_bytes = free_bytes

    @property
    def folder(self) -> Path:
        """Where the models lie; it may not exist yet."""
        return self._folder or data_folder() / "models"

    def free_bytes(self) -> int:
        """Room on the store's disk."""
        return self._free_bytes(self.folder)

    def begun(self, name: str) -> bool:
        """Whether a download of a model of that name was interrupted and can be gone on with."""
        return (self.folder / name / PARTS).is_dir()

    def find(self, name: str) -> Path | None:
        """The folder of a model of that name if it, and what it needs, is complete. Asks nobody but the disk.

        Raises ModelError, with near names, for one that the catalogue lacks.
        """
        folders = [self.folder / model.name for model in with_needs(name, self.catalogue)]
        return folders[-1] if all(_state(folder) == "complete" for folder in folders) else None

    def damaged(self, name: str) -> list[str]:
        """Files of a complete model whose content is no longer what was fetched: reads all of them."""
        folder = self.folder / name
        manifest = read_manifest(folder)
        return [file.path for file in manifest.files if not _is_whole(folder, file)] if manifest else []

    def resolve(self, name_or_path: str | os.PathLike[str]) -> Path:
        """What to load: a model's folder by its name, or a folder or an openai-whisper .pt file by its path.

        Raises ModelError for an unknown name and ModelLoadError for a model that is absent or not whole.
        """
        text = os.fspath(name_or_path)
        if any(model.name == text for model in self.catalogue):
            return self._complete(text)
        path = Path(text).expanduser()
        if is_hub_name(text) and not path.exists():
            return self._complete(known_model(text, self.catalogue).name, text)
        if path.is_dir():
            if _state(path) == "partial":
                raise ModelLoadError(
                    f"{path}: files are missing; give a model's own folder, or download or copy it again"
                )
            return path
        if path.suffix == ".pt" and path.is_file():
            return path
        if path.exists():
            raise ModelLoadError(f"{path}: is a file; a model is a folder, perhaps {path.parent}, or a .pt file")
        if len(path.parts) > 1:
            raise ModelLoadError(f"{path}: there is no such folder; give a model's folder or its name")
        return self._complete(known_model(text, self.catalogue).name, text)

    def stored(self) -> list[StoredModel]:
        """What lies there, by name; also folders that the catalogue does not know."""
        if not self.folder.is_dir():
            return []
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        return [StoredModel(path.name, path, _size(path), _state(path) or "partial") for path in folders]

    def remove(self, name: str) -> int:
        """Delete one model's folder, and what was packed of its weights, and nothing else; returns the bytes set free.

        Raises ModelError for a name that is no model here, a path outside the store, or a model being downloaded.
        """
        folder = self.folder / name
        if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
            raise ModelError(f"{name!r}: is not a model's name but a path; only models in {self.folder} are removed")
        if folder.is_symlink():
            raise ModelError(f"{folder}: is a link to another place; remove the link yourself")
        if not folder.is_dir():
            names = [model.name for model in self.stored()]
            raise ModelError(f"{name!r}: no such model on this machine; {suggest(name, names)}")
        with self.locked(name):
            packed = self.packed_files(name)
            size_bytes = _size(folder) + sum(file.stat().st_size for file in packed)
            try:
                for file in packed:
                    file.unlink(missing_ok=True)
                # The manifest goes first: what is left of an interrupted removal never looks complete.
                (folder / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(folder)
            except OSError as error:
                raise DataError(f"{folder}: cannot be removed ({error.strerror}); check who owns it") from error
        return size_bytes

    def packed_files(self, name: str) -> list[Path]:
        """What core.models.packed_store keeps beside the store, under the address of that model's folder."""
        address = hashlib.sha256(str((self.folder / name).resolve()).encode()).hexdigest()[:16]
        return sorted((self.folder.parent / PACKED).glob(f"{address}-*.safetensors"))

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Alone with that model's folder; ModelError while another process is."""
        self.make()
        try:
            with FileLock(self.folder / f".{name}.lock"):
                yield
        except LockedError as error:
            raise ModelError(
                f"{name}: process {error.owner} is downloading or removing it; wait for that one, or end it"
            ) from error

    def make(self) -> None:
        """Make the store's folder, readable by its owner alone. Raises DataError."""
        if self._folder is None:
            make_data_folder()
        make_data_folder(self.folder)

    def _complete(self, name: str, asked: str = "") -> Path:
        """`asked`: the name that the user knows it by, where that is another."""
        folder, needs, name = self.folder / name, known_model(name, self.catalogue).needs, asked or name
        match _state(folder):
            case "complete":
                for needed in needs:
                    self._complete(needed)
                return folder
            case "partial":
                raise ModelLoadError(f"{name}: only a part of it is here; `models download {name}` fetches the rest")
            case "copied":
                raise ModelLoadError(
                    f"{name}: {folder} was not put there by Merline; `models download {name}` checks and completes it"
                )
        raise ModelLoadError(f"{name}: is not on this machine; `models download {name}` fetches it")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare the model complete: the last act of a download, in one step."""
    partial = folder / f"{MANIFEST}.part"
    with open(partial, "w", encoding="utf-8") as out:
        json.dump(asdict(manifest), out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    os.replace(partial, folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest | None:
    """None where there is none or it cannot be understood."""
    try:
        plain = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = tuple(
            StoredFile(str(one["path"]), int(one["size_bytes"]), str(one["sha256"])) for one in plain["files"]
        )
        return Manifest(str(plain["repository"]), str(plain["revision"]), files)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s: the model's list of files cannot be read (%s); it counts as incomplete", folder, error)
        return None


def replace_file(folder: Path, old: str, new: str) -> None:
    """`new`, made from `old` and lying beside it, takes its place in a complete model; `old` is deleted.

    Goes on where it was interrupted. Does nothing in a folder whose manifest has neither. Raises DataError.
    """
    manifest = read_manifest(folder)
    if manifest is None or all(file.path not in (old, new) for file in manifest.files):
        return
    try:
        made = StoredFile(new, (folder / new).stat().st_size, _sha256(folder / new))
        files = tuple(made if file.path == old else file for file in manifest.files)
        write_manifest(folder, replace(manifest, files=files))
        (folder / old).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); check who owns it") from error


def _state(folder: Path) -> State | None:
    """None when nothing is there."""
    if not folder.is_dir():
        return None
    manifest = read_manifest(folder)
    if manifest is not None and all(_has(folder, file) for file in manifest.files):
        return "complete"
    if manifest is None and not (folder / PARTS).exists() and not (folder / MANIFEST).exists():
        return "copied" if any(folder.iterdir()) else "partial"
    return "partial"


def _has(folder: Path, file: StoredFile) -> bool:
    try:
        return (folder / file.path).stat().st_size == file.size_bytes
    except OSError:
        return False


def _is_whole(folder: Path, file: StoredFile) -> bool:
    try:
        return _sha256(folder / file.path) == file.sha256
    except OSError as error:
        logger.warning("%s/%s: cannot be read (%s)", folder, file.path, error.strerror)
        return False


def _sha256(file: Path) -> str:
    with open(file, "rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
