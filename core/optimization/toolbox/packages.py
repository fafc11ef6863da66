"""The packages of the extra `toolbox`, imported when they are needed; a missing one is named with its cure."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from core.utils.errors import MissingDependencyError

TOOLBOX = ("onnx", "onnx_ir", "onnxscript", "onnxoptimizer", "onnxruntime", "matplotlib")


def toolbox_package(name: str, purpose: str) -> Any:
    """The module `name`. Raises MissingDependencyError: what it is for, and that the extra `toolbox` brings it."""
    try:
        with warnings.catch_warnings():
            # protobuf, onnxscript and matplotlib warn of their own dependencies while they are imported
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs the package {name.partition('.')[0]}, which cannot be imported ({error}); "
            "it comes with the extra `toolbox`: MERLINE_EXTRAS=full,toolbox python3 main.py"
        ) from error


def missing_packages(names: tuple[str, ...] = TOOLBOX) -> tuple[str, ...]:
    """Those that are not installed; nothing is imported."""
    return tuple(name for name in names if find_spec(name) is None)
