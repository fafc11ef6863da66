"""The shapes an engine is built for: the least, the usual and the largest of each input. Needs no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.optimization.toolbox.onnx_information import OnnxInformation
from core.utils.errors import ExportError, InferenceError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ShapeProfile:
    """One input's shapes. Raises ExportError unless least <= usual <= largest on every axis."""

    least: Shape
    usual: Shape
    largest: Shape

    def __post_init__(self) -> None:
        ranks = {len(self.least), len(self.usual), len(self.largest)}
        triples = list(zip(self.least, self.usual, self.largest, strict=len(ranks) == 1))
        if len(ranks) != 1 or any(not 1 <= low <= middle <= high for low, middle, high in triples):
            raise ExportError(
                f"shapes {self.least}, {self.usual}, {self.largest}: "
                "1 <= least <= usual <= largest is needed on every axis"
            )

    @property
    def fixed(self) -> bool:
        """Whether there is one shape only."""
        return self.least == self.largest

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether an input of `shape` is within."""
        return len(shape) == len(self.least) and all(
            low <= size <= high for low, size, high in zip(self.least, shape, self.largest, strict=True)
        )


Profiles = Mapping[str, ShapeProfile]


def read_profiles(input_shapes: Mapping[str, Any], model: OnnxInformation) -> dict[str, ShapeProfile]:
    """From {input: shape} or {input: (least, usual, largest)} or {input: ShapeProfile}, for every input of the model.

    Raises ExportError: an input without shapes, a name the model has not, another rank, or another size where the
    model's is fixed.
    """
    known = {one.name: one for one in model.inputs}
    if not isinstance(input_shapes, Mapping):
        raise ExportError(
            f"input_shapes {input_shapes!r}: give {{input: shape}}; the model takes "
            f"{', '.join(f'{name}{list(one.shape)}' for name, one in known.items())}"
        )
    unknown, missing = sorted(set(input_shapes) - set(known)), sorted(set(known) - set(input_shapes))
    if unknown or missing:
        wrong = f"unknown: {', '.join(unknown)}" if unknown else f"without a shape: {', '.join(missing)}"
        raise ExportError(
            f"input_shapes (--shape): {wrong}; the model takes "
            f"{', '.join(f'{n}{list(v.shape)}' for n, v in known.items())}"
        )
    profiles = {name: _profile(name, shapes) for name, shapes in input_shapes.items()}
    for name, profile in profiles.items():
        expected = known[name].shape
        if len(profile.usual) != len(expected):
            raise ExportError(
                f"input_shapes['{name}'] {profile.usual}: the model's has {len(expected)} axes, {list(expected)}"
            )
        for axis, size in enumerate(expected):
            if isinstance(size, int) and {profile.least[axis], profile.largest[axis]} != {size}:
                raise ExportError(
                    f"input_shapes['{name}'] axis {axis}: the model's size is fixed at {size}; "
                    "export it with dynamic_axes to let it vary"
                )
    return profiles


def _profile(name: str, shapes: Any) -> ShapeProfile:
    if isinstance(shapes, ShapeProfile):
        return shapes
    try:
        listed = list(shapes)
        if listed and all(isinstance(one, int) for one in listed):
            return ShapeProfile(tuple(listed), tuple(listed), tuple(listed))
        least, usual, largest = (tuple(int(size) for size in one) for one in listed)
    except (TypeError, ValueError):
        raise ExportError(
            f"input_shapes['{name}'] {shapes!r}: give one shape, e.g. (1, 3, 512, 512), or three: least, usual, largest"
        ) from None
    return ShapeProfile(least, usual, largest)


def check_inputs(shapes: Mapping[str, Sequence[int]], profiles: Profiles) -> None:
    """Raises InferenceError for an input that the engine was not built for."""
    if set(shapes) != set(profiles):
        raise InferenceError(
            f"the engine takes {', '.join(sorted(profiles))}, not {', '.join(sorted(shapes)) or 'nothing'}"
        )
    for name, shape in shapes.items():
        profile = profiles[name]
        if not profile.holds(shape):
            raise InferenceError(
                f"'{name}' of shape {tuple(shape)} is out of the engine's profile, {profile.least} to "
                f"{profile.largest}; build the engine with shapes that hold it"
            )
