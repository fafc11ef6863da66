"""Where the data of an installed package lies. The package itself is never imported: only its files are read."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from core.utils.errors import MissingDependencyError


def data_file(package: str, *parts: str, extra: str = "melo") -> Path:
    """A file inside a package. Raises MissingDependencyError, naming the extra that brings the package."""
    spec = find_spec(package)
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    if folder is None or not (path := folder.joinpath(*parts)).is_file():
        raise missing(package, extra)
    return path


def missing(package: str, extra: str) -> MissingDependencyError:
    """The error for a package that is not there, or not whole."""
    return MissingDependencyError(
        f"the package {package} with its data is not installed; install the extra '{extra}': "
        f"`MERLINE_EXTRAS={extra} python3 main.py`"
    )
