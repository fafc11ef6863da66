"""`optimize quantize | prune | distill | compare | auto`: the toolbox of core.optimization.

What is being done goes to the error stream, a line each; the result to the output, as text or, with --json, one object.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from core.app.models_from_python import made_model
from core.app.toolbox_models import NO_DATA, first_input, for_judging, need_torch, registered
from core.app.toolbox_report import (
    check_folder,
    check_out,
    check_room,
    less,
    megabytes,
    note,
    print_result,
    progress,
    quality_line,
    written_lines,
)
from core.optimization.toolbox.packages import toolbox_package
from core.utils.config import Config
from core.utils.errors import ConfigError, ModelLoadError

CHART_BYTES = 200_000
"""of a chart of all strategies, twice over"""

if TYPE_CHECKING:
    from core.optimization.toolbox.model_optimizer import ModelOptimizer
    from core.optimization.toolbox.registry import RegisteredModel


def quantize(arguments: argparse.Namespace, config: Config) -> int:
    """A model with smaller numbers; measured beside the original, and written where --out says."""
    check_out(arguments.out, "--out", arguments.model)
    optimizer, model = _optimizer(arguments.model, learns=arguments.type == "qat")
    if arguments.type in ("static", "qat") and not any(
        data is not None for data in (model.test_data, model.calibration_data, model.training_data)
    ):
        raise ModelLoadError(f"--type {arguments.type} rounds by data, and {NO_DATA}")
    from core.optimization.toolbox.artifact import save_quantized
    from core.optimization.toolbox.quick import benchmark_quantization

    progress(f"quantising ({arguments.type})")
    small = optimizer.quantize_model(arguments.model, arguments.type)
    report = optimizer.report
    assert report is not None
    told: dict[str, Any] = {"model": arguments.model, **report.as_json()}
    if model.test_data is not None:
        progress("measuring")
        told |= benchmark_quantization(made_model(model), small, first_input(model), arguments.iterations)
    if arguments.out is not None:
        told["written"] = {"path": str(arguments.out), "bytes": save_quantized(small, arguments.out)}
    lines = [f"{len(report.quantized)} layers in {arguments.type}, {len(report.left_in_float)} left as they are"]
    lines += [f"  left: {name}: {why}" for name, why in report.left_in_float[:8]]
    lines += [f"  {note}" for note in report.notes]
    if "speedup" in told:
        lines.append(
            f"size {told['original_mb']:.4g} -> {told['quantized_mb']:.4g} MB "
            f"({less(told['size_reduction_percent'])}), "
            f"time {told['original_ms']:.2f} -> {told['quantized_ms']:.2f} ms ({told['speedup']:.2f}x), "
            f"outputs off by {100 * told['error']:.2f} %"
        )
    return print_result(arguments, told, lines + written_lines(arguments, told))


def prune(arguments: argparse.Namespace, config: Config) -> int:
    """The smallest weights zero, or whole channels and heads removed."""
    check_out(arguments.out, "--out", arguments.model)
    optimizer, model = _optimizer(arguments.model)
    from core.optimization.toolbox.measuring import size_bytes
    from core.optimization.toolbox.pruned_files import save_pruned

    progress(f"pruning {arguments.ratio:.0%}, {'channels and heads' if arguments.structured else 'single weights'}")
    pruned = optimizer.prune_model_weights(arguments.model, arguments.ratio, arguments.structured)
    original = made_model(model)
    told: dict[str, Any] = {
        "model": arguments.model,
        "ratio": arguments.ratio,
        "structured": arguments.structured,
        "original_bytes": size_bytes(original),
        "pruned_bytes": size_bytes(pruned),
    }
    if model.test_data is not None:
        progress("measuring")
        told |= optimizer.benchmark_model_performance(pruned, model.test_data, original).as_json()
    if arguments.out is not None:
        told["written"] = {"path": str(arguments.out), "bytes": save_pruned(pruned, arguments.out)}
    lines = [f"size {megabytes(told['original_bytes'])} -> {megabytes(told['pruned_bytes'])} in memory"]
    if "accuracy" in told:
        lines.append(quality_line(told))
    return print_result(arguments, told, lines + written_lines(arguments, told))


def distill(arguments: argparse.Namespace, config: Config) -> int:
    """A student model taught by a teacher, from the data that either brings."""
    check_out(arguments.out, "--out", arguments.teacher, arguments.student)
    check_folder(arguments.checkpoints, "--checkpoints")
    need_torch()
    from core.optimization.toolbox.measuring import size_bytes
    from core.optimization.toolbox.model_optimizer import ModelOptimizer
    from core.optimization.toolbox.pruned_files import save_pruned

    (teacher, of_teacher), (student, _) = registered(arguments.teacher), registered(arguments.student, learns=True)
    if of_teacher:
        note(of_teacher)
    optimizer = ModelOptimizer({"teacher": teacher, "student": student}, progress)
    own = (student.training_data, teacher.training_data, teacher.test_data)
    data = next((one for one in own if one is not None), None)
    if data is None:
        raise ConfigError(
            f"{arguments.teacher} brings no data to learn from; its function must return a RegisteredModel"
        )
    if arguments.out is not None:
        check_room(arguments.out, size_bytes(made_model(student)))
    learnt = optimizer.distill_knowledge(
        "teacher",
        "student",
        data,
        arguments.temperature,
        arguments.alpha,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        checkpoint_folder=arguments.checkpoints,
    )
    test = data if teacher.test_data is None else teacher.test_data
    metrics = optimizer.benchmark_model_performance(learnt, test, "teacher").as_json()
    done = optimizer.distilled
    assert done is not None
    told: dict[str, Any] = {"teacher": arguments.teacher, "student": arguments.student, **metrics}
    told |= {name: getattr(done, name) for name in ("epochs", "steps", "best_loss", "ended_early", "resumed_from_step")}
    told["judged_on_what_it_learnt"] = test is data
    lines = [quality_line(told) + (" (on what it learnt from)" if test is data else "")]
    if arguments.out is not None:
        told["written"] = {"path": str(arguments.out), "bytes": save_pruned(learnt, arguments.out)}
    return print_result(arguments, told, lines + written_lines(arguments, told))


def compare(arguments: argparse.Namespace, config: Config) -> int:
    """Strategy by strategy: size, speed-up on CPU and card, quality; text or JSON, and a chart."""
    need_torch()
    strategies = _strategies(arguments.strategies)
    if arguments.chart is not None:
        check_out(arguments.chart, "--chart", arguments.model)
        if arguments.chart.suffix.lower() != ".png":
            raise ConfigError(f"--chart {arguments.chart}: it is drawn as PNG; give a name that ends in .png")
        toolbox_package("matplotlib.figure", "drawing a chart")
        check_room(arguments.chart, CHART_BYTES, "--chart")
    optimizer, model = _optimizer(arguments.model, learns=bool({"qat", "pruned"} & set(strategies or ())))
    first_input(model)
    found = optimizer.compare_strategies(arguments.model, None, strategies, arguments.iterations)
    if arguments.chart is not None:
        found.chart(arguments.chart)
        note(f"chart: {arguments.chart}")
    return print_result(arguments, found.as_json(), [found.text()])


def auto(arguments: argparse.Namespace, config: Config) -> int:
    """The best way for a platform that meets the thresholds, tried out here; written where --out says."""
    check_out(arguments.out, "--out", arguments.model)
    need_torch()
    from core.optimization.toolbox.deployed_files import possible_names
    from core.optimization.toolbox.measuring import size_bytes

    for name in possible_names(arguments.out) if arguments.out is not None else ():
        check_out(name, "--out", arguments.model)
        if name != arguments.out and name.exists():
            raise ConfigError(
                f"--out {arguments.out}: what wins may have to become {name}, which is there; name another"
            )
    optimizer, model = _optimizer(arguments.model)
    first_input(model)
    if arguments.out is not None:
        check_room(arguments.out, size_bytes(made_model(model)))
    names = ("inference_time", "memory_usage", "model_size", "accuracy")
    wanted = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    found = optimizer.auto_optimize_for_deployment(arguments.platform, arguments.model, wanted, out=arguments.out)
    metrics = found.metrics
    lines = [f"{one.strategy:12} {_tried(one)}" for one in found.tried]
    lines.append(
        f"for {found.platform}: {found.strategy}, {metrics.inference_time:.2f} ms, {metrics.memory_usage:.4g} MB "
        f"at work, {metrics.model_size:.4g} MB, accuracy {metrics.accuracy:.4f} by {metrics.accuracy_of}"
    )
    told = found.as_json()
    lines += written_lines(arguments, told)
    if found.written is not None:
        lines.append(f"  {found.written.read_by} reads it")
    return print_result(arguments, told, lines)


def _strategies(text: str | None) -> list[str] | None:
    """The names in `text`. Raises ConfigError for one that there is not."""
    if text is None:
        return None
    from core.optimization.toolbox.strategies import STRATEGIES

    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in STRATEGIES]:
        raise ConfigError(f"--strategies {', '.join(unknown)}: there are: {', '.join(STRATEGIES)}")
    return names


def _optimizer(name: str, learns: bool = False) -> tuple[ModelOptimizer, RegisteredModel]:
    need_torch()
    from core.optimization.toolbox.model_optimizer import ModelOptimizer

    found, told = registered(name, learns)
    if told:
        note(told)
    model = for_judging(found)
    return ModelOptimizer({name: model}, progress), model


def _tried(one: Any) -> str:
    if one.metrics is None:
        return f"not measured: {one.why}"
    metrics = one.metrics
    lacks = "; ".join(f"{name} {told}" for name, told in one.missing.items())
    told = f"{metrics.inference_time:.2f} ms, {metrics.model_size:.4g} MB, {metrics.accuracy:.4f}"
    return f"{told}: {lacks}" if lacks else told
