"""The switches that count on an NVIDIA card, each alone; every call waits for the card before its time is taken.

Batch 1, as an assistant calls its networks: small launches, so these are not the card's ratios at work by the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure
from benchmarks.optimizer_parts.ways import Way, asked_for, left_out, ms, ratios, take_turns
from benchmarks.shapes import Shape
from core.optimization.autotune import measure_autotuning
from core.optimization.profiler import InferenceProfiler
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import OptimizationConfig

PLAIN, CONTEXT, CPU = "on the card, plain", "on the card, inference context", "on the processor"


def figures_of(torch: Any, shape: Shape, seed: int, switches: frozenset[str]) -> list[Figure]:
    """Ratios for one network. Leaves TF32 as TorchOptimizer sets it for a card."""
    network = OnCard(torch, shape, seed)
    try:
        # first: a thread keeps the kernels that it has met
        autotuning = network.autotuning() if "autotuning" in switches else []
        ways = asked_for(network.ways(), switches, PLAIN)
        outputs = take_turns(ways)
    finally:
        network.tf32(True)
    return [*ratios(shape.name, ways, outputs, PLAIN), *autotuning]


class OnCard:
    """One network on the card, with what its ways to be called share."""

    def __init__(self, torch: Any, shape: Shape, seed: int) -> None:
        self._torch = torch
        self._shape = shape
        self._optimizer = TorchOptimizer(OptimizationConfig(device="cuda"))
        device = self._optimizer.initialize()
        torch.manual_seed(seed)
        self._model, self._inputs = shape.make().eval(), shape.make_input()
        self._on_card = self._weights()
        self._given = tuple(x.to(device) for x in self._inputs)

    def tf32(self, allowed: bool) -> None:
        """For matrix products and convolutions of float32, both ways round."""
        self._torch.set_float32_matmul_precision("high" if allowed else "highest")
        self._torch.backends.cudnn.allow_tf32 = allowed

    def ways(self) -> list[Way]:
        """Each switch against the inference context without it; TF32 is off but where it is the switch."""
        context = self._optimizer.get_inference_context()
        here = self._within(context, self._on_card)
        ways = [
            Way(CPU, self._within(context, self._model, self._inputs), self._exactly, "", "device"),
            Way(PLAIN, self._waited(lambda: self._on_card(*self._given)), self._exactly, "", "plain"),
            Way(CONTEXT, here, self._exactly, PLAIN, "context"),
            Way(
                "the card instead of the processor", self._within(context, self._on_card), self._exactly, CPU, "device"
            ),
            Way("on the card, TF32", here, self._rounded, CONTEXT, "tf32"),
        ]
        self._exactly()
        compiled = self._optimizer.compile_model(self._on_card, self._shape.name, self._given)
        if compiled.compiled:
            ways.append(Way("on the card, compile", self._within(context, compiled), self._exactly, CONTEXT, "compile"))
        for compute_type, short in (("bfloat16", "bf16"), ("float16", "fp16")):
            ways += self._half(compute_type, short)
        left_out(self._shape.name, *self._optimizer.decisions)
        return ways

    def autotuning(self) -> list[Figure]:
        """What cuDNN's own choice is worth where there are convolutions; the switch is off afterwards."""
        if not any(isinstance(module, self._torch.nn.Conv2d) for module in self._model.modules()):
            return []
        self._exactly()
        context = self._optimizer.get_inference_context()
        found = measure_autotuning(self._torch, self._within(context, self._on_card), InferenceProfiler().clock)
        self._torch.backends.cudnn.benchmark = False
        ratio, name = found.plain_s / found.tuned_s, f"{self._shape.name}: on the card, cuDNN autotuning"
        return [Figure(name, ratio, "x", "higher", baseline=ms(found.plain_s))]

    def _half(self, compute_type: Any, short: str) -> list[Way]:
        """Autocast of float32 weights, and weights that have the type already."""
        settings = OptimizationConfig(device="cuda", compute_type=compute_type)
        mixed, dtype = TorchOptimizer(settings), getattr(self._torch, compute_type)
        if mixed.weights_dtype() != dtype:
            with mixed.autocast():
                left_out(self._shape.name, *mixed.decisions)
            return []
        given = tuple(x.to(dtype) if x.is_floating_point() else x for x in self._given)
        context = self._optimizer.get_inference_context()
        weights = self._within(context, self._weights().to(dtype), given)
        return [
            Way(
                f"on the card, autocast {short}",
                self._within(mixed.get_inference_context(), self._on_card),
                self._exactly,
                CONTEXT,
                "autocast",
            ),
            Way(f"on the card, weights in {short}", weights, self._exactly, CONTEXT, "weights"),
        ]

    def _weights(self) -> Any:
        """The network again, on the card."""
        copy = self._shape.make().eval()
        copy.load_state_dict(self._model.state_dict())
        return copy.to(self._optimizer.initialize())

    def _within(self, context: Any, model: Any, given: tuple[Any, ...] | None = None) -> Callable[[], Any]:
        inputs = self._given if given is None else given

        def call() -> Any:
            with context:
                return model(*inputs)

        return self._waited(call)

    def _waited(self, call: Callable[[], Any]) -> Callable[[], Any]:
        def finished() -> Any:
            result = call()
            self._torch.cuda.synchronize()
            return result

        return finished

    def _exactly(self) -> None:
        self.tf32(False)

    def _rounded(self) -> None:
        self.tf32(True)
