"""The facade: by name or by module, measured, compared, chosen; and nothing that is worse than what was there."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from small_models import ConvNet, conv_net, images, labelled, tied_lm, tokens
from torch import nn

from core.optimization import ModelOptimizer
from core.optimization.toolbox import deployment
from core.optimization.toolbox.comparison import Comparison, Row, _draw, compare_strategies
from core.optimization.toolbox.measuring import size_bytes
from core.optimization.toolbox.performance_metrics import PerformanceMetrics
from core.optimization.toolbox.registry import RegisteredModel, RegisteredModels
from core.optimization.toolbox.strategies import Strategy
from core.utils.errors import OptimizationError, QuantizationError, ThresholdsNotMetError


@pytest.fixture(scope="module")
def optimizer() -> ModelOptimizer:
    return ModelOptimizer(
        {
            "plain": conv_net,
            "conv": RegisteredModel(conv_net, labelled(3), images(2)),
            "lm": RegisteredModel(tied_lm(), tokens(2)),
            "broken": lambda: "no module",
        }
    )


def test_quantising_by_name_finds_model_and_data(optimizer: ModelOptimizer):
    assert size_bytes(optimizer.quantize_model("conv", "static")) < 0.36 * size_bytes(conv_net())
    assert optimizer.report is not None
    assert optimizer.report.quantization_type == "static"
    assert isinstance(optimizer.quantize_model("plain"), ConvNet)
    with pytest.raises(QuantizationError, match="needs calibration_data"):
        optimizer.quantize_model("plain", "static")
    with pytest.raises(QuantizationError, match="'int2' is unknown"):
        optimizer.quantize_model("plain", "int2")


@pytest.mark.parametrize(
    ("name", "told"),
    [("cnv", "did you mean 'conv'"), ("x", "there are: broken, conv, lm"), ("broken", "registered as a str")],
)
def test_names_that_are_wrong_are_told(optimizer: ModelOptimizer, name: str, told: str):
    with pytest.raises(OptimizationError, match=told):
        optimizer.quantize_model(name)


@pytest.mark.parametrize("entry", [None, "model.pt", 3])
def test_what_is_registered_and_no_model_is_told(entry: Any):
    with pytest.raises(OptimizationError, match=f"registered as a {type(entry).__name__}"):
        ModelOptimizer({"net": entry}).quantize_model("net")
    with pytest.raises(OptimizationError, match="models_registry is a list"):
        ModelOptimizer([entry])  # type: ignore[arg-type]


def test_registered_data_may_be_a_generator_and_serve_more_than_once():
    optimizer = ModelOptimizer({"net": RegisteredModel(conv_net, test_data=(x for x in images(2)))})
    assert size_bytes(optimizer.quantize_model("net", "static")) < 0.36 * size_bytes(conv_net())
    assert size_bytes(optimizer.quantize_model("net", "static")) < 0.36 * size_bytes(conv_net())


def test_a_factory_is_asked_once():
    made: list[nn.Module] = []
    models = RegisteredModels({"one": lambda: made.append(conv_net()) or made[-1]})
    assert models.subject("one").model is models.subject("one").model
    assert len(made) == 1


def test_pruning_and_distilling(optimizer: ModelOptimizer):
    pruned = optimizer.prune_model_weights("conv", 0.25)
    assert float((pruned.second.weight == 0).float().mean()) > 0.1
    assert optimizer.prune_model_weights("conv", 0.25, structured=True).first.out_channels == 12
    with pytest.raises(OptimizationError, match="no test data"):
        optimizer.prune_model_weights("plain", 0.25, structured=True)
    taught = optimizer.distill_knowledge("conv", ConvNet(), images(2), temperature=2.0, alpha=1.0, epochs=1)
    assert isinstance(taught, ConvNet)
    with pytest.raises(OptimizationError, match="options are fields"):
        optimizer.distill_knowledge("conv", ConvNet(), images(1), epoch=1)


def test_metrics_say_what_accuracy_is_of(optimizer: ModelOptimizer):
    metrics = optimizer.benchmark_model_performance("conv", iterations=2)
    data = labelled(3)
    model = conv_net()
    right = sum(int((model(x).argmax(-1) == y).sum()) for x, y in data)
    assert metrics.accuracy_of == "labels"
    assert metrics.accuracy == pytest.approx(right / (3 * 16))
    assert metrics.model_size == pytest.approx(size_bytes(model) / 1e6)
    # the first layer's 16 maps of 8 x 8 for 16 images, and the norm's as many
    assert metrics.memory_usage >= metrics.model_size + 2 * 16 * 16 * 64 * 4 / 1e6
    assert metrics.inference_time > 0

    small = optimizer.quantize_model("lm", "int4_weight")
    found = optimizer.benchmark_model_performance(small, tokens(4), original="lm", iterations=1)
    assert found.accuracy_of == "agreement"
    assert 0 < found.accuracy <= 1
    assert found.error > 0
    assert optimizer.benchmark_model_performance("lm", iterations=1).accuracy == 1.0
    with pytest.raises(OptimizationError, match="give original="):
        optimizer.benchmark_model_performance(small, tokens(1))
    with pytest.raises(OptimizationError, match="no test data"):
        optimizer.benchmark_model_performance("plain")
    with pytest.raises(OptimizationError, match="labels of shape"):
        optimizer.benchmark_model_performance(
            "plain", [{"x": images(1)[0], "labels": torch.zeros(3, dtype=torch.long)}]
        )


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One candidate that keeps all choices, and quick measuring."""
    monkeypatch.setattr(deployment, "CANDIDATES", dict.fromkeys(("mobile", "edge", "server"), ("int8_weight", "fp16")))


