"""What each switch of TorchOptimizer is worth on this machine, alone: 100 calls with it and 100 without, by turns.

Three networks of true shapes with random weights (benchmarks/shapes.py). A ratio above 1 is faster; the times compared
are lower quartiles, which other programs disturb least. "off by" is the distance of the outputs from float32's relative
to their size: what rounding costs, not what quality it costs.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import OptimizationConfig

if TYPE_CHECKING:
    from benchmarks.shapes import Shape

ITERATIONS = 100
BURST = 5
"""Calls of one way in a row, after one that is not counted: it brings weights into the cache and threads to life."""
WARM_UPS = 3
SEED = 20


@dataclass(slots=True)
class Way:
    """One way to call the network, and the seconds its calls took."""

    switch: str
    call: Callable[[], Any]
    begin: Callable[[], None]
    """gives torch this way's threads"""
    against: str
    """the way that differs from this one by the switch alone"""
    seconds: list[float] = field(default_factory=list)

    @property
    def typical_s(self) -> float:
        """The lower quartile."""
        return statistics.quantiles(self.seconds, n=4)[0]

    def time(self, calls: int) -> None:
        """Call once for nothing and then `calls` times by the clock."""
        self.begin()
        self.call()
        for _ in range(calls):
            began_s = time.perf_counter()
            self.call()
            self.seconds.append(time.perf_counter() - began_s)


def run() -> list[Figure]:
    """Ratios for each network and switch; what cannot be used here is named on the error stream.

    Raises MissingDependencyError without torch.
    """
    torch = TorchOptimizer(OptimizationConfig(device="cpu")).torch
    from benchmarks.shapes import SHAPES

    threads = torch.get_num_threads()
    try:
        return [figure for shape in SHAPES for figure in _measure(torch, shape, threads)]
    finally:
        torch.set_num_threads(threads)


def _measure(torch: Any, shape: Shape, threads: int) -> list[Figure]:
    torch.manual_seed(SEED)
    model, inputs = shape.make().eval(), shape.make_input()
    ways = {way.switch: way for way in _ways(torch, shape, (model, inputs), threads)}
    outputs = {}
    for name, way in ways.items():
        way.begin()
        outputs[name] = [way.call() for _ in range(WARM_UPS)][-1].detach().float()
    order = list(ways.values())
    for turn in range(ITERATIONS // BURST):
        for way in order[turn % len(order) :] + order[: turn % len(order)]:
            way.time(BURST)
    print(f"{shape.name}: random weights cannot show {shape.hides}", file=sys.stderr)
    exact = outputs["plain"]
    figures = []
    for name, way in ways.items():
        if way.against:
            before = ways[way.against]
            ratio = before.typical_s / way.typical_s
            figures.append(Figure(f"{shape.name}: {name}", ratio, "x", "higher", baseline=_ms(before)))
            off = float((outputs[name] - exact).norm() / exact.norm())
            if off > 1e-4:
                figures.append(Figure(f"{shape.name}: {name}, off by", 100 * off, "%", "lower"))
    return figures


def _ways(torch: Any, shape: Shape, network: tuple[Any, tuple[Any, ...]], threads: int) -> list[Way]:
    model, inputs = network
    optimizer = TorchOptimizer(OptimizationConfig(device="cpu"))
    mixed = TorchOptimizer(OptimizationConfig(device="cpu", compute_type="bfloat16"))
    context, autocast = optimizer.get_inference_context(), mixed.get_inference_context()

    def inside(model: Any, within: Any = context, given: tuple[Any, ...] = inputs) -> Callable[[], Any]:
        def call() -> Any:
            with within:
                return model(*given)

        return call

    one_thread, all_threads = partial(torch.set_num_threads, 1), partial(torch.set_num_threads, threads)
    one, context_alone = "1 thread", "inference context"
    ways = [
        Way("plain", lambda: model(*inputs), all_threads, ""),
        Way(context_alone, inside(model), all_threads, "plain"),
        Way(one, inside(model), one_thread, ""),
        Way(f"{threads} threads instead of 1", inside(model), all_threads, one),
    ]
    compiled = optimizer.compile_model(model, shape.name, inputs)
    if compiled.compiled:
        ways.append(Way("compile", inside(compiled), all_threads, context_alone))
    quantized = optimizer.quantize_dynamic(model)
    if quantized is not model:
        ways.append(Way("int8", inside(quantized), all_threads, context_alone))
    with mixed.autocast():
        usable = next(decision.applied for decision in mixed.decisions if decision.what == "autocast on cpu")
    if usable:
        half = shape.make().eval()
        half.load_state_dict(model.state_dict())
        halved = tuple(x.bfloat16() if x.is_floating_point() else x for x in inputs)
        ways.append(Way("autocast bf16", inside(model, autocast), all_threads, context_alone))
        ways.append(Way("weights in bf16", inside(half.bfloat16(), context, halved), all_threads, context_alone))
    for decision in (*optimizer.decisions, *mixed.decisions):
        if not decision.applied and "needs no autocast" not in decision.why:
            print(f"{shape.name}: {decision.what} left out: {decision.why}", file=sys.stderr)
    return ways


def _ms(way: Way) -> float:
    return round(1000 * way.typical_s, 2)
