"""Fetches a model into the store: resumed where it stopped, every file verified, complete only when all are.

Guarantees: what is half there survives any end of the process; a damaged file is fetched anew once, then named.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from core.utils.download_progress import DownloadMeter, DownloadProgress
from core.utils.errors import DataError, ModelError
from core.utils.hub import WORTH_BYTES, ConnectionLostError, Hub, RemoteFile, Repository
from core.utils.model_catalogue import KnownModel, known_model
from core.utils.model_store import MANIFEST, PARTS, Manifest, ModelStore, StoredFile, write_manifest

logger = logging.getLogger(__name__)

MARGIN_BYTES = 200 * 10**6
"""of the disk, left free for everything else"""
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """What a download will do."""

    model: KnownModel
    repository: Repository
    """of its files, those that are wanted"""
    total_bytes: int
    present_bytes: int
    """of these, already on the disk"""

    @property
    def missing_bytes(self) -> int:
        return self.total_bytes - self.present_bytes


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """How stubborn a download is."""

    retries: int = 3
    """attempts in a row that bring nothing worth mentioning, before it is given up"""
    pause_s: float = 1.0
    """before each"""
    margin_bytes: int = MARGIN_BYTES


class ModelDownload:
    """Brings models from a hub into a store; `report` hears of each piece."""

    def __init__(
        self,
        store: ModelStore,
        hub: Hub,
        options: DownloadOptions | None = None,
        report: Callable[[DownloadProgress], None] = lambda progress: None,
    ) -> None:
        self._store = store
        self._hub = hub
        self._options = options or DownloadOptions()
        self._report = report

    def plan(self, name: str) -> DownloadPlan:
        """Ask the hub what there is to fetch. Raises ModelError."""
        model = known_model(name, self._store.catalogue)
        repository = _wanted(self._hub.repository(model.repository, model.revision), model)
        folder = self._store.folder / model.name
        total = sum(file.size_bytes for file in repository.files)
        present = sum(_present(folder, file) for file in repository.files)
        return DownloadPlan(model, repository, total, present)

    def check_space(self, *plans: DownloadPlan) -> None:
        """Raises DataError when the disk has no room for what is missing of all of them, and a margin."""
        free, missing = self._store.free_bytes(), sum(plan.missing_bytes for plan in plans)
        short = missing + self._options.margin_bytes - free
        if short > 0:
            names, margin = " and ".join(plan.model.name for plan in plans), _mb(self._options.margin_bytes)
            raise DataError(
                f"{names}: {_mb(missing)} are to be fetched and {margin} must stay free, but {self._store.folder} has "
                f"room for {_mb(free)}; free {_mb(short)}, take a smaller model, or set MERLINE_HOME to another disk"
            )

    def fetch(self, plan: DownloadPlan) -> Path:
        """Fetch what is missing, verify everything, declare it complete; returns the model's folder.

        Raises ModelError or DataError; also after KeyboardInterrupt another call goes on from there.
        """
        name = plan.model.name
        with self._store.locked(name):
            self.check_space(plan)
            folder = self._store.folder / name
            try:
                return self._fetch(plan, folder)
            except OSError as error:
                cure = "free some space" if error.errno == errno.ENOSPC else "check the disk and who owns the folder"
                raise DataError(
                    f"{folder}: cannot be written ({error.strerror or error}); {cure}, and start the download again"
                ) from error

    def _fetch(self, plan: DownloadPlan, folder: Path) -> Path:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        meter = DownloadMeter(plan.model.name, plan.total_bytes, self._report)
        stored = []
        for file in plan.repository.files:
            meter.begin(file.path)
            stored.append(self._bring(plan.repository, file, folder, meter))
        for left in (folder / PARTS).iterdir():
            left.unlink()
        (folder / PARTS).rmdir()
        write_manifest(folder, Manifest(plan.repository.name, plan.repository.commit, tuple(stored)))
        return folder

    def _bring(self, repository: Repository, file: RemoteFile, folder: Path, meter: DownloadMeter) -> StoredFile:
        """One file, verified, in its place."""
        target = folder / file.path
        stored = _verified(target, file)
        if stored is not None:
            meter.at(file.size_bytes)
            return stored
        part = _part(folder, file)
        for _ in range(2):
            self._complete(repository, file, part, meter)
            stored = _verified(part, file)
            if stored is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(part, target)
                return stored
            logger.warning("%s: came damaged (its checksum differs); fetching it again", file.path)
            part.unlink()
        raise ModelError(
            f"{repository.name}/{file.path}: came damaged twice (its checksum differs); something on the way changes "
            "it: check proxy and virus scanner, or try another network"
        )

    def _complete(self, repository: Repository, file: RemoteFile, part: Path, meter: DownloadMeter) -> None:
        """Bring the part to its full size, over as many connections as it takes while they bring something."""
        options = self._options
        barren, reason = 0, ""
        furthest = size = _usable_size(part, file)
        meter.at(size)
        while size != file.size_bytes or not part.exists():
            if barren > options.retries:
                raise ModelError(
                    f"{repository.name}/{file.path}: the connection was lost at {size} of {file.size_bytes} bytes "
                    f"({reason}); start the download again: it goes on from there"
                )
            if reason:
                logger.info("%s: the connection was lost at %d bytes (%s); going on", file.path, size, reason)
                time.sleep(options.pause_s)
            reason = self._append(repository, file, part, meter)
            size = _usable_size(part, file)
            barren = 0 if size - furthest >= WORTH_BYTES else barren + 1
            furthest = max(furthest, size)

    def _append(self, repository: Repository, file: RemoteFile, part: Path, meter: DownloadMeter) -> str:
        """Write what one connection brings behind what is there; returns why it ended."""
        with open(part, "ab") as out:
            start = out.tell()
            try:
                with self._hub.opened(repository, file, start) as (begins, chunks):
                    if begins != start:
                        out.truncate(0)
                        meter.at(0)
                    for chunk in chunks:
                        out.write(chunk)
                        out.flush()  # whatever was counted outlives the process, even if it is killed
                        meter.came(len(chunk))
                        if out.tell() > file.size_bytes:
                            break
            except ConnectionLostError as lost:
                return str(lost)
        return "the server ended it early"


def _wanted(repository: Repository, model: KnownModel) -> Repository:
    """The repository with those files alone that the model needs."""
    paths = [file.path for file in repository.files]
    for pattern in model.files:
        if not any(fnmatchcase(path, pattern) for path in paths):
            raise ModelError(f"{model.name}: {repository.name} has no file {pattern!r} (any more); get a newer Merline")
    chosen = next((name for name in model.one_of if name in paths), None)
    if model.one_of and chosen is None:
        raise ModelError(
            f"{model.name}: {repository.name} has none of {', '.join(model.one_of)} (any more); get a newer Merline"
        )
    patterns = (*model.files, *model.optional_files, *([chosen] if chosen else []))
    files = tuple(file for file in repository.files if any(fnmatchcase(file.path, pattern) for pattern in patterns))
    for file in files:
        if not _stays_inside(PurePosixPath(file.path)):
            raise ModelError(f"{repository.name}: names a file {file.path!r} outside its folder; do not trust this hub")
    return Repository(repository.name, repository.commit, files)


def _stays_inside(path: PurePosixPath) -> bool:
    """Whether a file of that name lies in the model's folder, on any system, and is none of the store's own."""
    foreign = path.is_absolute() or ".." in path.parts or bool(set(str(path)) & set("\\:"))
    return not foreign and path.parts[0] not in (PARTS, MANIFEST)


def _part(folder: Path, file: RemoteFile) -> Path:
    """Where the file grows: named after its content, so that a part of an older version is never continued."""
    identity = file.sha256 or file.git_blob or f"{file.path}:{file.size_bytes}"
    return folder / PARTS / hashlib.sha256(f"{file.path}\n{identity}".encode()).hexdigest()


def _usable_size(part: Path, file: RemoteFile) -> int:
    """Bytes from which the part can be continued; one that is too long is none of this file, and goes."""
    if not part.exists():
        return 0
    if part.stat().st_size > file.size_bytes:
        part.unlink()
        return 0
    return part.stat().st_size


def _present(folder: Path, file: RemoteFile) -> int:
    """Bytes of the file that need not be fetched, as far as sizes tell."""
    target, part = folder / file.path, _part(folder, file)
    if target.is_file() and target.stat().st_size == file.size_bytes:
        return file.size_bytes
    return min(part.stat().st_size, file.size_bytes) if part.is_file() else 0


def _verified(path: Path, file: RemoteFile) -> StoredFile | None:
    """The file's record if it is what the hub says: size, and SHA-256 or git's SHA-1."""
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return None
    sha256 = hashlib.sha256()
    git_blob = hashlib.sha1(f"blob {file.size_bytes}\0".encode(), usedforsecurity=False)
    with open(path, "rb") as data:
        while block := data.read(_BLOCK_BYTES):
            sha256.update(block)
            if file.sha256 is None:
                git_blob.update(block)
    if file.sha256 is not None and sha256.hexdigest() != file.sha256:
        return None
    if file.sha256 is None and file.git_blob is not None and git_blob.hexdigest() != file.git_blob:
        return None
    return StoredFile(file.path, file.size_bytes, sha256.hexdigest())


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB"
