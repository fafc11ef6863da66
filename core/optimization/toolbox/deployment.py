"""Tries what fits a platform, measures it here, and returns the best that meets the thresholds; never a worse one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from core.optimization.toolbox.deployed_files import DeployedFile, write_deployed
from core.optimization.toolbox.performance_metrics import ITERATIONS, PerformanceMetrics, measure
from core.optimization.toolbox.quality import outputs_of
from core.optimization.toolbox.quantization import lean_copy, working_copy
from core.optimization.toolbox.registry import Subject
from core.optimization.toolbox.strategies import STRATEGIES, Strategy, Workbench
from core.optimization.toolbox.trained_ways import TrainedWays
from core.utils.errors import MerlineError, OptimizationError, ThresholdsNotMetError

if TYPE_CHECKING:
    from torch import Tensor, nn

Platform = Literal["mobile", "edge", "server"]
ORIGINAL = "original"
NOISE = 1.05
"""a time that is longer by less than this is not called slower"""
NEAR, LONGER = 1.2, 3
"""where the two times are within this factor they are taken again, from so many times the calls"""
CANDIDATES: dict[str, tuple[str, ...]] = {
    "mobile": ("int4_weight", "static", "int8_weight", "dynamic", "bf16", "fp16"),
    "edge": ("static", "dynamic", "bf16", "int8_weight", "onnx_int8", "onnx"),
    "server": ("bf16", "fp16", "dynamic", "static", "onnx", "onnx_int8", "tensorrt"),
}
BETTER: dict[str, Callable[[PerformanceMetrics], float]] = {
    "mobile": lambda found: found.model_size,
    "edge": lambda found: found.model_size * found.inference_time,
    "server": lambda found: found.inference_time,
}
"""what is made small: on a phone the size, on a server the time, between them their product"""
AT_MOST = ("inference_time", "memory_usage", "model_size")


@dataclass(frozen=True, slots=True)
class Tried:
    """One way, and what came of it."""

    strategy: str
    metrics: PerformanceMetrics | None
    missing: Mapping[str, str]
    """by metric, how far it is from the threshold or behind the original; empty: it would do"""
    why: str = ""
    """why there are no metrics"""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The model to use and how it was found."""

    model: Any
    platform: Platform
    strategy: str
    """ "original" where nothing was better"""
    metrics: PerformanceMetrics
    tried: tuple[Tried, ...]
    written: DeployedFile | None = None
    """where that was asked for"""

    def as_json(self) -> dict[str, Any]:
        """Plain values, the model left out."""
        tried = [
            {"strategy": one.strategy, "metrics": one.metrics and one.metrics.as_json(), "missing": dict(one.missing)}
            | ({"why": one.why} if one.why else {})
            for one in self.tried
        ]
        told = {
            "platform": self.platform,
            "strategy": self.strategy,
            "metrics": self.metrics.as_json(),
            "tried": tried,
        }
        return told if self.written is None else {**told, "written": self.written.as_json()}


