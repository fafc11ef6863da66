"""The example input of an export: forward's arguments with their tensors by name, and the same at other sizes."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.utils.errors import ExportError

DynamicAxes = Mapping[str, Mapping[int, str]]
"""input name -> {axis: the axis's name}; axes of one name always have one size"""


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor among forward's arguments."""

    name: str
    """in the ONNX graph"""
    parameter: str
    """of forward"""
    place: int | None
    """within *args or a tuple; None where the parameter is the tensor itself"""


@dataclass(frozen=True, slots=True)
class Example:
    """Arguments of one call."""

    arguments: Mapping[str, Any]
    """forward's parameter -> tensor, tuple of tensors, or a plain value that stays as it is"""
    slots: tuple[Slot, ...]
    variadic: str | None
    """name of forward's *args, where it takes its tensors by it"""

    def tensor(self, slot: Slot) -> Any:
        """The tensor in a slot."""
        value = self.arguments[slot.parameter]
        return value if slot.place is None else value[slot.place]

    def tensors(self) -> dict[str, Any]:
        """ONNX input name -> tensor."""
        return {slot.name: self.tensor(slot) for slot in self.slots}

    def call(self, model: Any) -> Any:
        """The model's answer; buffers that it changes are put back."""
        with _buffers_kept(model):
            return self._called(model)

    def _called(self, model: Any) -> Any:
        keywords = dict(self.arguments)
        extra = keywords.pop(self.variadic, ()) if self.variadic else ()
        return model(*extra, **keywords) if not self.variadic else model(*self._before(), *extra, **self._after())

    def _before(self) -> list[Any]:
        names = list(self.arguments)
        return [self.arguments[name] for name in names[: names.index(str(self.variadic))]]

    def _after(self) -> dict[str, Any]:
        names = list(self.arguments)
        return {name: self.arguments[name] for name in names[names.index(str(self.variadic)) + 1 :]}

    def detached(self) -> Example:
        """The same values in tensors of its own: what is attached to these does not reach the caller's."""
        return self._changed(lambda slot, tensor: tensor.detach())

    def resized(self, axes: DynamicAxes, sizes: Mapping[str, int]) -> Example:
        """The same with the named axes of the given sizes, its values repeated; other axes as they are."""

        def resize(slot: Slot, tensor: Any) -> Any:
            for axis, name in axes.get(slot.name, {}).items():
                if name in sizes:
                    tensor = _resized(tensor, axis, sizes[name])
            return tensor

        return self._changed(resize)

    def _changed(self, change: Callable[[Slot, Any], Any]) -> Example:
        """With other tensors in the places of these."""
        arguments = dict(self.arguments)
        for slot in self.slots:
            tensor = change(slot, self.tensor(slot))
            if slot.place is None:
                arguments[slot.parameter] = tensor
            else:
                whole = list(arguments[slot.parameter])
                whole[slot.place] = tensor
                arguments[slot.parameter] = tuple(whole)
        return Example(arguments, self.slots, self.variadic)


@contextlib.contextmanager
def _buffers_kept(model: Any) -> Iterator[None]:
    import torch

    kept = [
        (part, name, buffer, buffer.clone())
        for part in model.modules()
        for name, buffer in part.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for part, name, buffer, before in kept:
                setattr(part, name, buffer if torch.equal(buffer, before) else buffer.copy_(before))


def _resized(tensor: Any, axis: int, size: int) -> Any:
    import torch

    index = torch.arange(size, device=tensor.device) % tensor.shape[axis]
    return tensor.index_select(axis, index)


def example_of(model: Any, dummy_input: Any, names: Sequence[str] | None = None) -> Example:
    """From a tensor, a tuple of positional or a mapping of keyword arguments.

    Raises ExportError: they do not fit forward, hold no tensor, or `names` are not as many as the tensors.
    """
    import torch

    if isinstance(dummy_input, Mapping):
        given: tuple[tuple[Any, ...], dict[str, Any]] = ((), dict(dummy_input))
    else:
        given = (tuple(dummy_input) if isinstance(dummy_input, tuple | list) else (dummy_input,), {})
    signature = inspect.signature(model.forward)
    try:
        bound = signature.bind(*given[0], **given[1])
    except TypeError as error:
        raise ExportError(
            f"the example input does not fit {type(model).__name__}.forward{signature}: {error}"
        ) from None
    arguments, variadic = _flattened(signature, bound.arguments)
    slots: list[Slot] = []
    for parameter, value in arguments.items():
        if isinstance(value, torch.Tensor):
            slots.append(Slot(parameter, parameter, None))
        elif isinstance(value, tuple | list):
            inner = [place for place, item in enumerate(value) if isinstance(item, torch.Tensor)]
            slots += [Slot(f"{parameter}_{place}", parameter, place) for place in inner]
    return Example(arguments, _named(slots, names), variadic)


def _flattened(signature: inspect.Signature, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """**kwargs laid out as arguments of their own; the name of *args where it is used."""
    flat: dict[str, Any] = {}
    variadic = None
    for name, value in arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            flat.update(value)
            continue
        if kind is inspect.Parameter.VAR_POSITIONAL and value:
            variadic = name
        flat[name] = value
    return flat, variadic


def _named(slots: list[Slot], names: Sequence[str] | None) -> tuple[Slot, ...]:
    if not slots:
        raise ExportError("the example input holds no tensor: give a tensor, a tuple of them, or a mapping by name")
    if names is None:
        names = ["input"] if len(slots) == 1 else [slot.name for slot in slots]
    if len(names) != len(slots) or len(set(names)) != len(names):
        raise ExportError(
            f"input_names {list(names)}: the example holds {len(slots)} tensors ({', '.join(s.name for s in slots)}); "
            "give each a name of its own"
        )
    return tuple(Slot(name, slot.parameter, slot.place) for name, slot in zip(names, slots, strict=True))


def read_axes(asked: Mapping[str, Any] | None, example: Example, outputs: Sequence[str]) -> dict[str, dict[int, str]]:
    """Dynamic axes as {input: {axis: name}}. What is said of outputs is left out: theirs follow from the inputs'.

    Raises ExportError: an unknown name, an axis the tensor has not, or one axis name with two sizes in the example.
    """
    tensors = example.tensors()
    axes: dict[str, dict[int, str]] = {}
    sizes: dict[str, int] = {}
    if not isinstance(asked, Mapping | None):
        raise ExportError(f"dynamic_axes={asked!r}: give {{input: {{axis: name}}}}, e.g. {{'input': {{0: 'batch'}}}}")
    for name, wanted in (asked or {}).items():
        if name not in tensors:
            if name in outputs or name.startswith("output"):
                continue
            raise ExportError(f"dynamic_axes: there is no input '{name}'; there are {', '.join(tensors)}")
        rank = tensors[name].dim()
        if not isinstance(wanted, Mapping | Sequence) or isinstance(wanted, str):
            raise ExportError(f"dynamic_axes['{name}']={wanted!r}: give {{axis: name}}, or a list of axes")
        table = wanted if isinstance(wanted, Mapping) else {axis: f"{name}_{axis}" for axis in wanted}
        axes[name] = {}
        for axis, label in table.items():
            if not isinstance(axis, int) or not -rank <= axis < rank:
                raise ExportError(f"dynamic_axes: '{name}' has {rank} axes, so none is {axis!r}")
            label = str(label) if label else f"{name}_{axis % rank}"
            size = tensors[name].shape[axis]
            if sizes.setdefault(label, size) != size:
                raise ExportError(
                    f"dynamic_axes: '{label}' has the sizes {sizes[label]} and {size} in the example input; "
                    "give axes of different sizes different names"
                )
            axes[name][axis % rank] = label
    return axes


def axis_sizes(example: Example, axes: DynamicAxes) -> dict[str, int]:
    """Name of each dynamic axis -> its size in the example."""
    tensors = example.tensors()
    return {label: int(tensors[name].shape[axis]) for name, table in axes.items() for axis, label in table.items()}
