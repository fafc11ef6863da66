"""What the toolbox's commands say: progress on the error stream, the result as text or one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from math import isfinite
from pathlib import Path
from typing import Any

from core.utils.errors import ConfigError, OptimizationError

MB = 10**6


def check_out(out: Path | None, option: str, *models: str) -> None:
    """Raises ConfigError, before the work, where its result could not be written, or over one of the `models`."""
    if out is None:
        return
    from core.optimization.toolbox.targets import is_same

    if any(is_same(out, Path(name.rpartition(":")[0] if ".py:" in name else name)) for name in models):
        raise ConfigError(f"{option} {out}: that is part of the model it is made from; name another file")
    if out.exists() and not out.is_dir() and not out.is_file():
        raise ConfigError(f"{option} {out}: that is a device or a pipe; name a file in a folder of yours")
    nearest = next(folder for folder in out.absolute().parents if folder.exists())
    if out.is_dir() or not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(f"{option} {out}: no file can be written there; name a file in a folder of yours")


def check_folder(folder: Path | None, option: str) -> None:
    """Raises ConfigError, before the work, where no folder can be, or be written into."""
    if folder is None:
        return
    nearest = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(f"{option} {folder}: nothing can be written there; name a folder of yours")


def check_room(out: Path, needed_bytes: int, option: str = "--out") -> None:
    """Raises OptimizationError, before the work, where the disk has no room for its result."""
    nearest = next(folder for folder in out.absolute().parents if folder.exists())
    free = shutil.disk_usage(nearest).free
    if free < needed_bytes:
        raise OptimizationError(
            f"{option} {out}: {needed_bytes / MB:.1f} MB are needed and {free / MB:.1f} MB are free; make room"
        )


def progress(line: str) -> None:
    """Said while it works."""
    print(f"{line} ...", file=sys.stderr, flush=True)


def note(line: str) -> None:
    """What is to be known beside the result."""
    print(line, file=sys.stderr, flush=True)


def megabytes(count: float) -> str:
    """Of bytes, four digits: models of a few kilobytes have their size too."""
    return f"{count / MB:.4g} MB"


def less(percent: float) -> str:
    """How much smaller, as a change: -75.0 %, and +3.2 % of what has grown."""
    return f"{-percent:+.1f} %"


def quality_line(told: dict[str, Any]) -> str:
    """Of PerformanceMetrics as JSON."""
    return (
        f"{told['inference_time']:.2f} ms a call, accuracy {told['accuracy']:.4f} by {told['accuracy_of']}, "
        f"outputs off by {100 * told['error']:.2f} %"
    )


def written_lines(arguments: argparse.Namespace, told: dict[str, Any]) -> list[str]:
    """Where the result lies, or how to keep it."""
    if "written" in told:
        return [f"written: {told['written']['path']}, {megabytes(told['written']['bytes'])}"]
    return [] if not hasattr(arguments, "out") else ["nothing was written: --out FILE keeps it"]


def print_error(kind: str, message: str, exit_code: int, more: dict[str, Any] | None = None) -> None:
    """What --json prints where there is no result."""
    print(json.dumps({"error": {"kind": kind, "message": message, "exit_code": exit_code} | (more or {})}, indent=2))


def print_result(arguments: argparse.Namespace, told: dict[str, Any], lines: list[str]) -> int:
    """The exit code of a command that did its work."""
    print(json.dumps(_finite(told), indent=2) if arguments.json else "\n".join(lines))
    return 0


def _finite(told: Any) -> Any:
    """JSON has no infinity and no NaN, which outputs may be off by: null in their place."""
    if isinstance(told, dict):
        return {name: _finite(value) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [_finite(value) for value in told]
    return None if isinstance(told, float) and not isfinite(told) else told
