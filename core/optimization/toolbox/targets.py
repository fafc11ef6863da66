"""Where a result is written: on no device or pipe, which a file in its place would take away, nor on its source."""

from __future__ import annotations

from pathlib import Path

from core.utils.errors import OptimizationError


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
