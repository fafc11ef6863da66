"""Models by name, each with the data that it is calibrated, trained and judged with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from torch import nn

from core.optimization.toolbox.batches import Batch, as_batches
from core.utils.errors import OptimizationError


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model, or what makes it, and data as batches.as_batches takes it."""

    model: nn.Module | Callable[[], nn.Module]
    test_data: Any = None
    calibration_data: Any = None
    """default: the test data, which then judge themselves"""
    training_data: Any = None
    """for QAT, pruning and distillation; default: the calibration data"""


Registry = Mapping[str, nn.Module | Callable[[], nn.Module] | RegisteredModel]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be optimised: a float model and its data, read."""

    model: nn.Module
    test: tuple[Batch, ...] = ()
    calibration: tuple[Batch, ...] = ()
    training: tuple[Batch, ...] = ()
    trains: bool = False
    """the training data are its own, and not those that it is judged by"""

    def with_data(self, test_data: Any) -> Subject:
        """With other test data. Raises OptimizationError where there is none at all."""
        test = tuple(as_batches(test_data, "test_data")) if test_data is not None else self.test
        if not test:
            raise OptimizationError(
                "no test data: give test_data, or register the model as RegisteredModel(model, data)"
            )
        calibration = self.calibration or test
        return Subject(self.model, test, calibration, self.training or calibration, self.trains)


class RegisteredModels:
    """A registry as it is used: made models are kept, and so are data, which may come from a generator."""

    def __init__(self, registry: Registry) -> None:
        if not isinstance(registry, Mapping):
            raise OptimizationError(f"models_registry is a {type(registry).__name__}; give {{name: model}}")
        self._registry = registry
        self._made: dict[str, tuple[object, Subject]] = {}

    def subject(self, model: str | nn.Module) -> Subject:
        """By name, or a module itself. Raises OptimizationError for a name that there is not, or what is no module."""
        if isinstance(model, nn.Module):
            return Subject(model)
        if model not in self._registry:
            near = get_close_matches(str(model), self._registry, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(self._registry)) or 'none'}"
            raise OptimizationError(f"no model is registered as {model!r}; {hint}")
        entry = self._registry[model]
        made_of, subject = self._made.get(model, (None, None))
        if subject is None or made_of is not entry:
            subject = _subject(model, entry if isinstance(entry, RegisteredModel) else RegisteredModel(entry))
            self._made[model] = (entry, subject)
        return subject


def _subject(name: str, told: RegisteredModel) -> Subject:
    made = told.model() if callable(told.model) and not isinstance(told.model, nn.Module) else told.model
    if not isinstance(made, nn.Module):
        raise OptimizationError(f"{name!r} is registered as a {type(made).__name__}; give a torch.nn.Module")
    training = _read(told.training_data, f"training_data of {name}")
    return Subject(
        made,
        _read(told.test_data, f"test_data of {name}"),
        _read(told.calibration_data, f"calibration_data of {name}"),
        training,
        trains=bool(training),
    )


def _read(data: Any, what: str) -> tuple[Batch, ...]:
    return () if data is None else tuple(as_batches(data, what))
