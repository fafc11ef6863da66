"""Where a result is written, and how: whole or not at all, on no device or pipe, which a file in its place would take
away, nor on its source. Loads no torch."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.utils.errors import OptimizationError

ABANDONED_S = 600.0
"""without a byte more, after which an unfinished file is nobody's"""


def target_of(path: Path | str, source: Path | None = None) -> Path:
    """The file that `path` names, there or not yet, a link followed.

    Raises OptimizationError where something other than a file is there (/dev/null, a pipe, a folder), or `source`.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise OptimizationError(f"{path} is no file but a device, a pipe or a folder; name a file")
        if source is not None and is_same(path, source):
            raise OptimizationError(f"{path} is what the result is made from; name another file")
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise OptimizationError(f"{path} cannot be written ({error}); choose another place") from error


def is_same(path: Path, source: Path) -> bool:
    """Whether both are there and are one file, or `path` lies in the folder `source`."""
    if not path.exists() or not source.exists():
        return False
    return path.samefile(source) or (source.is_dir() and source.resolve() in path.resolve().parents)


def write_whole(path: Path, write: Callable[[Path], object], kind: type[OptimizationError] = OptimizationError) -> None:
    """Write beside `path`, then put it there; what a killed program left of the same is taken away.

    Raises an error of `kind` where the disk does not take it, OptimizationError where no file but a device is.
    """
    path = target_of(path)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
            with suppress(FileNotFoundError):  # of a program that has just ended
                if time.time() - left.stat().st_mtime > ABANDONED_S:
                    left.unlink()
        write(beside)
        os.replace(beside, path)
    except OSError as error:
        raise kind(
            f"{path} cannot be written ({error.strerror or error}); make room or choose another folder"
        ) from error
    finally:
        if beside.exists():
            beside.unlink()
