"""What each strategy of the optimisation toolbox is worth here: size, speed and quality beside the original.

    python3 -m benchmarks.toolbox [MODEL...] [--one-core] [--sensitivity] [--pruning] [--auto PLATFORM] [--json]

Models: sound-net and sound-encoder (trained here on recordings, judged by labels), story-lm (trained by others, judged
by the next token of real sentences), resnet18, bert, causal-lm, melo-decoder (random weights: speed and rounding).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure, machine

ITERATIONS = 20
WITH_TRAINING = ("sound-net", "sound-encoder")


def run() -> list[Figure]:
    """Ratios of every strategy for each model. Raises MissingDependencyError without torch."""
    from core.optimization.torch_optimizer import TorchOptimizer

    TorchOptimizer().initialize()
    from benchmarks.toolbox_parts.subjects import SUBJECTS

    return [figure for name in SUBJECTS for figure in figures(name, compared(name))]


def compared(name: str, strategies: list[str] | None = None, clock: Callable[[], float] = time.perf_counter) -> Any:
    """The comparison of one model: `strategies`, by default all that there is time for."""
    from benchmarks.toolbox_parts.subjects import SUBJECTS
    from core.optimization.toolbox.comparison import compare_strategies
    from core.optimization.toolbox.strategies import STRATEGIES

    began_s = time.monotonic()
    chosen = strategies or [one.name for one in STRATEGIES.values() if not one.trains or name in WITH_TRAINING]
    return compare_strategies(
        SUBJECTS[name](),
        name,
        chosen,
        ITERATIONS,
        lambda line: print(f"{time.monotonic() - began_s:6.1f} s  {name}: {line}", file=sys.stderr, flush=True),
        clock,
    )


def figures(name: str, comparison: Any) -> list[Figure]:
    """Of what was measured."""
    found = []
    for row in comparison.rows:
        if row.size_mb is None:
            print(f"{name}: {row.strategy} not measured: {row.why}", file=sys.stderr)
            continue
        what = f"{name}: {row.strategy}"
        found += [
            Figure(f"{what}, smaller", row.size_reduction_percent, "%", "higher", baseline=comparison.original_mb),
            Figure(f"{what}, CPU", row.cpu_speedup, "x", "higher", baseline=comparison.original_ms),
            Figure(f"{what}, off by", 100 * row.error, "%", "lower"),
            Figure(f"{what}, accuracy", row.accuracy, "", "higher", baseline=comparison.original_accuracy),
        ]
    return found


def sensitivity(name: str) -> str:
    """What each layer costs when it alone is in static int8, the five costliest."""
    from benchmarks.toolbox_parts.subjects import SUBJECTS
    from core.optimization.toolbox.quantization_config import QuantizationConfig, QuantizationType
    from core.optimization.toolbox.sensitivity import layer_costs, skip_list

    subject = SUBJECTS[name]()
    costs = layer_costs(subject.model, QuantizationConfig(QuantizationType.STATIC), list(subject.test))
    lines = [f"  {one.layer:40} off by {100 * one.error:6.3f} %  accuracy {one.accuracy:.4f}" for one in costs[:5]]
    together = sum(cost.error**2 for cost in costs) ** 0.5
    skipped = sorted(skip_list(costs, together / 2))
    return "\n".join([f"{name}: layers in static int8 alone", *lines, f"  half the error is in: {', '.join(skipped)}"])


def pruning(name: str) -> str:
    """Accuracy by ratio, without fine-tuning."""
    from benchmarks.toolbox_parts.subjects import SUBJECTS
    from core.optimization.toolbox.performance_metrics import measure
    from core.optimization.toolbox.pruning import prune_unstructured
    from core.optimization.toolbox.quality import outputs_of
    from core.optimization.toolbox.structured_pruning import StructuredPruner
    from core.utils.errors import OptimizationError

    subject = SUBJECTS[name]()
    exact = outputs_of(subject.model, subject.test)
    lines = [f"{name}: pruned without training on"]
    for ratio in (0.1, 0.2, 0.3, 0.5):
        zeros = prune_unstructured(subject.model, ratio)
        sparse, _ = measure(zeros.model, subject.model, exact, subject.test)
        try:
            smaller = StructuredPruner().prune(subject.model, ratio, subject.test[0].inputs)
            dense, beside_ms = measure(smaller.model, subject.model, exact, subject.test)
            channels = (
                f"accuracy {dense.accuracy:.4f}, {dense.model_size:.3f} MB, {beside_ms / dense.inference_time:.2f} x"
            )
        except OptimizationError as error:
            channels = str(error).partition(";")[0]
        lines.append(
            f"  {ratio:.1f}  zeros: accuracy {sparse.accuracy:.4f}, file {zeros.sparse_bytes / 1e6:.3f} MB of "
            f"{zeros.dense_bytes / 1e6:.3f}; channels: {channels}"
        )
    return "\n".join(lines)


def auto(name: str, platform: str) -> str:
    """What a deployment tries and what it takes, nothing allowed to become worse."""
    from benchmarks.toolbox_parts.subjects import SUBJECTS
    from core.optimization.toolbox.deployment import deploy

    began_s = time.monotonic()
    found = deploy(SUBJECTS[name](), platform, None, lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    lines = [f"{name} for {platform}: {found.strategy}, tried in {time.monotonic() - began_s:.0f} s"]
    for one in found.tried:
        told = one.why or "; ".join(f"{what} {why}" for what, why in one.missing.items()) or "would do"
        if one.metrics is not None:
            metrics = one.metrics
            told = (
                f"{metrics.model_size:.3f} MB, {metrics.inference_time:.2f} ms, {metrics.memory_usage:.2f} MB at work, "
                f"accuracy {metrics.accuracy:.4f}: {told}"
            )
        lines.append(f"  {one.strategy:14} {told}")
    return "\n".join(lines)


def main() -> None:
    from benchmarks.toolbox_parts.subjects import SUBJECTS
    from core.optimization.torch_optimizer import TorchOptimizer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(SUBJECTS), choices=list(SUBJECTS), metavar="MODEL")
    parser.add_argument("--strategies", nargs="+", metavar="NAME", help="these alone")
    parser.add_argument("--one-core", action="store_true", help="processor time of one thread: others do not count")
    parser.add_argument("--sensitivity", action="store_true", help="what each layer costs instead")
    parser.add_argument("--pruning", action="store_true", help="accuracy by the share of weights removed instead")
    parser.add_argument("--auto", choices=("mobile", "edge", "server"), help="what is chosen for a platform instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    TorchOptimizer().initialize()
    clock = time.perf_counter
    if arguments.one_core:
        import torch

        torch.set_num_threads(1)
        clock = time.process_time
    if arguments.sensitivity or arguments.pruning:
        report = sensitivity if arguments.sensitivity else pruning
        for name in arguments.models:
            print(report(name), flush=True)
        return
    if arguments.auto:
        for name in arguments.models:
            print(auto(name, arguments.auto), flush=True)
        return
    found = [compared(name, arguments.strategies, clock) for name in arguments.models]
    if arguments.json:
        print(json.dumps({"machine": machine(), "models": [one.as_json() for one in found]}, indent=2))
    else:
        print("\n\n".join(one.text() for one in found))


if __name__ == "__main__":
    main()
