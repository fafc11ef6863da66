"""Looks through a folder, a file or a list of files for faults of device selection. Only reads, and runs nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.optimization.gpu_audit.devices import DeviceFaults
from core.optimization.gpu_audit.faults import VISIBLE_DEVICES, Audit, Expectation, FileAudit, Unread
from core.optimization.gpu_audit.names import Names
from core.optimization.gpu_audit.source import Source, SourceError, read_source
from core.optimization.gpu_audit.variables import VariableFaults
from core.utils.errors import ConfigError

BACKUPS = ".gpu-audit-backup"
LEFT_OUT = {".venv", "venv", ".git", ".hg", "node_modules", "__pycache__", "site-packages", ".tox", BACKUPS}
SUFFIXES = (".py", ".pyw")


@dataclass(frozen=True, slots=True)
class Place:
    """What is audited: files, how they are called in the report, and where backups of them go."""

    files: tuple[tuple[str, Path], ...]
    """name in the report, path"""
    base: Path
    missing: tuple[str, ...] = ()

    @property
    def backups(self) -> Path:
        """The folder of backups, which need not exist."""
        return self.base / BACKUPS


def tree_at(path: Path) -> Place:
    """A folder's Python files, or one file. Links are not followed: what they lead to is audited where it is.

    Raises ConfigError where there is nothing at `path`.
    """
    if path.is_file():
        return Place(((path.name, path),), path.parent)
    if not path.is_dir():
        raise ConfigError(f"gpu-audit {path}: there is no such file or folder; check the path")
    found: list[tuple[str, Path]] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(
            name for name in folders if name not in LEFT_OUT and not Path(folder, name, "pyvenv.cfg").exists()
        )
        files = [Path(folder, name) for name in sorted(names) if name.endswith(SUFFIXES)]
        found += [(file.relative_to(path).as_posix(), file) for file in files if not file.is_symlink()]
    return Place(tuple(found), path)


def files_in(listing: Path) -> Place:
    """The files that a list names, one path a line, relative to the list's folder; `#` begins a comment.

    Raises ConfigError where the list cannot be read.
    """
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"gpu-audit --files {listing}: cannot be read ({error}); give a text file of paths") from None
    names = dict.fromkeys(name for line in lines if (name := line.split("#")[0].strip()))
    paths = {name: _resolve(name, listing.parent) for name in names}
    found = tuple((name, path) for name, path in paths.items() if path.is_file())
    return Place(found, listing.parent, tuple(name for name, path in paths.items() if not path.is_file()))


def audit(place: Place, expectation: Expectation) -> Audit:
    """Look at every file of the place."""
    sources: dict[str, Source] = {}
    unreadable: list[Unread] = []
    for name, path in place.files:
        try:
            sources[name] = read_source(path.read_bytes())
        except OSError as error:
            unreadable.append(Unread(name, f"cannot be read: {error.strerror}"))
        except SourceError as error:
            unreadable.append(Unread(name, str(error)))
    setters = setters_among(sources, expectation)
    files = tuple(audit_source(name, source, expectation, setters) for name, source in sources.items())
    return Audit(expectation, files, place.missing, tuple(unreadable))


def audit_source(
    name: str, source: Source, expectation: Expectation, setters: frozenset[str] = frozenset()
) -> FileAudit:
    """Look at one file; `setters` are the modules whose import sets both variables.

    Where the variables cannot be put right, no device number is: cuda:0 would then be another card.
    """
    names = Names(source)
    devices = DeviceFaults(source, names)
    numbers = devices.find()
    variables = VariableFaults(source, names, expectation, setters).find(devices.first_touch)
    if not all(fault.fixable for fault in variables):
        numbers = [replace(fault, edit=None) for fault in numbers]
    order = sorted([*numbers, *variables], key=lambda fault: (fault.line, fault.column, fault.kind))
    return FileAudit(name, devices.first_touch is not None, tuple(order))


def setters_among(sources: dict[str, Source], expectation: Expectation) -> frozenset[str]:
    """Every dotted name under which a module that sets both variables could be imported."""
    found: set[str] = set()
    for name, source in sources.items():
        if VISIBLE_DEVICES not in source.text:
            continue
        variables = VariableFaults(source, Names(source), expectation)
        variables.find(None)
        if variables.sets_both:
            parts = Path(name).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found |= {".".join(parts[start:]) for start in range(len(parts))}
    return frozenset(found)


def _resolve(name: str, folder: Path) -> Path:
    """A list is often written from where the program is started: its own folder first, then the current one."""
    candidates: Sequence[Path] = (folder / name, Path(name))
    return next((path for path in candidates if path.exists()), candidates[0])
