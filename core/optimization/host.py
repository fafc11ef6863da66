"""Where the readers of a machine read: a file system, the programs of the system, and what only system calls tell.

A recorded machine in the tests is a Host over a folder. Nothing here is decided and nothing is cached.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

RUN_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class RawMemory:
    """Main memory as the system itself counts it, in bytes."""

    total_bytes: int
    available_bytes: int


class WindowsCalls(Protocol):
    """What Windows tells only through its own interface."""

    def processor_name(self) -> str: ...

    def core_records(self) -> bytes:
        """GetLogicalProcessorInformationEx's answer for RelationProcessorCore."""
        ...

    def has_feature(self, number: int) -> bool:
        """IsProcessorFeaturePresent."""
        ...

    def memory(self) -> RawMemory: ...


@dataclass(frozen=True, slots=True)
class Host:
    """A machine to be read."""

    system: str
    """Linux, Darwin or Windows"""
    architecture: str
    """as platform.machine() says it"""
    logical_cores: int
    root: Path = Path("/")
    affinity: frozenset[int] | None = None
    """the logical processors this process may run on; None where the system does not tell"""
    run: Callable[[Sequence[str]], str] = lambda command: ""
    """a program's standard output, empty where it cannot be run"""
    windows: WindowsCalls | None = None

    def text(self, path: str) -> str | None:
        """A file's text, None where it cannot be read."""
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def word(self, path: str) -> str | None:
        """The text of a file of one line, without the space around it (a device tree ends its text with a NUL)."""
        text = self.text(path)
        return None if text is None else text.strip(" \t\r\n\0")


def this_host() -> Host:
    """The machine this process runs on."""
    system = platform.system()
    windows: WindowsCalls | None = None
    if system == "Windows":
        from core.optimization.windows_host import WindowsApi

        windows = WindowsApi()
    return Host(
        system=system,
        architecture=platform.machine(),
        logical_cores=os.cpu_count() or 1,
        affinity=frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        run=run_program,
        windows=windows,
    )


def run_program(command: Sequence[str]) -> str:
    """Standard output, also of a program that ends in failure: sysctl prints what it knows before it complains."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=RUN_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def parse_sysctl(text: str) -> dict[str, str]:
    """The lines `name: value` of macOS's sysctl."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def parse_cpu_list(text: str) -> frozenset[int]:
    """`0-3,8` of Linux as the processors' numbers; what is not a number is passed over."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
