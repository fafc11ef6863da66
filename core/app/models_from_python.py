"""Models that a function in a Python file of the user's makes, with what it brings of data."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from inspect import isfunction, signature
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from core.utils.errors import MerlineError, ModelLoadError

if TYPE_CHECKING:
    from core.optimization.toolbox.registry import RegisteredModel


def from_python(name: str) -> tuple[RegisteredModel, str]:
    """Of FILE.py:FUNCTION, and what to know of it. Raises ModelLoadError where it makes no model."""
    from torch import nn

    from core.optimization.toolbox.registry import RegisteredModel

    file, _, function = name.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise ModelLoadError(f"{file}: there is no such file")
    module = _imported(path)
    make: Callable[[], Any] | None = getattr(module, function, None)
    if not callable(make):
        there = [name for name, one in vars(module).items() if isfunction(one) and one.__module__ == module.__name__]
        names = get_close_matches(function, there) or there
        raise ModelLoadError(
            f"{file} has no function '{function}' that makes a model; it has: {', '.join(names) or 'none'}"
        )
    try:
        signature(make).bind()
    except TypeError as error:
        raise ModelLoadError(f"{name} is called without arguments, and it has some ({error})") from error
    with _authors_errors(name, path):
        made = make()
        if isinstance(made, RegisteredModel):
            return _kept(made), ""
    model, example = (
        made if isinstance(made, tuple) and len(made) == 2 else (made, getattr(made, "example_input", None))
    )
    if not isinstance(model, nn.Module):
        raise ModelLoadError(
            f"{name} gives a {type(model).__name__}; return a torch.nn.Module, (module, example input), or a "
            "RegisteredModel with data"
        )
    if example is None:
        return RegisteredModel(model.eval()), "it brings no example input, so nothing is measured"
    return RegisteredModel(model.eval(), [example]), "judged on its one example input"


def _kept(found: RegisteredModel) -> RegisteredModel:
    """The model made once, and data that can be read but once read."""
    data = {name: getattr(found, name) for name in ("test_data", "calibration_data", "training_data")}
    read = {name: list(given) if isinstance(given, Iterator) else given for name, given in data.items()}
    return replace(found, model=made_model(found), **read)


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ModelLoadError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    with _authors_errors(f"{path} cannot be imported", path):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _authors_errors(what: str, path: Path) -> Iterator[None]:
    """Raises ModelLoadError, with the line of the file at `path` where there is one, for whatever its code raises."""
    try:
        yield
    except MerlineError:
        raise
    except Exception as error:  # any code of any author runs here
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f" (line {lines[-1]})" if lines else ""
        raise ModelLoadError(
            f"{what}: {type(error).__name__}: {error}{where}; mend it there, or see more with --log-level debug"
        ) from error


def made_model(model: RegisteredModel) -> Any:
    """The module itself, made where only its maker is registered."""
    from torch import nn

    return model.model if isinstance(model.model, nn.Module) else model.model()