def read_thresholds(given: Mapping[str, float] | None) -> dict[str, float]:
    """Checked. Raises OptimizationError for a name or value that is none."""
    known = (*AT_MOST, "accuracy")
    if not isinstance(given, Mapping | None):
        raise OptimizationError(f"performance_threshold={given!r}: give {{name: number}}, of: {', '.join(known)}")
    for name, value in (given or {}).items():
        if name not in known:
            raise OptimizationError(f"threshold {name!r} is unknown; take some of: {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise OptimizationError(f"threshold {name}={value!r}: give a number from 0 up")
        if name == "accuracy" and value > 1:
            raise OptimizationError(f"threshold accuracy={value}: it is a share, 0..1; did you mean {value / 100}?")
    return dict(given or {})


def deploy(
    subject: Subject,
    platform: str,
    thresholds: Mapping[str, float] | None = None,
    progress: Callable[[str], None] = lambda line: None,
    out: Path | None = None,
) -> Deployment:
    """Needs a subject with test data. The model given is not changed. With training data of its own, ways that train
    are tried too: pruning by steps with an accuracy stop, the same in static int8, and QAT. `out`: write what is chosen
    (see deployed_files).

    A way is taken when it meets every threshold and, in what no threshold speaks of, is not worse than the original:
    slower by more than noise, larger, or less accurate. Raises OptimizationError for an unknown platform or threshold,
    ThresholdsNotMetError, with the closest way and what it lacks, where none does.
    """
    if platform not in get_args(Platform):
        raise OptimizationError(f"platform {platform!r} is unknown; take one of: {', '.join(get_args(Platform))}")
    wanted = read_thresholds(thresholds)
    original = lean_copy(subject.model)
    exact = outputs_of(original, subject.test)
    progress("measuring the original")
    plain, _ = measure(original, original, exact, subject.test)
    best: tuple[Any, str, PerformanceMetrics] | None = None
    tried = [Tried(ORIGINAL, plain, _missing(plain, plain, plain.inference_time, wanted))]
    if not tried[0].missing:
        best = (original, ORIGINAL, plain)
    value = BETTER[platform]
    least = value(plain)
    with Workbench(progress) as bench:
        for strategy in _candidates(subject, platform, plain, (wanted, progress)):
            progress(f"trying {strategy.name}")
            try:
                if why := strategy.obstacle():
                    raise OptimizationError(why)
                made = strategy.make(subject, bench)
                found, beside_ms = _measured(made, original, exact, subject)
            except (MerlineError, NotImplementedError, RuntimeError) as error:
                tried.append(Tried(strategy.name, None, {}, str(error).partition("\n")[0]))
                continue
            tried.append(Tried(strategy.name, found, _missing(found, plain, beside_ms, wanted)))
            # by its time beside the original's: between two ways the machine may have become slower
            even = replace(found, inference_time=plain.inference_time * found.inference_time / beside_ms)
            if not tried[-1].missing and (best is None or value(even) < least):
                best, least = (made, strategy.name, found), value(even)
        if best is None:
            raise _unmet(tried, wanted)
        model, name, found = best
        model = working_copy(subject.model) if name == ORIGINAL else model
        written = None if out is None else write_deployed(model, out)  # a graph's file goes with the workbench
    return Deployment(model, platform, name, found, tuple(tried), written)  # type: ignore[arg-type]


def _measured(
    made: Any, original: nn.Module, exact: Sequence[Tensor], subject: Subject
) -> tuple[PerformanceMetrics, float]:
    """The metrics, and the original's time beside; taken with care where chance could say which is the faster."""
    found, beside_ms = measure(made, original, exact, subject.test)
    if 1 / NEAR < found.inference_time / beside_ms < NEAR:
        return measure(made, original, exact, subject.test, LONGER * ITERATIONS)
    return found, beside_ms


def _candidates(
    subject: Subject,
    platform: str,
    plain: PerformanceMetrics,
    told: tuple[Mapping[str, float], Callable[[str], None]],
) -> list[Strategy]:
    """Those of the platform, and those that train where the subject brings data to train with."""
    wanted, progress = told
    chosen = [STRATEGIES[name] for name in CANDIDATES[platform]]
    if not subject.trains:
        return chosen
    allowed = max(0.0, plain.accuracy - wanted.get("accuracy", plain.accuracy))
    return chosen + TrainedWays(subject, allowed, progress).strategies()


def _missing(
    found: PerformanceMetrics, plain: PerformanceMetrics, beside_ms: float, wanted: Mapping[str, float]
) -> dict[str, str]:
    missing: dict[str, str] = {}
    for name in AT_MOST:
        value = getattr(found, name)
        if name in wanted:
            if value > wanted[name]:
                missing[name] = f"{value:.4g} where at most {wanted[name]:g} is wanted"
            continue
        limit = beside_ms if name == "inference_time" else getattr(plain, name)
        if value > limit * NOISE:
            missing[name] = f"{value:.4g} where the original has {limit:.4g}"
    least = wanted.get("accuracy", plain.accuracy)
    if found.accuracy < least:
        whose = "is wanted" if "accuracy" in wanted else "is the original's"
        missing["accuracy"] = f"{found.accuracy:.4g} ({found.accuracy_of}) where {least:.4g} {whose}"
    return missing


def _unmet(tried: list[Tried], wanted: Mapping[str, float]) -> ThresholdsNotMetError:
    measured = [one for one in tried if one.metrics is not None]
    closest = min(measured, key=lambda one: (len(one.missing), _shortfall(one.metrics, wanted)))
    lacks = "; ".join(f"{name} {told}" for name, told in closest.missing.items())
    return ThresholdsNotMetError(
        f"no way meets the thresholds; the closest is {closest.strategy}: {lacks}. Loosen them or take a smaller model",
        closest.strategy,
        dict(closest.missing),
    )


def _shortfall(found: PerformanceMetrics | None, wanted: Mapping[str, float]) -> float:
    """How far all thresholds together are missed, relative to each."""
    assert found is not None
    over: float = sum(
        max(0.0, getattr(found, name) / max(wanted[name], 1e-9) - 1) for name in AT_MOST if name in wanted
    )
    return over + max(0.0, wanted.get("accuracy", 0.0) - found.accuracy)
