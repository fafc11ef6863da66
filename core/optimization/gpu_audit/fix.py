"""Corrects what an audit found where that is safe: numbers and values in their place, missing lines at the top.

A file is written only after the original lies in the backup, and only if the new text parses and has fewer faults.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.optimization.gpu_audit.audit import Place, audit, audit_source
from core.optimization.gpu_audit.backup import Backup
from core.optimization.gpu_audit.faults import Audit, Edit, Expectation, Fault, FileAudit, Unread
from core.optimization.gpu_audit.source import Source, SourceError, read_source
from core.optimization.gpu_audit.variables import VARIABLES, insertion


@dataclass(frozen=True, slots=True)
class FixedFile:
    """One file that was changed."""

    path: str
    faults_before: int
    faults_after: int
    diff: str
    """unified, with the file's own text"""


@dataclass(frozen=True, slots=True)
class Fix:
    """What was done, and the audit of what is there now."""

    changed: tuple[FixedFile, ...]
    failed: tuple[Unread, ...]
    """files that could not be changed, and why"""
    backup: Path | None
    """None where nothing was changed"""
    audit: Audit

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "changed": [
                {"path": f.path, "faults_before": f.faults_before, "faults_after": f.faults_after, "diff": f.diff}
                for f in self.changed
            ],
            "failed": [{"path": unread.path, "why": unread.why} for unread in self.failed],
            "backup": None if self.backup is None else str(self.backup),
            "audit": self.audit.as_json(),
        }


def fix(place: Place, found: Audit) -> Fix:
    """Correct the files of `place` in which `found` names something fixable, and audit again."""
    faulty = {file.path: file for file in found.files if any(fault.fixable for fault in file.faults)}
    backup = Backup(place.backups)
    diffs: dict[str, str] = {}
    failed: list[Unread] = []
    for name, path in place.files:
        if name not in faulty:
            continue
        try:
            diffs[name] = _fix_file(path, faulty[name], found.expectation, backup)
        except (OSError, SourceError) as error:
            failed.append(Unread(name, str(error)))
    now = audit(place, found.expectation)
    left = {file.path: len(file.faults) for file in now.files}
    changed = tuple(FixedFile(name, len(faulty[name].faults), left[name], diff) for name, diff in diffs.items())
    return Fix(changed, tuple(failed), backup.folder, now)


def corrected(source: Source, faults: tuple[Fault, ...], expectation: Expectation) -> Source:
    """The source with every fixable fault corrected. Raises SourceError where the result would not parse."""
    edits = [fault.edit for fault in faults if fault.edit is not None]
    wanted = {fault.add for fault in faults if fault.add is not None}
    if wanted:
        edits.append(_lines_to_add(source, wanted, expectation))
    return source.edited(edits)


def _fix_file(path: Path, before: FileAudit, expectation: Expectation, backup: Backup) -> str:
    """Change one file; the unified diff. Raises OSError or SourceError, the file being as it was."""
    with path.open("r+b") as file:  # a file that cannot be written is found out before it is kept
        old = file.read()
        source = read_source(old)
        fixed = corrected(source, before.faults, expectation)
        alone = len(audit_source(before.path, source, expectation).faults)
        if len(audit_source(before.path, fixed, expectation).faults) >= alone:
            raise SourceError("a change would not leave fewer faults; it is left as it was")
        new = fixed.encode()
        backup.keep(path, old, hashlib.sha256(new).hexdigest())
        file.seek(0)
        file.write(new)
        file.truncate()
    names = (f"a/{before.path}", f"b/{before.path}")
    return "\n".join(difflib.unified_diff(_lines(source.text), _lines(fixed.text), *names, lineterm=""))


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def _lines_to_add(source: Source, wanted: set[str], expectation: Expectation) -> Edit:
    where = insertion(source)
    assert where is not None
    lines = [f'os.environ["{variable}"] = "{expectation.of(variable)}"' for variable in VARIABLES if variable in wanted]
    following = source.text[where.offset :].lstrip(" \t")
    apart = [] if following.startswith(("\r", "\n")) else [""]
    block = ["", *lines, *apart] if where.os_is_imported else ["import os", "", *lines, *apart]
    return Edit(where.offset, where.offset, "".join(line + source.line_end for line in block))
