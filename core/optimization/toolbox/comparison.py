"""Strategy by strategy: how much smaller, how much faster on CPU and card, what quality it cost; all measured here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.optimization.model_call import call_model, placed
from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.copies import deep_copy
from core.optimization.toolbox.measuring import MEGABYTE, size_bytes, typical_ms
from core.optimization.toolbox.packages import toolbox_package
from core.optimization.toolbox.quality import AccuracyOf, judge, outputs_of
from core.optimization.toolbox.quantization import lean_copy
from core.optimization.toolbox.registry import Subject
from core.optimization.toolbox.strategies import STRATEGIES, Strategy, Workbench
from core.optimization.toolbox.targets import write_whole
from core.utils.errors import MerlineError, OptimizationError

COLOURS = ("tab:blue", "tab:green", "tab:olive", "tab:red", "tab:purple")
LEAST_TOLD = 1e-3
"""what is smaller is told as 0 in a chart"""
BUSY = 1.5
"""where the original once took so many times as long as at best, other programs were at work, and that is said"""
Clocked = Callable[[Mapping[str, Callable[[], Any]]], dict[str, float]]
"""milliseconds of each way"""


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy beside the original. Numbers are None where they were not measured, and `why` says why."""

    strategy: str
    size_mb: float | None = None
    size_reduction_percent: float | None = None
    cpu_ms: float | None = None
    cpu_speedup: float | None = None
    gpu_ms: float | None = None
    gpu_speedup: float | None = None
    """over the original on the card"""
    error: float | None = None
    """distance of the outputs to the original's, relative to their size"""
    accuracy: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of one model."""

    model: str
    original_mb: float
    original_ms: float
    """the best of those taken beside the strategies"""
    original_accuracy: float
    accuracy_of: AccuracyOf
    rows: tuple[Row, ...]
    original_most_ms: float = 0.0
    """the worst of them"""

    @property
    def busy(self) -> bool:
        """Whether other programs were at work meanwhile, so that times and ratios are off."""
        return self.original_most_ms > BUSY * self.original_ms

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"busy": self.busy}

    def text(self) -> str:
        """A table for people."""
        lines = [
            f"{self.model}: {self.original_mb:.4g} MB, {self.original_ms:.4g} ms a call; "
            f"accuracy by {self.accuracy_of}: {self.original_accuracy:.4f}",
            f"{'':14}{'MB':>9}{'smaller':>9}{'CPU ms':>9}{'CPU x':>7}{'GPU ms':>9}{'GPU x':>7}"
            f"{'off by':>11}{'accuracy':>10}",
        ]
        for row in self.rows:
            if row.size_mb is None:
                lines.append(f"{row.strategy:14}  not measured: {row.why}")
                continue
            cells = (
                _cell(row.size_mb, "9.4g"), _cell(row.size_reduction_percent, "8.1f", "%"), _cell(row.cpu_ms, "9.4g"),
                _cell(row.cpu_speedup, "7.2f"), _cell(row.gpu_ms, "9.4g"), _cell(row.gpu_speedup, "7.2f"),
                _cell(None if row.error is None else 100 * row.error, "10.3g", "%"), _cell(row.accuracy, "10.4f"),
            )  # fmt: skip
            lines.append(f"{row.strategy:14}{''.join(cells)}{'  ' + row.why if row.why else ''}")
        if self.busy:
            lines.append(
                f"other programs were at work: the original took up to {self.original_most_ms:.4g} ms. Milliseconds of "
                "different rows cannot be compared, and ratios are off, onnx's most: measure again on a quiet machine"
            )
        return "\n".join(lines)

    def bars(self) -> dict[str, list[float | None]]:
        """A number for each strategy, by what it tells, None where it was not measured; of a card only where there is
        one."""
        found: dict[str, list[float | None]] = {
            "smaller by, %": [row.size_reduction_percent for row in self.rows],
            "CPU speed-up": [row.cpu_speedup for row in self.rows],
            "GPU speed-up": [row.gpu_speedup for row in self.rows],
            "outputs off by, %": [None if row.error is None else 100 * row.error for row in self.rows],
            f"accuracy by {self.accuracy_of}": [row.accuracy for row in self.rows],
        }
        if not any(found["GPU speed-up"]):
            del found["GPU speed-up"]
        return found

    def chart(self, path: Path | str) -> None:
        """Draw a bar a strategy for each of what `bars` gives, as a PNG. Raises MissingDependencyError without
        matplotlib, OptimizationError where nothing was measured or the disk refuses."""
        toolbox_package("matplotlib", "drawing a chart")
        figures = toolbox_package("matplotlib.figure", "drawing a chart")
        path = Path(path)
        if all(row.size_mb is None for row in self.rows):
            raise OptimizationError(f"{self.model}: nothing was measured, so there is nothing to draw")
        bars = self.bars()
        figure = figures.Figure(figsize=(3.7 * len(bars), 1.5 + 0.4 * len(self.rows)), layout="constrained")
        panels = figure.subplots(1, len(bars), sharey=True)
        for panel, colour, (label, values) in zip(panels, COLOURS, bars.items(), strict=False):
            _draw(panel, [row.strategy for row in self.rows], values, colour)
            panel.set_xlabel(label)
            if "speed-up" in label:
                panel.axvline(1.0, color="black", linewidth=0.8)
        panels[0].invert_yaxis()
        busy = f", up to {self.original_most_ms:.3g} ms: other programs were at work" if self.busy else ""
        figure.suptitle(f"{self.model}: {self.original_mb:.3g} MB, {self.original_ms:.3g} ms{busy}")
        write_whole(path, lambda to: figure.savefig(to, format="png", dpi=120))


def _draw(panel: Any, names: Sequence[str], values: Sequence[float | None], colour: str) -> None:
    """Bars with their numbers beside; what has none, or none that can be drawn, says so in its place."""
    finite = [0.0 if one is None or not isfinite(one) else one for one in values]
    drawn = panel.barh(list(names), finite, color=colour)
    told = ["not measured" if one is None else f"{one:.3g}" if abs(one) >= LEAST_TOLD else "0" for one in values]
    panel.bar_label(drawn, told, padding=3, fontsize=8)
    panel.axvline(0.0, color="black", linewidth=0.8)
    panel.margins(x=0.25)  # room for the numbers


def compare_strategies(
    subject: Subject,
    name: str = "model",
    strategies: Sequence[str] | str | None = None,
    iterations: int = 50,
    progress: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Needs a subject with test data; times are of its first batch, the original's taken by turns with each strategy's.

    Default: all strategies but those that train; a text is names with commas between. What cannot be done is a row that
    says why. The model given is not changed. Raises OptimizationError for an unknown strategy, or none, or data that
    the model does not take.
    """
    if isinstance(strategies, str):
        strategies = [one.strip() for one in strategies.split(",")]
    chosen = [one.name for one in STRATEGIES.values() if not one.trains] if strategies is None else list(strategies)
    if not chosen:
        raise OptimizationError(f"no strategy is named; there are: {', '.join(STRATEGIES)}")
    if unknown := set(chosen) - STRATEGIES.keys():
        raise OptimizationError(f"unknown strategies {', '.join(sorted(unknown))}; there are: {', '.join(STRATEGIES)}")
    original = lean_copy(subject.model)
    exact = outputs_of(original, subject.test)
    own = judge(exact, exact, subject.test)
    measured = partial(typical_ms, iterations=iterations, clock=clock)
    rows, times = [], []
    with Workbench(progress) as bench:
        for one in chosen:
            progress(one)
            row, beside_ms = _row((STRATEGIES[one], bench), subject, (original, exact), measured)
            rows.append(row)
            times += [beside_ms] if beside_ms is not None else []
    if not times:
        times = [measured({"original": partial(subject.test[0].run, original)})["original"]]
    sized = size_bytes(original) / MEGABYTE
    return Comparison(name, sized, min(times), own.accuracy, own.accuracy_of, tuple(rows), max(times))


