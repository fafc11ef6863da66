"""The state of a training on the disk: weights, Adam's moments, where it stands. Safetensors and JSON, no pickles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.models.safetensors_file import SafetensorsFile, write_safetensors
from core.optimization.toolbox.targets import write_whole
from core.utils.errors import ModelLoadError

KEY = "merline.training"
FILE = "checkpoint.safetensors"
WEIGHTS, BEST, MOMENTS, RANDOM = "weights:", "best:", "moments:", "random"


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a training learns from, which must be the same when it goes on."""

    temperature: float
    alpha: float
    learning_rate: float
    seed: int
    batches: int
    data: str
    """sums of it"""
    teacher: str
    """its class, and sums of its weights"""

    def other_than(self, began: Mapping[str, Any]) -> str:
        """What is not as it was; "" where all is."""
        now = asdict(self)
        return ", ".join(f"{name}={began[name]}, now {now[name]}" for name in now if began.get(name) != now[name])


def sums_of(groups: Iterable[Iterable[Any]]) -> str:
    """Of the numbers in groups of tensors, a few digits by which others are known, in whatever order the groups are."""
    whole = 0.0
    for tensors in groups:
        for at, tensor in enumerate(tensors, 1):
            if isinstance(tensor, Tensor) and not tensor.is_complex():
                whole += at * float(tensor.detach().double().sum()) + tensor.numel()
    return f"{whole:.9g}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a training has come."""

    epoch: int = 0
    step: int = 0
    """within the epoch"""
    total_steps: int = 0
    best_loss: float = float("inf")
    """of validation, or of training where there is none"""
    worse_epochs: int = 0
    """in a row, since the best"""
    epoch_loss: float = 0.0
    """sum over the steps of this epoch"""


def write_checkpoint(
    folder: Path | str,
    student: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Mapping[str, Tensor],
    standing: Standing,
    lesson: Lesson,
) -> None:
    """Put it in the place of the one before, whole. `best`: the weights that were best so far.

    Raises OptimizationError where the disk does not take it.
    """
    tensors = {WEIGHTS + name: tensor for name, tensor in student.state_dict().items()}
    tensors |= {BEST + name: tensor for name, tensor in best.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{MOMENTS}{index}:{name}": value.reshape(-1) for name, value in moments.items()}
    tensors[RANDOM] = torch.get_rng_state()
    told = {name: value if value == value else None for name, value in asdict(standing).items()}
    told["best_loss"] = repr(standing.best_loss)
    whole = {"version": 1, "student": type(student).__name__, "standing": told, "lesson": asdict(lesson)}
    header = {KEY: json.dumps(whole)}
    separate = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    write_whole(Path(folder) / FILE, lambda to: write_safetensors(to, separate, header))


def read_checkpoint(
    folder: Path | str, student: nn.Module, optimizer: torch.optim.Optimizer, lesson: Lesson
) -> tuple[Standing, dict[str, Tensor]] | None:
    """Set student, optimizer and torch's random numbers as they were; the standing and the best weights.

    None where there is no checkpoint. Raises ModelLoadError for one that is damaged, of another student, or of a
    training with other settings, data or another teacher.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    file = SafetensorsFile(path)
    try:
        told = json.loads(file.metadata[KEY])
        standing = _standing(told["standing"])
        if other := lesson.other_than(told["lesson"]):
            raise ValueError(f"it was begun with {other}")
        tensors = {name: file.read(name) for name in file.tensors}
        student.load_state_dict(_part(tensors, WEIGHTS))
        best = _part(tensors, BEST)
        optimizer.load_state_dict(_moments(tensors, optimizer))
        torch.set_rng_state(tensors[RANDOM].clone())  # it reads from where the memory begins, whatever part is given
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        first = str(error).partition("\n")[0]
        raise ModelLoadError(
            f"{path} is not of this {type(student).__name__}'s training ({first}); give another folder, or delete it"
        ) from error
    return standing, best


def _standing(told: Mapping[str, Any]) -> Standing:
    whole = {name: int(told[name]) for name in ("epoch", "step", "total_steps", "worse_epochs")}
    return Standing(**whole, best_loss=float(told["best_loss"]), epoch_loss=float(told["epoch_loss"]))


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _moments(tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's state dictionary with the moments of the file."""
    plain = optimizer.state_dict()
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(tensors, MOMENTS).items():
        index, _, part = name.partition(":")
        shape = () if part == "step" else parameters[int(index)].shape
        state.setdefault(int(index), {})[part] = tensor.reshape(shape)
    return {**plain, "state": state}
