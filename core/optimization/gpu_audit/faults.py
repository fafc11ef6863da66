"""What an audit finds, frozen: faults by file and kind, and what could not be looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DEVICE_ORDER = "CUDA_DEVICE_ORDER"
VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"


class FaultKind(StrEnum):
    """The ways of choosing a wrong card."""

    ORDER_MISSING = "device-order-missing"
    ORDER_WRONG = "device-order-wrong"
    VISIBLE_MISSING = "visible-devices-missing"
    VISIBLE_WRONG = "visible-devices-wrong"
    SET_AFTER_TORCH = "set-after-torch"
    DEVICE_STRING = "device-string"
    TORCH_DEVICE = "torch-device"
    SET_DEVICE = "set-device"
    GPU_DEVICE_INDEX = "gpu-device-index"
    DEVICE_INDEX = "device-index"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a file that touches CUDA must set before torch is imported."""

    visible: str = "1"
    order: str = "PCI_BUS_ID"

    def of(self, variable: str) -> str:
        """The value that this variable must have."""
        return self.order if variable == DEVICE_ORDER else self.visible


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in the place of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in one place."""

    kind: FaultKind
    line: int
    """from 1"""
    column: int
    """from 1, in characters"""
    found: str
    """the piece of source"""
    message: str
    """what is wrong and what belongs there"""
    edit: Edit | None = None
    """the safe correction of the place itself; None where there is none, or where lines are to be added instead"""
    add: str | None = None
    """the variable that is to be set at the top of the file"""

    @property
    def fixable(self) -> bool:
        """Whether --fix corrects it."""
        return self.edit is not None or self.add is not None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "kind": self.kind.value,
            "line": self.line,
            "column": self.column,
            "found": self.found,
            "message": self.message,
            "fixable": self.fixable,
        }


@dataclass(frozen=True, slots=True)
class FileAudit:
    """One file that was looked at."""

    path: str
    """as it was given, or relative to the tree"""
    touches_cuda: bool
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be looked at."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole audit."""

    expectation: Expectation
    files: tuple[FileAudit, ...]
    missing: tuple[str, ...] = ()
    unreadable: tuple[Unread, ...] = ()
    """not Python, or not to be opened"""

    @property
    def by_kind(self) -> dict[str, int]:
        """How many faults of each kind that there is."""
        counts = Counter(fault.kind for file in self.files for fault in file.faults)
        return {kind.value: counts[kind] for kind in FaultKind if counts[kind]}

    @property
    def count(self) -> int:
        """How many faults."""
        return sum(len(file.faults) for file in self.files)

    @property
    def clean(self) -> bool:
        """No fault, and no file left out: what was not looked at is not clean."""
        return not (self.count or self.missing or self.unreadable)

    def summary(self) -> str:
        """One line."""
        faulty = sum(bool(file.faults) for file in self.files)
        touching = sum(file.touches_cuda for file in self.files)
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.by_kind.items())
        parts = [f"files looked at: {len(self.files)}, of which touch CUDA: {touching}"]
        parts.append(f"faults: {self.count}, in files: {faulty} ({kinds})" if self.count else "no faults")
        if self.missing:
            parts.append(f"missing: {len(self.missing)}")
        if self.unreadable:
            parts.append(f"not readable: {len(self.unreadable)}")
        return "; ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Plain values; files without faults are only counted."""
        return {
            "clean": self.clean,
            "expected": {DEVICE_ORDER: self.expectation.order, VISIBLE_DEVICES: self.expectation.visible},
            "files_audited": len(self.files),
            "files_touching_cuda": sum(file.touches_cuda for file in self.files),
            "fault_count": self.count,
            "by_kind": self.by_kind,
            "files": [
                {"path": file.path, "faults": [fault.as_json() for fault in file.faults]}
                for file in self.files
                if file.faults
            ],
            "missing": list(self.missing),
            "unreadable": [{"path": unread.path, "why": unread.why} for unread in self.unreadable],
        }