def _row(
    way: tuple[Strategy, Workbench], subject: Subject, plain: tuple[nn.Module, list[torch.Tensor]], measured: Clocked
) -> tuple[Row, float | None]:
    """And the original's time beside it."""
    strategy, bench = way
    if why := strategy.obstacle():
        return Row(strategy.name, why=why), None
    original, exact = plain
    batch = subject.test[0]
    try:
        model = strategy.make(subject, bench)
        quality = judge(outputs_of(model, subject.test), exact, subject.test)
        before, after = size_bytes(original), size_bytes(model)
        took = {}
        if not strategy.card_only:
            took = measured({"original": partial(batch.run, original), "new": partial(batch.run, model)})
    except (MerlineError, NotImplementedError, RuntimeError) as error:
        return Row(strategy.name, why=str(error).partition("\n")[0]), None
    gpu_ms, gpu_speedup, why = _on_card(strategy, model, original, batch)
    row = Row(
        strategy.name,
        size_mb=after / MEGABYTE,
        size_reduction_percent=100 * (1 - after / before),
        cpu_ms=took.get("new"),
        cpu_speedup=took["original"] / took["new"] if took else None,
        gpu_ms=gpu_ms,
        gpu_speedup=gpu_speedup,
        error=quality.error,
        accuracy=quality.accuracy,
        why=why,
    )
    return row, took.get("original")


def _on_card(
    strategy: Strategy, model: Any, original: nn.Module, batch: Batch
) -> tuple[float | None, float | None, str]:
    """Milliseconds of a call on a card, the speed-up over the original there, and why there are none.

    The inputs lie on the card already.
    """
    if not strategy.on_card or not torch.cuda.is_available():
        return None, None, ""
    card = torch.device("cuda")
    inputs = placed(torch, batch.inputs, card)
    try:
        there = deep_copy(original).cuda()  # its weights are the caller's, which stay where they are
        ways = {"original": there, "new": model.cuda() if isinstance(model, nn.Module) else model}
        took = typical_ms({name: partial(call_model, torch, way, inputs, card) for name, way in ways.items()})
        return took["new"], took["original"] / took["new"], ""
    except (MerlineError, RuntimeError) as error:
        return None, None, f"on the card: {str(error).partition(chr(10))[0]}"
    finally:
        if isinstance(model, nn.Module):
            model.cpu()


def _cell(value: float | None, form: str, unit: str = "") -> str:
    width = int(form.partition(".")[0]) + len(unit)
    return f"{'-':>{width}}" if value is None else f"{value:{form}}{unit}"
