"""Runs a model again and again with one layer changed: what was computed before that layer is not computed again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.quality import outputs_of


class Replay:
    """Blocks, the members of lists and sequences, that ended before a layer began give what they gave at first.

    Where the model's answers are not the same to the bit with all of them replayed, as its blocks tell each other more
    than their outputs, nothing is replayed. Raises OptimizationError where the model does not take the batches.
    """

    def __init__(self, model: nn.Module, layers: Collection[str], batches: Sequence[Batch]) -> None:
        self._model, self._batches = model, list(batches)
        self._blocks = list(_blocks(model))
        self._given: list[dict[nn.Module, Any]] = []
        self._before: dict[str, list[nn.Module]] = {}
        exact = [self._record(batch, layers) for batch in self._batches]
        last = max(self._before.values(), key=len, default=[])
        again = self._run(last)
        if not all(torch.equal(one, other) for one, other in zip(exact, again, strict=True)):
            self._before = {}

    def outputs(self, layer: str) -> list[Tensor]:
        """The main output for each batch, `layer` being what now stands in that place."""
        return self._run(self._before.get(layer, []))

    def _record(self, batch: Batch, layers: Collection[str]) -> Tensor:
        ended: list[nn.Module] = []
        given: dict[nn.Module, Any] = {}
        begun: dict[str, list[nn.Module]] = {}

        def end(block: nn.Module, inputs: Any, output: Any) -> None:
            if block in given:
                ended[:] = [one for one in ended if one is not block]  # it is called twice: never replayed
                return
            given[block] = _copied(output)
            ended.append(block)

        def begin(layer: str) -> Callable[[nn.Module, Any], None]:
            def note(module: nn.Module, inputs: Any) -> None:
                begun.setdefault(layer, list(ended))

            return note

        hooks = [block.register_forward_hook(end) for block in self._blocks]
        hooks += [self._model.get_submodule(name).register_forward_pre_hook(begin(name)) for name in layers]
        try:
            (exact,) = outputs_of(self._model, [batch])
        finally:
            for hook in hooks:
                hook.remove()
        self._given.append(given)
        for name in layers:
            blocks = [one for one in begun.get(name, []) if one in ended]
            before = self._before.setdefault(name, blocks)
            self._before[name] = [one for one in before if one in blocks]
        return exact

    def _run(self, blocks: Sequence[nn.Module]) -> list[Tensor]:
        found = []
        for batch, given in zip(self._batches, self._given, strict=True):
            with _answering(blocks, given):
                found += outputs_of(self._model, [batch])
        return found


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """The outermost members of lists and sequences that hold weights."""
    for child in model.children():
        if isinstance(model, nn.ModuleList | nn.Sequential) and any(True for _ in child.parameters()):
            yield child
        else:
            yield from _blocks(child)


@contextmanager
def _answering(blocks: Sequence[Any], given: dict[nn.Module, Any]) -> Iterator[None]:
    """The blocks give what they gave, without computing."""
    own = {block: vars(block).get("forward") for block in blocks}
    for block in blocks:
        block.forward = lambda *inputs, _output=given[block], **named: _copied(_output)
    try:
        yield
    finally:
        for block, forward in own.items():
            del block.forward
            if forward is not None:
                block.forward = forward


def _copied(output: Any) -> Any:
    """What comes next may change it in place."""
    return tree_map(lambda one: one.clone() if isinstance(one, Tensor) else one, output)