@pytest.mark.usefixtures("few")
def test_the_smallest_that_meets_the_thresholds_is_chosen(optimizer: ModelOptimizer):
    model = conv_net()
    before = copy.deepcopy(model.state_dict())
    wide = {"inference_time": 1e5, "memory_usage": 1e4, "accuracy": 0.5}
    lines: list[str] = []
    found = ModelOptimizer({"m": RegisteredModel(model, images(4))}, lines.append).auto_optimize_for_deployment(
        "mobile", "m", wide
    )
    assert found.strategy == "int8_weight"
    assert found.metrics.model_size < 0.36 * size_bytes(model) / 1e6
    assert found.metrics.accuracy >= 0.5
    assert [one.strategy for one in found.tried] == ["original", "int8_weight", "fp16"]
    assert lines[0] == "measuring the original"
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert json.loads(json.dumps(found.as_json()))["strategy"] == "int8_weight"


@pytest.mark.usefixtures("few")
def test_thresholds_that_nothing_meets_name_the_closest(optimizer: ModelOptimizer):
    with pytest.raises(ThresholdsNotMetError, match="closest is int8_weight: model_size") as caught:
        optimizer.auto_optimize_for_deployment(
            "server", "lm", {"model_size": 0.001, "inference_time": 1e5, "memory_usage": 1e4, "accuracy": 0.1}
        )
    assert caught.value.closest == "int8_weight"
    assert "at most 0.001 is wanted" in caught.value.missing["model_size"]
    with pytest.raises(ThresholdsNotMetError, match=r"accuracy .* \(labels\) where 1 is wanted"):
        optimizer.auto_optimize_for_deployment("edge", "conv", {"accuracy": 1.0})


def worse(change: Any) -> Strategy:
    def make(subject: Any, bench: Any) -> nn.Module:
        model = copy.deepcopy(subject.model)
        change(model)
        return model

    return Strategy("worse", make)


@torch.no_grad()
def negate(model: Any) -> None:
    model.out.weight.neg_()


@pytest.mark.parametrize(
    ("change", "lacks"),
    [(lambda model: setattr(model, "more", nn.Linear(300, 300)), "model_size"), (negate, "accuracy")],
)
def test_what_is_worse_than_the_original_is_never_chosen(change: Any, lacks: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(deployment.STRATEGIES, "worse", worse(change))
    monkeypatch.setattr(deployment, "CANDIDATES", {"server": ("worse",)})
    monkeypatch.setattr(deployment, "BETTER", {"server": lambda found: -found.model_size - found.error})
    found = ModelOptimizer({}).auto_optimize_for_deployment("server", conv_net(), None, images(2))
    assert found.strategy == "original"
    assert lacks in found.tried[1].missing


def test_times_near_each_other_are_taken_again_and_a_machine_that_slowed_down_decides_nothing(
    monkeypatch: pytest.MonkeyPatch,
):
    times = {
        ("original", 20): (10.0, 10.0),
        ("near", 20): (11.0, 10.0),  # one unlucky look
        ("near", 60): (9.0, 10.0),
        ("fast", 20): (12.0, 24.0),  # the machine had become slower: half the original's time all the same
    }

    def measured(model: Any, original: Any, exact: Any, batches: Any, iterations: int = 20) -> Any:
        took, beside = times[getattr(model, "called", "original"), iterations]
        return PerformanceMetrics(took, 1.0, 1.0, 1.0, "agreement", 0.0), beside

    def strategy(name: str) -> Strategy:
        return Strategy(name, lambda subject, bench: type("Made", (), {"called": name}))

    monkeypatch.setattr(deployment, "measure", measured)
    for name in ("near", "fast"):
        monkeypatch.setitem(deployment.STRATEGIES, name, strategy(name))
    monkeypatch.setattr(deployment, "CANDIDATES", {"server": ("near", "fast")})
    found = ModelOptimizer({}).auto_optimize_for_deployment("server", conv_net(), None, images(1))
    assert found.strategy == "fast"
    assert [dict(one.missing) for one in found.tried] == [{}, {}, {}]


def test_a_way_that_cannot_be_is_told_and_the_others_are_tried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(
        deployment.STRATEGIES, "none", Strategy("none", lambda subject, bench: None, lambda: "not on this machine")
    )
    monkeypatch.setattr(deployment, "CANDIDATES", {"edge": ("none", "dynamic", "int8_weight")})
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten()).eval()
    found = ModelOptimizer({}).auto_optimize_for_deployment("edge", model, {"accuracy": 0.1}, images(2))
    reasons = {one.strategy: one.why for one in found.tried}
    assert reasons["none"] == "not on this machine"
    assert "no layer can be quantised" in reasons["dynamic"]
    assert reasons["int8_weight"] == ""


