"""The real TensorRT builds engines here: TensorRT-RTX does so without a card. None is run; that is the card's test."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx_ir", reason="the extra toolbox is missing: onnx-ir")
pytest.importorskip("onnxruntime", reason="the extra toolbox is missing: onnxruntime")

from core.optimization import TensorRTConfig, TensorRTOptimizer
from core.optimization.toolbox.tensorrt_engine_file import read_engine
from core.optimization.toolbox.tensorrt_library import version_of
from core.utils.errors import ExportError, TensorRTUnavailableError
from tests.optimization.toolbox.fake_tensorrt import FakeCard
from tests.optimization.toolbox.real_tensorrt import build, library, pictures
from tests.optimization.toolbox.small_graphs import SmallGraph, save


@pytest.fixture(scope="module", autouse=True)
def builds_without_a_card() -> None:
    """TensorRT 10 and 11 want one even to build."""
    if "rtx" not in library().__name__:
        pytest.skip("only TensorRT-RTX builds without a card")


@pytest.mark.parametrize(
    ("config", "precision"),
    [
        (TensorRTConfig(), "float32"),
        (TensorRTConfig(fp16_mode=True), "float16"),
        (TensorRTConfig(int8_mode=True, calibration_data=pictures(2)), "int8"),
        (TensorRTConfig(fp16_mode=True, int8_mode=True, calibration_data=pictures(2)), "int8+float16"),
    ],
)
def test_it_builds_every_precision_with_shapes_that_vary(
    tmp_path: Path, config: TensorRTConfig, precision: str
) -> None:
    report = build(tmp_path, config, FakeCard())
    header, plan = read_engine(report.path)
    assert (header.precision, header.tensorrt_version) == (precision, version_of(library()))
    assert header.plan_bytes == len(plan) > 10_000
    assert header.profiles["input"].largest == (8, 3, 16, 16)


def test_an_operator_it_has_not_is_named_with_its_own_words(tmp_path: Path) -> None:
    graph = SmallGraph("float[n,3] input", "y = Unheard(input)", {})
    path = save(graph.model(), tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"TensorRT cannot take it: .*Unheard"):
        TensorRTOptimizer(None, library(), FakeCard()).optimize_from_onnx(
            path, tmp_path / "m.engine", {"input": (1, 3)}
        )


@pytest.mark.parametrize(("capability", "taken"), [((8, 6), True), ((12, 0), True), ((13, 0), True), ((9, 0), False)])
def test_a_card_that_it_does_not_run_on_is_told_before_building(
    tmp_path: Path, capability: tuple[int, int], taken: bool
) -> None:
    if taken:
        assert build(tmp_path, None, FakeCard(capability)).path.exists()
        return
    with pytest.raises(
        TensorRTUnavailableError, match=r"does not run on .* capability 9\.0; it takes 7\.5, 8\.0, 8\.6, 8\.9"
    ):
        build(tmp_path, None, FakeCard(capability))
    assert not (tmp_path / "net.engine").exists()
