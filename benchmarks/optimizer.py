"""What each switch of TorchOptimizer is worth on this machine, alone: 100 calls with it and 100 without, by turns.

On the processor, and on the NVIDIA card where torch sees one: `--set optimization.device=cpu` or `cuda` measures one.
Three networks of true shapes with random weights (benchmarks/shapes.py). A ratio above 1 is faster; the times compared
are lower quartiles, which other programs disturb least. "off by" is the distance of the outputs from float32's relative
to their size: what rounding costs, not what quality it costs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure
from benchmarks.optimizer_parts.ways import Way, left_out, ratios, take_turns
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import Config, OptimizationConfig

if TYPE_CHECKING:
    from benchmarks.shapes import Shape

SEED = 20


def run(config: Config | None = None) -> list[Figure]:
    """Ratios for each network and switch; what cannot be used here is named on the error stream.

    Raises MissingDependencyError without torch, GpuUnavailableError where a card is asked for and torch sees none.
    """
    asked = config.optimization.device if config is not None else "auto"
    device = "cuda" if asked == "cuda" else "cpu"
    torch = TorchOptimizer(OptimizationConfig(device=device)).torch
    from benchmarks.optimizer_parts.on_card import figures_of
    from benchmarks.shapes import SHAPES

    figures, threads = [], torch.get_num_threads()
    try:
        if asked != "cuda":
            figures += [figure for shape in SHAPES for figure in _measure(torch, shape, threads)]
        if asked == "cuda" or (asked == "auto" and torch.cuda.is_available()):
            figures += [figure for shape in SHAPES for figure in figures_of(torch, shape, SEED)]
    finally:
        torch.set_num_threads(threads)
    return figures


def _measure(torch: Any, shape: Shape, threads: int) -> list[Figure]:
    torch.manual_seed(SEED)
    model, inputs = shape.make().eval(), shape.make_input()
    ways = _ways(torch, shape, (model, inputs), threads)
    outputs = take_turns(ways)
    print(f"{shape.name}: random weights cannot show {shape.hides}", file=sys.stderr)
    return ratios(shape.name, ways, outputs, "plain")


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
    left_out(shape.name, *optimizer.decisions, *mixed.decisions)
    return ways
