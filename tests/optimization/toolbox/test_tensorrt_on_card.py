"""Engines on a real card, by the TensorRT that is installed: their outputs beside ONNX Runtime's and PyTorch's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("onnx_ir", reason="the extra toolbox is missing: onnx-ir")
pytest.importorskip("onnxruntime", reason="the extra toolbox is missing: onnxruntime")
pytest.importorskip("torch", reason="the extra full is missing: torch")

import torch

from core.optimization import TensorRTConfig, TensorRTOptimizer, load_optimized_model
from core.optimization.toolbox.onnx_qdq import OnnxQuantizationConfig
from core.optimization.toolbox.onnx_quantize import quantize_onnx
from core.optimization.toolbox.tensorrt import EngineReport
from core.optimization.toolbox.tensorrt_engine_file import read_engine, write_engine
from core.optimization.toolbox.tensorrt_library import check_card, describe_card, strongly_typed
from core.optimization.toolbox.tensorrt_runtime import TensorRTEngine
from core.utils.errors import InferenceError, ModelLoadError, TensorRTUnavailableError
from tests.optimization.toolbox.real_tensorrt import LOGITS, SHAPES, build, library, pictures

pytestmark = pytest.mark.gpu


def _inputs(batch: int = 4) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in pictures(1, batch)[0].items()}


@pytest.fixture(scope="module", autouse=True)
def a_card_that_it_takes() -> None:
    try:
        check_card(library(), describe_card()[0])
    except TensorRTUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> EngineReport:
    """A float16 engine, for the tests that only need one."""
    return build(tmp_path_factory.mktemp("half"), TensorRTConfig(fp16_mode=True))


@pytest.mark.parametrize(
    ("config", "tolerance"),
    [
        (TensorRTConfig(), 2e-3),
        (TensorRTConfig(fp16_mode=True), 1e-2),
        (TensorRTConfig(int8_mode=True, calibration_data=pictures(4)), 1e-1),
        (TensorRTConfig(fp16_mode=True, int8_mode=True, calibration_data=pictures(4)), 1e-1),
    ],
    ids=["float32", "float16", "int8", "int8+float16"],
)
def test_outputs_are_near_onnx_runtimes(tmp_path: Path, config: TensorRTConfig, tolerance: float) -> None:
    report = build(tmp_path, config)
    off = TensorRTEngine(report.path).verify(tmp_path / "net.onnx", _inputs())
    assert off < tolerance


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_one_engine_takes_every_size_of_its_profile(half: EngineReport, batch: int) -> None:
    engine = TensorRTEngine(half.path)
    assert engine.run(_inputs(batch))["y"].shape == (batch, LOGITS)
    assert engine.verify(half.path.with_name("net.onnx"), _inputs(batch)) < 1e-2


def test_inputs_out_of_the_profile_or_of_another_kind_are_refused(half: EngineReport) -> None:
    engine = TensorRTEngine(half.path)
    with pytest.raises(InferenceError, match="out of the engine's profile"):
        engine.run(_inputs(9))
    with pytest.raises(InferenceError, match=r"'input' is torch.float64, and the engine takes torch.float32"):
        engine.run({"input": _inputs()["input"].double()})
    assert engine.run(_inputs())["y"].isfinite().all()


def test_the_calibration_cache_stands_in_for_the_data(tmp_path: Path) -> None:
    cache = tmp_path / "net.cache"
    config = TensorRTConfig(int8_mode=True, calibration_data=pictures(4), calibration_cache=cache)
    build(tmp_path, config)
    written = cache.read_bytes()
    again = build(tmp_path, replace(config, calibration_data=None))
    assert cache.read_bytes() == written
    assert TensorRTEngine(again.path).verify(tmp_path / "net.onnx", _inputs()) < 1e-1


def test_a_model_with_qdq_nodes_becomes_an_engine(half: EngineReport, tmp_path: Path) -> None:
    quantised = tmp_path / "net.int8.onnx"
    quantize_onnx(half.path.with_name("net.onnx"), quantised, pictures(4), OnnxQuantizationConfig(for_tensorrt=True))
    report = TensorRTOptimizer(TensorRTConfig(int8_mode=True)).optimize_from_onnx(
        quantised, tmp_path / "net.engine", SHAPES
    )
    assert TensorRTEngine(report.path).verify(quantised, _inputs()) < 1e-1


def test_damaged_and_foreign_engines_are_refused(half: EngineReport, tmp_path: Path) -> None:
    header, plan = read_engine(half.path)
    path = tmp_path / "m.engine"
    path.write_bytes(half.path.read_bytes()[:-100])
    with pytest.raises(ModelLoadError, match="is damaged"):
        TensorRTEngine(path)
    write_engine(path, header, plan[: len(plan) // 2])  # a checksum that fits, a plan that TensorRT must refuse itself
    with pytest.raises(ModelLoadError, match="TensorRT cannot read the engine"):
        TensorRTEngine(path)
    write_engine(path, replace(header, tensorrt_version="9.9.0"), plan)
    with pytest.raises(TensorRTUnavailableError, match=r"needs TensorRT 9\.9 .*is installed"):
        TensorRTEngine(path)
    write_engine(path, replace(header, compute_capability="7.5"), plan)
    with pytest.raises(TensorRTUnavailableError, match=r"compute capability 7\.5"):
        TensorRTEngine(path)


def test_auto_takes_the_engine_where_its_outputs_are_the_models() -> None:
    library()
    torch.manual_seed(5)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 4))
    x = torch.randn(2, 3, 8, 8)
    loaded = load_optimized_model(model.eval(), "auto", example_input=x)
    assert loaded.form == "tensorrt", loaded.why
    assert "its outputs are off by" in loaded.why
    exact = model(x).detach()
    assert float((loaded(x).float().cpu() - exact).norm() / exact.norm()) < 0.01
    assert loaded.size_bytes > 1000


def test_a_benchmark_times_real_runs(half: EngineReport) -> None:
    found = TensorRTEngine(half.path).benchmark(_inputs(), iterations=20)
    assert 0 < found.min_ms <= found.p50_ms <= found.p95_ms
    print(f"{'typed' if strongly_typed(library()) else 'flags'}: {found.mean_ms:.3f} ms a run of batch 4")
