"""On PYTHONPATH it makes the next message of a stage end in an error: the file $MERLINE_PLANT says of which, and how.

It holds e.g. "llm InferenceError", and is gone once that has happened.
"""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLANT = Path(os.environ.get("MERLINE_PLANT", os.devnull))


def planted_for(stage: str) -> str:
    """The error's name, once; empty where none is planted."""
    if not PLANT.is_file():
        return ""
    wanted, error = PLANT.read_text().split()
    if wanted != stage:
        return ""
    PLANT.unlink()
    return error


def fail(name: str) -> Iterator[Any]:
    from core.utils import errors

    raise (getattr(errors, name, None) or getattr(builtins, name))("planted")
    yield


class Planter(importlib.abc.MetaPathFinder):
    """Changes core.stage as it is imported."""

    def find_spec(self, name: str, path: object, target: object = None) -> Any:
        if name != "core.stage":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def changed(module: Any) -> None:
            execute(module)
            accept = module.StageThread._accept

            def accept_or_fail(self: Any, wait_s: float) -> bool:
                took = accept(self, wait_s)
                if self._work is not None and (error := planted_for(self.name)):
                    self._work = fail(error)
                return took

            module.StageThread._accept = accept_or_fail

        spec.loader.exec_module = changed  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Planter())
