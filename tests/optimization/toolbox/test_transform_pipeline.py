"""Quantise, export, build: each step leaves a file that runs; and a model is loaded in the form that measured best."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra full is missing: torch")
for _package in ("onnxscript", "onnxoptimizer", "onnxruntime"):
    pytest.importorskip(_package, reason=f"the extra toolbox is missing: {_package}")

from torch import Tensor, nn  # noqa: E402

from core.optimization import TensorRTConfig, TensorRTOptimizer, TransformPipeline, load_optimized_model  # noqa: E402
from core.optimization.toolbox.onnx_information import model_information  # noqa: E402
from core.optimization.toolbox.onnx_model import OnnxModel  # noqa: E402
from core.optimization.toolbox.onnx_qdq import OnnxQuantizationConfig  # noqa: E402
from core.optimization.toolbox.onnx_quantize import OnnxQuantizationReport, quantize_onnx  # noqa: E402
from core.optimization.toolbox.tensorrt_engine_file import read_engine  # noqa: E402
from core.optimization.toolbox.tensorrt_library import SUPPORTED  # noqa: E402
from core.optimization.toolbox.transform_pipeline import PipelineConfig, PipelineReport, Step  # noqa: E402
from core.utils.errors import (  # noqa: E402
    OptimizationError,
    QuantizationError,
    TensorRTUnavailableError,
)
from tests.optimization.toolbox.fake_tensorrt import FakeCard, FakeTensorRT  # noqa: E402
from tests.optimization.toolbox.small_graphs import SmallGraph, save  # noqa: E402

NO_TENSORRT = pytest.mark.skipif(
    any(importlib.util.find_spec(name) for name in SUPPORTED), reason="TensorRT is installed"
)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(1, 8, 3)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The whole way, the last step by a stand-in for TensorRT."""
    told: list[str] = []
    folder = tmp_path_factory.mktemp("pipeline")
    data = [torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    pipeline = TransformPipeline(
        PipelineConfig(tensorrt=TensorRTConfig()),
        told.append,
        lambda config: TensorRTOptimizer(config, FakeTensorRT(), FakeCard()),
    )
    return pipeline.run(Net(), data[0], folder, [(one, torch.zeros(len(one)).long()) for one in data]), told, data


def test_three_steps_leave_three_files(built: Any) -> None:
    report, told, _ = built
    assert told == ["exporting to ONNX", "quantising to int8", "building a TensorRT engine"]
    assert [(one.name, one.path.name) for one in report.steps] == [
        ("onnx", "model.onnx"),
        ("quantize", "model.int8.onnx"),
        ("tensorrt", "model.engine"),
    ]
    assert report.path.name == "model.engine"
    assert read_engine(report.path)[0].precision == "int8"
    assert report.as_json()["steps"][2]["note"].startswith("unverified")
    assert report.lines()[0] == f"onnx: {report.steps[0].path}"


def test_the_quantised_graph_runs_close_to_the_model(built: Any) -> None:
    report, _, data = built
    found = model_information(report.steps[1].path)
    assert found.quantised
    assert found.nodes["QuantizeLinear"] >= 4
    exact = Net().eval()(data[1]).detach()
    off = (OnnxModel(report.steps[1].path)(data[1]) - exact).norm() / exact.norm()
    assert 0 < off < 0.05
    assert report.steps[1].told["difference"] < 0.05
    assert report.steps[1].told["warning"] == ""


def test_ranges_for_onnx_runtime_are_smaller_files_and_nodes_can_be_skipped(built: Any, tmp_path: Path) -> None:
    source = built[0].steps[0].path
    data = [{"input": one.numpy()} for one in built[2]]
    done = quantize_onnx(source, tmp_path / "q.onnx", data, OnnxQuantizationConfig(calibration="percentile"))
    assert done.quantize_nodes > 0
    float32, int8 = (torch.cat([OnnxModel(path)(one) for one in built[2]]).argmax(-1) for path in (source, done.path))
    assert done.agreement == pytest.approx(float((float32 == int8).float().mean()))
    assert done.as_json()["size_reduction_percent"] == done.size_reduction_percent
    fewer = quantize_onnx(source, tmp_path / "q.onnx", data[0], OnnxQuantizationConfig(operators=("Conv",)))
    assert fewer.quantize_nodes < done.quantize_nodes
    with pytest.raises(QuantizationError, match="is quantised already; give the float model"):
        quantize_onnx(done.path, tmp_path / "twice.onnx", data)


@pytest.mark.parametrize("opset", [9, 12])
def test_a_graph_older_than_scales_by_channel_is_converted(tmp_path: Path, opset: int) -> None:
    weight = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    source = save(
        SmallGraph("float[n,8] x", "y = MatMul(x, w)", {}, {"w": weight}).model(opset=opset), tmp_path / "m.onnx"
    )
    assert model_information(source).opset == opset
    done = quantize_onnx(source, tmp_path / "q.onnx", {"x": np.eye(8, dtype=np.float32)})
    assert 0 < done.difference < 0.02
    assert done.agreement == 1.0


@NO_TENSORRT
def test_without_tensorrt_the_way_ends_with_the_onnx_model_and_says_why(built: Any, tmp_path: Path) -> None:
    settings = PipelineConfig(tensorrt=TensorRTConfig(), quantize=False)
    report = TransformPipeline(settings).run(nn.Linear(3, 3), torch.randn(1, 3), tmp_path)
    assert report.path == tmp_path / "model.onnx"
    assert "TensorRT is not installed" in report.steps[1].skipped
    assert "TensorRT is not installed" in report.lines()[1]


def test_outputs_that_int8_ruins_are_warned_of(built: Any) -> None:
    source = built[0].steps[0].path
    report = OnnxQuantizationReport(source, 4, 1, 2, 0.79, {})
    assert "outputs are off by 79% of their largest, too much" in report.warning
    steps = PipelineReport((Step("quantize", source, report.as_json()),))
    assert steps.lines() == [f"quantize: {source}", report.warning]


def test_calibration_data_that_does_not_fit_is_named_and_no_file_is_left(built: Any, tmp_path: Path) -> None:
    source = built[0].steps[0].path
    target = tmp_path / "q.onnx"
    with pytest.raises(QuantizationError, match="static quantisation needs calibration_data"):
        quantize_onnx(source, target, [])
    with pytest.raises(QuantizationError, match=r"calibration_data\[1\]: the ONNX model failed"):
        quantize_onnx(
            source, target, [{"input": np.ones((2, 1, 6, 6), np.float32)}, {"input": np.ones((2, 1), np.float32)}]
        )
    nothing = save(SmallGraph("float[2,3] x", "y = Relu(x)", {}).model(), tmp_path / "relu.onnx")
    with pytest.raises(QuantizationError, match="has no Conv, MatMul, Gemm to quantise"):
        quantize_onnx(nothing, target, [{"x": np.ones((2, 3), np.float32)}])
    with pytest.raises(QuantizationError, match="calibration 'max' is unknown; take one of: minmax, entropy"):
        OnnxQuantizationConfig(calibration="max")  # type: ignore[arg-type]
    assert not target.exists()


@NO_TENSORRT
def test_auto_loads_what_measured_fastest_of_what_is_right() -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
    x = torch.randn(4, 64)
    loaded = load_optimized_model("net", "auto", {"net": lambda: model}, x)
    assert loaded.form in ("original", "dynamic", "bf16")
    assert "original " in loaded.why
    assert "TensorRT is not installed" in loaded.why
    exact = model(x)
    assert (loaded(x).float() - exact).norm() / exact.norm() < 0.05
    assert model.training


class Float32Only(nn.Module):
    """Refuses other numbers than those it was trained in."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.out(x)
        assert y.dtype == torch.float32, "float32 alone"
        return y


@NO_TENSORRT
def test_a_form_that_the_model_refuses_is_left_out_and_said() -> None:
    loaded = load_optimized_model(Float32Only(), "auto", example_input=torch.randn(2, 8))
    assert loaded.form in ("original", "dynamic")
    assert "bf16: AssertionError: float32 alone" in loaded.why


def test_a_model_is_loaded_in_int8_when_asked_for() -> None:
    model = nn.Sequential(nn.Linear(16, 16))
    loaded = load_optimized_model(model, "quantize")
    assert loaded.form == "dynamic"
    assert type(loaded.model[0]) is not nn.Linear
    assert type(model[0]) is nn.Linear


@NO_TENSORRT
def test_what_cannot_be_loaded_is_named() -> None:
    with pytest.raises(
        OptimizationError, match="optimization 'fast' is unknown; take one of: auto, quantize, tensorrt"
    ):
        load_optimized_model("net", "fast")  # type: ignore[arg-type]
    with pytest.raises(OptimizationError, match="no model is registered as 'net'"):
        load_optimized_model("net", "auto", {"other": Net})
    with pytest.raises(OptimizationError, match=r"'net' is registered as a int; give a torch\.nn\.Module"):
        load_optimized_model("net", "auto", {"net": lambda: 3})  # type: ignore[dict-item,return-value]
    with pytest.raises(OptimizationError, match=r'optimization="auto" measures: give example_input'):
        load_optimized_model(Net(), "auto")
    with pytest.raises(OptimizationError, match=r"Linear does not take this data"):
        load_optimized_model(nn.Linear(3, 3), "auto", example_input=torch.randn(2, 4))
    with pytest.raises(TensorRTUnavailableError, match="extra `tensorrt`"):
        load_optimized_model(Net(), "tensorrt", example_input=torch.randn(1, 1, 6, 6))
