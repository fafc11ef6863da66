"""Keeps files before they are changed and puts them back: the same bytes and the same mode.

A backup is a folder named by its time, with the files and a list of where they belong. Nothing is ever deleted from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from core.utils.errors import DataError

CONTENTS = "contents.json"
USED = "-restored"


@dataclass(frozen=True, slots=True)
class Kept:
    """One file in a backup."""

    path: str
    """absolute: where it belongs"""
    stored: str
    """its name in the backup"""
    mode: int
    written_sha256: str
    """of what took its place; another one means that it was changed again since"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a rollback did."""

    backup: Path
    files: tuple[Path, ...]
    changed_since: tuple[Path, ...]
    """copies, kept in the backup, of files that somebody had changed after the fix"""


class Backup:
    """A new backup in `parent`; the folder is made with the first file. `folder` is None before."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._kept: list[Kept] = []
        self.folder: Path | None = None

    def keep(self, path: Path, data: bytes, written_sha256: str) -> None:
        """Keep the bytes and the mode of `path`, which is about to be overwritten. Raises OSError."""
        if self.folder is None:
            self.folder = _new_folder(self._parent)
        stored = f"{len(self._kept):04}-{path.name}.bak"
        (self.folder / stored).write_bytes(data)
        mode = stat.S_IMODE(path.stat().st_mode)
        self._kept.append(Kept(str(path.resolve()), stored, mode, written_sha256))
        contents = json.dumps([asdict(kept) for kept in self._kept], indent=2)
        partial = self.folder / f"{CONTENTS}.part"
        partial.write_text(contents, encoding="utf-8")
        os.replace(partial, self.folder / CONTENTS)


def roll_back(parent: Path) -> Restored:
    """Put back the newest backup that was not put back yet. Raises DataError where there is none or it is damaged."""
    found = sorted(folder for folder in parent.glob("*") if (folder / CONTENTS).is_file() and USED not in folder.name)
    if not found:
        raise DataError(f"{parent}: there is no backup to put back; --fix makes one before it changes anything")
    folder = found[-1]
    try:
        contents = [Kept(**kept) for kept in json.loads((folder / CONTENTS).read_text(encoding="utf-8"))]
        originals = [(kept, (folder / kept.stored).read_bytes()) for kept in contents]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder}: the backup is damaged ({error}); its files lie there by name") from None
    changed = [copy for kept, _ in originals if (copy := _keep_change(kept, folder)) is not None]
    for kept, data in originals:
        _put_back(Path(kept.path), data, kept.mode)
    used = folder.rename(folder.with_name(folder.name + USED))
    return Restored(used, tuple(Path(kept.path) for kept in contents), tuple(used / copy.name for copy in changed))


def _keep_change(kept: Kept, folder: Path) -> Path | None:
    """A copy of the file as it is now, where it is not what the fix wrote."""
    path = Path(kept.path)
    if not path.is_file():
        return None
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() == kept.written_sha256:
        return None
    copy = folder / f"{kept.stored.removesuffix('.bak')}.changed"
    copy.write_bytes(data)
    return copy


def _put_back(path: Path, data: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    except OSError as error:
        raise DataError(f"{path}: cannot be put back ({error.strerror}); the backup stays, try again") from error


def _new_folder(parent: Path) -> Path:
    """Named so that the names sort by time, also within one second."""
    parent.mkdir(exist_ok=True)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    folder = parent / stamp
    folder.mkdir()
    return folder
