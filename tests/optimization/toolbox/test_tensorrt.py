"""What TensorRT is told, and what is refused before it: neither the library nor a card is here, so no engine runs."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx_ir", reason="the extra toolbox is missing: onnx-ir")
pytest.importorskip("onnxruntime", reason="the extra toolbox is missing: onnxruntime")

from core.optimization import TensorRTConfig, TensorRTOptimizer
from core.optimization.toolbox import tensorrt as builder
from core.optimization.toolbox.tensorrt_calibration import (
    CalibrationCache,
    CalibrationFeed,
    make_calibrator,
    read_cache,
)
from core.optimization.toolbox.tensorrt_engine_file import (
    EngineHeader,
    read_engine,
    sha256_of,
    write_engine,
)
from core.optimization.toolbox.tensorrt_library import SUPPORTED, check_version
from core.optimization.toolbox.tensorrt_profile import ShapeProfile, check_inputs
from core.optimization.toolbox.tensorrt_runtime import TensorRTEngine
from core.utils.errors import (
    ExportError,
    InferenceError,
    ModelLoadError,
    QuantizationError,
    TensorRTUnavailableError,
)
from tests.optimization.toolbox.fake_tensorrt import FakeCard, FakeTensorRT
from tests.optimization.toolbox.small_graphs import SmallGraph, save

SHAPES = {"input": [(1, 3), (2, 3), (4, 3)]}
PROFILE = ShapeProfile((1, 3), (2, 3), (4, 3))
HEADER = EngineHeader("10.3.0", "8.6", "RTX 3090", "float16", {"input": PROFILE}, "0" * 64)


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    graph = SmallGraph("float[n,3] input", "y = MatMul(input, w)", {}, {"w": np.eye(3, dtype=np.float32)})
    return save(graph.model(), tmp_path / "m.onnx")


def _optimizer(config: TensorRTConfig | None = None, library: FakeTensorRT | None = None) -> TensorRTOptimizer:
    return TensorRTOptimizer(config, library or FakeTensorRT(), FakeCard())


@pytest.mark.skipif(any(importlib.util.find_spec(name) for name in SUPPORTED), reason="TensorRT is installed")
def test_without_the_library_the_extra_is_named_and_nothing_is_written(onnx_file: Path) -> None:
    engine = onnx_file.with_name("m.engine")
    with pytest.raises(TensorRTUnavailableError, match=r"TensorRT is not installed .*extra `tensorrt`.*MERLINE_EXTRAS"):
        TensorRTOptimizer(TensorRTConfig(fp16_mode=True)).optimize_from_onnx(onnx_file, engine, SHAPES)
    assert not engine.exists()


def test_an_engine_names_what_it_needs_and_is_marked_unverified(onnx_file: Path) -> None:
    library = FakeTensorRT()
    config = TensorRTConfig(fp16_mode=True, workspace_mb=64, optimization_level=5)
    report = _optimizer(config, library).optimize_from_onnx(onnx_file, onnx_file.with_name("m.engine"), SHAPES)
    header, plan = read_engine(report.path)
    assert plan == b"plan"
    assert (header.tensorrt_version, header.compute_capability, header.gpu) == ("10.3.0", "8.6", "RTX 3090")
    assert header.precision == "float16"
    assert header.profiles == {"input": PROFILE}
    assert header.onnx_sha256 == sha256_of(onnx_file)
    assert not report.verified
    assert report.lines()[1].startswith("unverified")
    assert json.loads(json.dumps(report.as_json()))["note"].startswith("unverified")
    assert library.calls == [
        ("memory", "workspace", 64 * 2**20),
        ("shape", "input", (1, 3), (2, 3), (4, 3)),
        ("profile",),
        ("flag", "fp16"),
    ]


def test_a_single_shape_is_a_profile_of_its_own(onnx_file: Path) -> None:
    report = _optimizer().optimize_from_onnx(onnx_file, onnx_file.with_name("m.engine"), {"input": (2, 3)})
    assert report.header.profiles["input"].fixed
    assert report.header.precision == "float32"


def test_int8_calibrates_from_data_and_keeps_the_cache(onnx_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[Any] = []

    class OnCard:
        def __init__(self, array: Any) -> None:
            placed.append(array)

        def data_ptr(self) -> int:
            return 1000 + len(placed)

    monkeypatch.setattr(builder, "_on_card", OnCard)
    cache, library = onnx_file.with_name("m.cache"), FakeTensorRT()
    data = [{"input": np.ones((2, 3), np.float32)}, {"input": np.zeros((2, 3), np.float32)}]
    config = TensorRTConfig(int8_mode=True, fp16_mode=True, calibration_data=data, calibration_cache=cache)
    report = _optimizer(config, library).optimize_from_onnx(onnx_file, onnx_file.with_name("m.engine"), SHAPES)
    assert report.header.precision == "int8+float16"
    assert library.calibrated == [[1001], [1002]]
    assert ("calibration profile",) in library.calls
    assert read_cache(cache.read_bytes()).scales == pytest.approx({"input": 0.0078759}, rel=1e-3)
    assert len(placed) == 2
    again = FakeTensorRT()
    config = replace(config, calibration_data=None)
    _optimizer(config, again).optimize_from_onnx(onnx_file, onnx_file.with_name("m.engine"), SHAPES)
    assert again.calibrated == []


def test_int8_without_data_is_refused_before_the_library_is_looked_for(onnx_file: Path) -> None:
    config = TensorRTConfig(int8_mode=True, calibration_cache=onnx_file.with_name("absent"))
    with pytest.raises(QuantizationError, match=r"int8_mode needs a model with QDQ nodes .*calibration_data"):
        TensorRTOptimizer(config).optimize_from_onnx(onnx_file, onnx_file.with_name("m.engine"), SHAPES)


def test_a_model_with_qdq_nodes_needs_no_calibration(tmp_path: Path) -> None:
    body = "q = QuantizeLinear(input, s, z) input_back = DequantizeLinear(q, s, z) y = MatMul(input_back, w)"
    weights = {"w": np.eye(3, dtype=np.float32), "s": np.float32(0.1), "z": np.int8(0)}
    path = save(SmallGraph("float[n,3] input", body, {}, weights).model(), tmp_path / "q.onnx")
    library = FakeTensorRT()
    _optimizer(TensorRTConfig(int8_mode=True), library).optimize_from_onnx(path, tmp_path / "q.engine", SHAPES)
    assert ("flag", "int8") in library.calls
    assert ("calibration profile",) not in library.calls


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({}, r"without a shape: input; the model takes input\['n', 3\]"),
        ({"input": (1, 3), "x": (1,)}, r"unknown: x"),
        ({"input": (1, 3, 1)}, r"the model's has 2 axes"),
        ({"input": (1, 4)}, r"axis 1: the model's size is fixed at 3; export it with dynamic_axes"),
        ({"input": [(2, 3), (1, 3), (4, 3)]}, r"1 <= least <= usual <= largest"),
        ({"input": [(1, 3), (2, 3)]}, r"give one shape, .* or three"),
        ({"input": "big"}, r"give one shape"),
        ({"input": (0, 3)}, r"1 <= least"),
        ((1, 3), r"input_shapes \(1, 3\): give \{input: shape\}; the model takes input\['n', 3\]"),
        (None, r"input_shapes None: give"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(onnx_file: Path, shapes: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        _optimizer().optimize_from_onnx(onnx_file, onnx_file.with_name("m.engine"), shapes)


def test_inputs_out_of_the_profile_are_named() -> None:
    check_inputs({"input": (4, 3)}, {"input": PROFILE})
    with pytest.raises(
        InferenceError, match=r"'input' of shape \(5, 3\) is out of the engine's profile, \(1, 3\) to \(4, 3\)"
    ):
        check_inputs({"input": (5, 3)}, {"input": PROFILE})
    with pytest.raises(InferenceError, match=r"the engine takes input, not x"):
        check_inputs({"x": (1, 3)}, {"input": PROFILE})


def test_what_tensorrt_refuses_keeps_the_older_engine(onnx_file: Path) -> None:
    engine = onnx_file.with_name("m.engine")
    engine.write_bytes(b"older")
    with pytest.raises(ExportError, match=r"TensorRT cannot take it: In node 3: unsupported operator NonZero"):
        _optimizer(library=FakeTensorRT(parses=False)).optimize_from_onnx(onnx_file, engine, SHAPES)
    with pytest.raises(ExportError, match=r"TensorRT built no engine"):
        _optimizer(library=FakeTensorRT(plan=None)).optimize_from_onnx(onnx_file, engine, SHAPES)
    assert engine.read_bytes() == b"older"
    with pytest.raises(TensorRTUnavailableError, match=r"torch sees none"):
        TensorRTOptimizer(None, FakeTensorRT(), FakeCard(available=False)).optimize_from_onnx(onnx_file, engine, SHAPES)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[:-1], r"is damaged \(3 of 4 bytes"),
        (lambda content: content[:-1] + b"m", r"is damaged"),
        (lambda content: content[:30], r"is damaged: its header cannot be read"),
        (lambda content: content.replace(b'"precision"', b'"prescision"'), r"its header cannot be read"),
        (lambda content: b"plan", r"does not say which TensorRT it needs"),
        (lambda content: b"", r"does not say which TensorRT it needs"),
    ],
)
def test_a_damaged_engine_is_refused(tmp_path: Path, spoil: Any, message: str) -> None:
    path = tmp_path / "m.engine"
    written = write_engine(path, HEADER, b"plan")
    assert read_engine(path)[0] == written
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ModelLoadError, match=message):
        read_engine(path)


def test_an_engine_of_another_version_or_card_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.engine"
    write_engine(path, HEADER, b"plan")
    with pytest.raises(
        TensorRTUnavailableError, match=r"needs TensorRT 10\.3 \(built by 10\.3\.0\) and 10\.9\.1 is installed"
    ):
        TensorRTEngine(path, FakeTensorRT("10.9.1"), FakeCard())
    with pytest.raises(TensorRTUnavailableError, match=r"compute capability 8\.6 \(RTX 3090\), and this one has 12\.0"):
        TensorRTEngine(path, FakeTensorRT("10.3.9"), FakeCard((12, 0)))
    with pytest.raises(ModelLoadError, match=r"TensorRT cannot read the engine; build it again"):
        TensorRTEngine(path, FakeTensorRT("10.3.1"), FakeCard())
    with pytest.raises(ModelLoadError, match=r"there is no engine"):
        TensorRTEngine(tmp_path / "absent", FakeTensorRT(), FakeCard())
    with pytest.raises(TensorRTUnavailableError, match=r"tensorrt 12\.0\.0 is installed and 10 or 11 is needed"):
        check_version("tensorrt", "12.0.0")


def test_a_cache_round_trips_and_a_strange_one_is_refused() -> None:
    cache = CalibrationCache("100300", {"input": 0.5, "a: b": 0.25})
    text = cache.text()
    assert text == "TRT-100300-EntropyCalibration2\ninput: 3f000000\na: b: 3e800000\n"
    assert read_cache(text.encode()) == cache
    for content, message in [
        (b"", "no calibration cache"),
        (b"\xff\xfe", "no calibration cache"),
        (b"TRT-100300-MinMaxCalibration\nx: 3f000000\n", "is of MinMaxCalibration"),
        (b"TRT-100300-EntropyCalibration2\nx: 3f00\n", "line 2: 'x: 3f00' is no scale"),
        (b"TRT-100300-EntropyCalibration2\nx: 7fc00000\n", "is no scale"),
        (b"TRT-100300-EntropyCalibration2\n", "holds no scale"),
    ]:
        with pytest.raises(QuantizationError, match=message):
            read_cache(content)


def test_a_calibrator_names_a_missing_input_and_a_spoilt_cache(tmp_path: Path) -> None:
    cache = tmp_path / "m.cache"
    calibrator = make_calibrator(FakeTensorRT, CalibrationFeed([{"x": 1}], cache, lambda array: array), 8)
    assert calibrator.get_batch_size() == 8
    assert calibrator.read_calibration_cache() is None
    with pytest.raises(QuantizationError, match="calibration_data lacks the input mask; it has x"):
        calibrator.get_batch(["mask"])
    assert calibrator.get_batch(["x"]) is None
    cache.write_bytes(b"spoilt")
    with pytest.raises(QuantizationError, match=r"m\.cache is no calibration cache"):
        calibrator.read_calibration_cache()
    feed = CalibrationFeed([], cache / "m.cache", lambda array: array)
    with pytest.raises(QuantizationError, match="cannot be written"):
        feed.keep(b"x")
    CalibrationFeed([], None, lambda array: array).keep(b"x")


def test_values_out_of_range_are_named(tmp_path: Path) -> None:
    for options in ({"workspace_mb": 0}, {"optimization_level": 6}):
        with pytest.raises(ExportError, match="a workspace of at least 1 MB and a level of 0 to 5"):
            TensorRTConfig(**options)
    text: Any = "m.cache"
    assert TensorRTConfig(calibration_cache=text).calibration_cache == Path("m.cache")
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot be written"):
        write_engine(tmp_path / "file" / "m.engine", HEADER, b"plan")
