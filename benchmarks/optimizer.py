"""What each switch of TorchOptimizer is worth on this machine, alone: 100 calls with it and 100 without, by turns.

    python3 main.py bench optimizer [--only NAME ...]

NAME is a network (resnet18, bert, qwen) or a switch (context, threads, compile, int8, autocast, weights; on a card
device, tf32, autotuning), so that a run can be taken in parts. On the processor, and on the NVIDIA card where torch
sees one: `--set optimization.device=cpu` or `cuda` measures one. Three networks of true shapes with random weights
(benchmarks/shapes.py). A ratio above 1 is faster; the times compared are lower quartiles, which other programs disturb
least. "off by" is the distance of the outputs from float32's relative to their size: what rounding costs, not what
quality it costs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.figures import Figure
from benchmarks.optimizer_parts.asked import NETWORKS, Asked
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import Config, OptimizationConfig

SEED = 20


def run(config: Config | None = None, only: Sequence[str] = ()) -> list[Figure]:
    """Ratios for each network and switch; what cannot be used here is named on the error stream.

    Raises MissingDependencyError without torch, GpuUnavailableError where a card is asked for and torch sees none,
    ConfigError where `only` names what is neither a network nor a switch.
    """
    asked = Asked.read(only)
    device = config.optimization.device if config is not None else "auto"
    torch = TorchOptimizer(OptimizationConfig(device="cuda" if device == "cuda" else "cpu")).torch
    from benchmarks.optimizer_parts import on_card, on_processor
    from benchmarks.shapes import SHAPES

    shapes = [shape for name, shape in zip(NETWORKS, SHAPES, strict=True) if name in asked.networks]
    measures = [on_processor.figures_of] if device != "cuda" else []
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        measures.append(on_card.figures_of)
    figures = []
    for measure in measures:
        for shape in shapes:
            print(f"  {shape.name}: random weights cannot show {shape.hides} ...", file=sys.stderr, flush=True)
            figures += measure(torch, shape, SEED, asked.switches)
    return figures
