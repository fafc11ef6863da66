"""ONNX Runtime: sessions, one run, and a benchmark. On the CPU; nothing here was run on a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.optimization.profiler import InferenceProfiler
from core.optimization.toolbox.packages import toolbox_package
from core.utils.errors import InferenceError, ModelLoadError

WARM_UPS = 5


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How ONNX Runtime computes."""

    threads: int = 0
    """within an operator; 0: as many as there are physical cores"""
    optimize: bool = True
    """ONNX Runtime's own graph optimisations"""
    spinning: bool = True
    """its threads wait busily for the next run: faster alone, at the cost of whatever else computes"""


@dataclass(frozen=True, slots=True)
class OnnxBenchmark:
    """Milliseconds of one run."""

    mean_ms: float
    p50_ms: float
    p95_ms: float
    min_ms: float
    iterations: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def open_session(path: Path | str, options: SessionOptions | None = None) -> Any:
    """An onnxruntime.InferenceSession. Raises ModelLoadError: absent, damaged, or of operators it does not know."""
    ort = toolbox_package("onnxruntime", "running an ONNX model")
    path, options = Path(path), options or SessionOptions()
    if not path.is_file():
        raise ModelLoadError(f"{path}: there is no such file; export the model first")
    made = ort.SessionOptions()
    made.intra_op_num_threads = options.threads
    made.log_severity_level = 4
    made.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
    if not options.optimize:
        made.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    failures = runtime_errors()
    try:
        return ort.InferenceSession(str(path), made, providers=["CPUExecutionProvider"])
    except failures as error:
        raise ModelLoadError(f"{path}: ONNX Runtime cannot use it: {_short(error)}; export it again") from error


def run_session(session: Any, inputs: Mapping[str, Any]) -> list[Any]:
    """numpy outputs for numpy inputs. Raises InferenceError: names, shapes or types that the model does not take."""
    failures = runtime_errors()
    try:
        return list(session.run(None, dict(inputs)))
    except failures as error:
        takes = ", ".join(f"{one.name}{list(one.shape)}" for one in session.get_inputs())
        raise InferenceError(f"the ONNX model failed on {sorted(inputs)}: {_short(error)}; it takes {takes}") from error


def benchmark_onnx(
    path: Path | str, inputs: Mapping[str, Any], iterations: int = 100, options: SessionOptions | None = None
) -> OnnxBenchmark:
    """Times `iterations` runs of the model at `path`, after WARM_UPS that do not count."""
    if iterations < 1:
        raise ValueError(f"iterations {iterations}: give at least 1")
    session = open_session(path, options)
    for _ in range(WARM_UPS):
        run_session(session, inputs)
    profiler = InferenceProfiler()
    for _ in range(iterations):
        with profiler.span("run"):
            run_session(session, inputs)
    found = profiler.statistics_of("run")
    assert found is not None
    times = (found.mean_s, found.p50_s, found.p95_s, found.min_s)
    mean, p50, p95, least = (1000 * seconds for seconds in times)
    return OnnxBenchmark(mean, p50, p95, least, iterations)


def runtime_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its own types have nothing but Exception in common."""
    state = toolbox_package("onnxruntime.capi.onnxruntime_pybind11_state", "running an ONNX model")
    names = [
        *("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented"),
        *("RuntimeException", "EPFail", "NoModel", "EngineError"),
    ]
    kinds: list[type[Exception]] = [getattr(state, name) for name in names]
    return (*kinds, RuntimeError, ValueError)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
