"""Precision written into the graph, as TensorRT 11 and TensorRT-RTX want it; compared in ONNX Runtime, without them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx_ir", reason="the extra toolbox is missing: onnx-ir")
pytest.importorskip("onnxruntime", reason="the extra toolbox is missing: onnxruntime")

from core.optimization import TensorRTConfig, TensorRTOptimizer
from core.optimization.toolbox.onnx_information import model_information
from core.optimization.toolbox.onnx_quantize import activation_scales, quantize_with_scales
from core.optimization.toolbox.onnx_runtime import open_session, run_session
from core.optimization.toolbox.onnx_verify import difference
from core.optimization.toolbox.tensorrt_calibration import read_cache
from core.optimization.toolbox.tensorrt_typed import METHOD, Precision, write_typed
from core.utils.errors import QuantizationError
from tests.optimization.toolbox.fake_tensorrt import FakeCard, FakeTensorRT
from tests.optimization.toolbox.real_tensorrt import SHAPES, pictures, save_conv_net


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_conv_net(tmp_path_factory.mktemp("typed") / "net.onnx")


def _off(one: Path, other: Path) -> float:
    inputs = pictures(1)[0]
    return difference(run_session(open_session(one), inputs), run_session(open_session(other), inputs))


def test_float32_needs_no_other_model(net: Path, tmp_path: Path) -> None:
    assert write_typed(net, tmp_path / "m.onnx", Precision()) == net


def test_float16_lies_within_and_the_ends_stay_float32(net: Path, tmp_path: Path) -> None:
    halved = write_typed(net, tmp_path / "m.onnx", Precision(float16=True))
    information = model_information(halved)
    assert [one.type for one in (*information.inputs, *information.outputs)] == ["float", "float"]
    assert information.weights_bytes == model_information(net).weights_bytes // 2
    assert 0 < _off(net, halved) < 0.01


def test_int8_calibrates_by_entropy_and_its_cache_gives_the_same_graph(net: Path, tmp_path: Path) -> None:
    cache = tmp_path / "m.cache"
    precision = Precision(quantise=True, calibration_data=pictures(4), calibration_cache=cache)
    calibrated = write_typed(net, tmp_path / "a.onnx", precision)
    kept = read_cache(cache.read_bytes(), method=METHOD)
    assert kept.scales == pytest.approx(activation_scales(calibrated))
    assert "input" in kept.scales
    again = write_typed(net, tmp_path / "b.onnx", Precision(quantise=True, calibration_cache=cache))
    assert activation_scales(again) == pytest.approx(kept.scales)
    assert _off(calibrated, again) < 1e-6
    assert 0 < _off(net, calibrated) < 0.1


def test_int8_and_float16_together(net: Path, tmp_path: Path) -> None:
    precision = Precision(float16=True, quantise=True, calibration_data=pictures(2))
    both = write_typed(net, tmp_path / "m.onnx", precision)
    assert model_information(both).quantised
    assert model_information(both).opset >= 19
    assert 0 < _off(net, both) < 0.1


def test_a_cache_of_another_model_or_kind_is_refused(net: Path, tmp_path: Path) -> None:
    with pytest.raises(QuantizationError, match="cannot be quantised"):
        quantize_with_scales(net, tmp_path / "m.onnx", {"another": 0.1})
    cache = tmp_path / "m.cache"
    cache.write_bytes(b"TRT-100300-EntropyCalibration2\ninput: 3f000000\n")
    with pytest.raises(QuantizationError, match=rf"is of EntropyCalibration2 and {METHOD} is wanted"):
        write_typed(net, tmp_path / "m.onnx", Precision(quantise=True, calibration_cache=cache))
    with pytest.raises(QuantizationError, match="needs calibration_data"):
        write_typed(net, tmp_path / "m.onnx", Precision(quantise=True))
    assert not (tmp_path / "m.onnx").exists()


class StronglyTyped(FakeTensorRT):
    """As TensorRT 11: no flags for precisions."""

    BuilderFlag = SimpleNamespace(TF32="tf32")

    def __init__(self) -> None:
        super().__init__("11.4.0")
        self.parsed: list[list[str]] = []

    def OnnxParser(self, network: Any, logger: Any) -> Any:
        def parse(path: str) -> bool:
            self.parsed.append(sorted(model_information(path).nodes))
            return True

        return SimpleNamespace(parse_from_file=parse)


def test_tensorrt_11_is_given_the_typed_graph_and_no_flags(net: Path, tmp_path: Path) -> None:
    library = StronglyTyped()
    config = TensorRTConfig(fp16_mode=True, int8_mode=True, calibration_data=pictures(2))
    report = TensorRTOptimizer(config, library, FakeCard()).optimize_from_onnx(net, tmp_path / "m.engine", SHAPES)
    assert {"QuantizeLinear", "Cast"} <= set(library.parsed[0])
    assert [call[0] for call in library.calls] == ["memory", "shape", "profile"]
    assert (report.header.tensorrt_version, report.header.precision) == ("11.4.0", "int8+float16")
    assert [path.name for path in tmp_path.iterdir()] == ["m.engine"]


def test_weights_too_small_for_float16_do_not_stop_it(tmp_path: Path) -> None:
    import onnx

    path = save_conv_net(tmp_path / "net.onnx")
    model = onnx.load(path)
    tiny = np.full((16, 10), 1e-12, np.float32)
    model.graph.initializer[2].CopyFrom(onnx.numpy_helper.from_array(tiny, "w3"))
    onnx.save(model, path)
    halved = write_typed(path, tmp_path / "m.onnx", Precision(float16=True))
    assert _off(path, halved) < 1e-3
