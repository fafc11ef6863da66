"""The switches that count on a processor, each alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.figures import Figure
from benchmarks.optimizer_parts.ways import Way, asked_for, left_out, ratios, take_turns
from benchmarks.shapes import Shape
from core.optimization.decisions import Decision
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import OptimizationConfig

PLAIN, CONTEXT, ONE = "plain", "inference context", "1 thread"


def figures_of(torch: Any, shape: Shape, seed: int, switches: frozenset[str]) -> list[Figure]:
    """Ratios for one network. Leaves torch's threads as they were."""
    threads = torch.get_num_threads()
    try:
        ways = OnProcessor(torch, shape, seed).ways(switches)
        return ratios(shape.name, ways, take_turns(ways), PLAIN)
    finally:
        torch.set_num_threads(threads)


class OnProcessor:
    """One network, with what its ways to be called share. A way that nobody asks for is not made: compiling is slow."""

    def __init__(self, torch: Any, shape: Shape, seed: int) -> None:
        self._torch = torch
        self._shape = shape
        self._threads = torch.get_num_threads()
        self._optimizer = TorchOptimizer(OptimizationConfig(device="cpu"))
        self._mixed = TorchOptimizer(OptimizationConfig(device="cpu", compute_type="bfloat16"))
        torch.manual_seed(seed)
        self._model, self._inputs = shape.make().eval(), shape.make_input()
        self._context = self._optimizer.get_inference_context()

    def ways(self, switches: frozenset[str]) -> list[Way]:
        """Those of `switches`, and what they are held against."""
        ways = [
            Way(PLAIN, lambda: self._model(*self._inputs), self._all_threads, "", "plain"),
            Way(CONTEXT, self._inside(self._model), self._all_threads, PLAIN, "context"),
        ]
        makers = {"threads": self._on_all, "compile": self._compiled, "int8": self._int8}
        for switch, make in makers.items():
            ways += make() if switch in switches else ()
        if switches & {"autocast", "weights"}:
            ways += self._half()
        left_out(self._shape.name, *self._optimizer.decisions, *self._mixed.decisions)
        return asked_for(ways, switches, PLAIN)

    def _on_all(self) -> Iterator[Way]:
        if self._threads == 1:
            left_out(self._shape.name, Decision("more threads than 1", False, "torch was given one here"))
            return
        inside = self._inside(self._model)
        yield Way(ONE, inside, partial(self._torch.set_num_threads, 1), "", "threads")
        yield Way(f"{self._threads} threads instead of 1", inside, self._all_threads, ONE, "threads")

    def _compiled(self) -> Iterator[Way]:
        compiled = self._optimizer.compile_model(self._model, self._shape.name, self._inputs)
        if compiled.compiled:
            yield Way("compile", self._inside(compiled), self._all_threads, CONTEXT, "compile")

    def _int8(self) -> Iterator[Way]:
        quantized = self._optimizer.quantize_dynamic(self._model)
        if quantized is not self._model:
            yield Way("int8", self._inside(quantized), self._all_threads, CONTEXT, "int8")

    def _half(self) -> Iterator[Way]:
        """Autocast of float32 weights, and weights that have the type already."""
        with self._mixed.autocast():
            usable = next(one.applied for one in self._mixed.decisions if one.what == "autocast on cpu")
        if not usable:
            return
        half = self._shape.make().eval()
        half.load_state_dict(self._model.state_dict())
        halved = tuple(x.bfloat16() if x.is_floating_point() else x for x in self._inputs)
        autocast = self._mixed.get_inference_context()
        yield Way("autocast bf16", self._inside(self._model, autocast), self._all_threads, CONTEXT, "autocast")
        weights = self._inside(half.bfloat16(), self._context, halved)
        yield Way("weights in bf16", weights, self._all_threads, CONTEXT, "weights")

    def _inside(self, model: Any, within: Any = None, given: tuple[Any, ...] | None = None) -> Callable[[], Any]:
        context, inputs = within or self._context, self._inputs if given is None else given

        def call() -> Any:
            with context:
                return model(*inputs)

        return call

    def _all_threads(self) -> None:
        self._torch.set_num_threads(self._threads)