@pytest.mark.parametrize(
    ("platform", "thresholds", "told"),
    [
        ("desktop", {}, "platform 'desktop' is unknown"),
        ("edge", {"speed": 1}, "threshold 'speed' is unknown"),
        ("edge", {"accuracy": 95}, r"did you mean 0\.95"),
        ("edge", {"inference_time": -1}, "from 0 up"),
        ("edge", {"memory_usage": math.nan}, "from 0 up"),
        ("edge", {"memory_usage": "512"}, "from 0 up"),
        ("edge", [100, 512], r"performance_threshold=\[100, 512\]: give \{name: number\}, of: inference_time"),
    ],
)
def test_unknown_platforms_and_thresholds_are_told(
    optimizer: ModelOptimizer, platform: str, thresholds: Any, told: str
):
    with pytest.raises(OptimizationError, match=told):
        optimizer.auto_optimize_for_deployment(platform, "conv", thresholds)
    with pytest.raises(OptimizationError, match="no test data"):
        optimizer.auto_optimize_for_deployment("edge", "plain")


@pytest.fixture(scope="module")
def learned() -> nn.Module:
    """The conv net that has learnt the labels, so that there is an accuracy to lose."""
    model = conv_net()
    with torch.enable_grad():
        optimizer = torch.optim.Adam(model.train().parameters(), lr=3e-3)
        for x, y in labelled(30, seed=5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model.eval()


def test_with_training_data_it_prunes_by_steps_and_trains_under_rounding(
    learned: nn.Module, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(deployment, "CANDIDATES", {"mobile": ("dynamic",)})
    monkeypatch.setattr(deployment, "AT_MOST", ("model_size",))  # tiny networks' times tell nothing
    before = copy.deepcopy(learned.state_dict())
    lines: list[str] = []
    entry = RegisteredModel(learned, labelled(4), labelled(4, seed=6), labelled(12, seed=5))
    found = ModelOptimizer({"m": entry}, lines.append).auto_optimize_for_deployment("mobile", "m", {"accuracy": 0.6})
    tried = {one.strategy: one for one in found.tried}
    assert list(tried) == ["original", "dynamic", "pruned", "pruned+static", "qat"]
    sizes = {name: one.metrics.model_size for name, one in tried.items() if one.metrics}
    assert sizes["pruned+static"] < sizes["qat"] < sizes["original"]
    assert sizes["pruned"] < 0.9 * sizes["original"]
    assert found.strategy == "pruned+static"
    assert found.metrics.accuracy >= 0.6
    assert "removing 20% of the channels, and training" in lines
    assert all(torch.equal(learned.state_dict()[name], tensor) for name, tensor in before.items())
    assert not learned.training


def test_pruning_that_costs_accuracy_at_its_first_step_is_told(learned: nn.Module, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deployment, "CANDIDATES", {"edge": ()})
    shuffled = [(x, y.roll(1)) for x, y in labelled(4, seed=5)]  # what it trains on is wrong
    entry = RegisteredModel(learned, labelled(4), None, shuffled)
    monkeypatch.setattr("core.optimization.toolbox.trained_ways.STEP", 0.9)
    monkeypatch.setattr("core.optimization.toolbox.trained_ways.MOST", 0.9)
    found = ModelOptimizer({"m": entry}).auto_optimize_for_deployment("edge", "m")
    tried = {one.strategy: one for one in found.tried}
    assert "without 90% of its channels its accuracy is" in tried["pruned"].why
    assert found.metrics.accuracy >= tried["original"].metrics.accuracy


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    model = (
        RegisteredModels({"conv": RegisteredModel(conv_net, labelled(2), images(2))}).subject("conv").with_data(None)
    )
    return compare_strategies(model, "conv", ["static", "int4_weight", "pruned", "tensorrt"], iterations=2)


def test_strategies_are_compared_by_what_was_measured(comparison: Comparison):
    rows = {row.strategy: row for row in comparison.rows}
    assert comparison.accuracy_of == "labels"
    assert rows["static"].size_reduction_percent == pytest.approx(
        100 * (1 - rows["static"].size_mb / comparison.original_mb)
    )
    assert 0 < rows["static"].error < 0.05
    assert rows["int4_weight"].size_reduction_percent > 0
    assert rows["pruned"].size_reduction_percent > 20
    assert rows["tensorrt"].size_mb is None
    assert "TensorRT" in rows["tensorrt"].why
    text = comparison.text()
    assert "not measured: TensorRT is not installed" in text
    assert len(text.splitlines()) == 6 + comparison.busy
    assert json.loads(json.dumps(comparison.as_json()))["rows"][0]["strategy"] == "static"
    with pytest.raises(OptimizationError, match="unknown strategies magic"):
        ModelOptimizer({}).compare_strategies(conv_net(), images(1), ["magic"])
    with pytest.raises(OptimizationError, match="unknown strategies magic"):
        ModelOptimizer({}).compare_strategies(conv_net(), images(1), "static, magic")
    with pytest.raises(OptimizationError, match="no strategy is named; there are: dynamic, static"):
        ModelOptimizer({}).compare_strategies(conv_net(), images(1), [])


def test_a_busy_machine_is_told_of_and_small_numbers_keep_their_column():
    rows = (Row("onnx", 1.0, 50.0, 1.0, 2.0, error=3.65e-07),)
    calm, busy = (Comparison("m", 2.0, 2.0, 1.0, "labels", rows, most) for most in (2.9, 3.1))
    assert len(calm.text().splitlines()) == 3
    assert busy.text().splitlines()[-1].startswith("other programs were at work: the original took up to 3.1 ms.")
    assert calm.text().splitlines()[-1].split()[-2] == "3.65e-05%"


def test_a_chart_for_which_the_disk_has_no_room_leaves_the_old_one(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    figures = pytest.importorskip("matplotlib.figure", reason="the extra toolbox is missing: matplotlib")

    def full(_: Any, to: Path, **options: Any) -> None:
        to.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    path = tmp_path / "conv.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(figures.Figure, "savefig", full)
    with pytest.raises(OptimizationError, match="No space left"):
        comparison.chart(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_chart_is_drawn_or_why_not_is_told(comparison: Comparison, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="needs matplotlib (the extra toolbox)")
    from matplotlib.figure import Figure

    path = tmp_path / "charts" / "conv.png"
    comparison.chart(str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OptimizationError, match="cannot be written"):
        comparison.chart(tmp_path / "file" / "conv.png")
    assert list(comparison.bars()) == ["smaller by, %", "CPU speed-up", "outputs off by, %", "accuracy by labels"]
    rows = (
        Row("bf16", 1.0, 50.0, 1.0, 2.0, 0.5, 3.0, 0.25, 0.75),
        Row("tensorrt", 1.0, 0.0, gpu_ms=0.1, gpu_speedup=4.0, error=math.inf),
    )
    on_card = Comparison("m", 2.0, 2.0, 1.0, "labels", rows)
    assert on_card.bars() == {
        "smaller by, %": [50.0, 0.0],
        "CPU speed-up": [2.0, None],
        "GPU speed-up": [3.0, 4.0],
        "outputs off by, %": [25.0, math.inf],
        "accuracy by labels": [0.75, None],
    }
    panel = Figure().subplots()
    _draw(panel, ["a", "b", "c", "d"], [25.0, math.inf, None, 1e-5], "tab:red")
    assert [text.get_text() for text in panel.texts] == ["25", "inf", "not measured", "0"]
    on_card.chart(path)
    nothing = Comparison("m", 1.0, 1.0, 1.0, "labels", (Row("tensorrt", why="no card"),))
    with pytest.raises(OptimizationError, match="nothing to draw"):
        nothing.chart(path)


def test_an_onnx_model_is_called_like_the_module_it_was_made_from():
    pytest.importorskip("onnxscript", reason="needs onnxscript (the extra toolbox)")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime (the extra toolbox)")
    subject = RegisteredModels({}).subject(conv_net()).with_data(images(2))
    (row,) = compare_strategies(subject, strategies=["onnx"], iterations=1).rows
    assert row.why == ""
    assert row.error < 1e-4
    assert row.accuracy == 1.0
