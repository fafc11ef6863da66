"""Smart Turn's features are Whisper's, any model of its shape is run, and the published one hears people finish."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpora.speech import ASSETS
from benchmarks.endpoint_parts import recorded
from core.utils.errors import InferenceError, ModelLoadError
from stt.smart_turn import WINDOW_S, SmartTurn, log_mel

RATE_HZ = 16_000


def voice(seconds: float) -> np.ndarray:
    """A gliding tone in noise."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(3).normal(0, 0.01, len(t))
    return (0.3 * np.sin(2 * np.pi * (200 + 100 * t) * t) + noise).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.5, 8.0, 11.3])
def test_features_are_those_of_transformers(seconds: float) -> None:
    transformers = pytest.importorskip("transformers")
    extractor = transformers.WhisperFeatureExtractor(chunk_length=WINDOW_S)
    size = WINDOW_S * RATE_HZ
    sound = voice(seconds)[-size:]
    padded = np.pad(sound, (size - len(sound), 0))
    expected = extractor(
        padded, sampling_rate=RATE_HZ, return_tensors="np", do_normalize=True, padding="max_length", max_length=size
    ).input_features[0]
    assert log_mel(voice(seconds)).shape == (80, 800)
    assert np.allclose(log_mel(voice(seconds)), expected, atol=2e-3)


def test_silence_and_nothing_have_features_too() -> None:
    for sound in (np.zeros(0, np.float32), np.zeros(RATE_HZ, np.float32)):
        assert np.isfinite(log_mel(sound)).all()


def make_model(folder: Path, offset: float, bands: int = 80) -> Path:
    """A network of Smart Turn's shape: the sigmoid of the mean of all features, plus `offset`."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    kind = onnx.TensorProto.FLOAT
    nodes = [
        onnx.helper.make_node("ReduceMean", ["input_features", "axes"], ["mean"], keepdims=0),
        onnx.helper.make_node("Add", ["mean", "offset"], ["sum"]),
        onnx.helper.make_node("Sigmoid", ["sum"], ["rating"]),
        onnx.helper.make_node("Unsqueeze", ["rating", "last"], ["logits"]),
    ]
    constants = [
        onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [2], [1, 2]),
        onnx.helper.make_tensor("last", onnx.TensorProto.INT64, [1], [1]),
        onnx.helper.make_tensor("offset", kind, [1], [offset]),
    ]
    features = onnx.helper.make_tensor_value_info("input_features", kind, [None, bands, 800])
    graph = onnx.helper.make_graph(
        nodes, "turn", [features], [onnx.helper.make_tensor_value_info("logits", kind, [None, 1])], constants
    )
    opset = onnx.helper.make_opsetid("", 18)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), str(folder / "model.onnx"))
    return folder


def test_the_network_hears_the_features(tmp_path: Path) -> None:
    model = SmartTurn(make_model(tmp_path, 0.5))
    mean = float(log_mel(voice(2.0)).mean())
    assert model.probability(voice(2.0)) == pytest.approx(1 / (1 + np.exp(-mean - 0.5)), abs=1e-5)


def test_warmed_up_it_has_heard_and_closed_it_is_given_back(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match="no probability"):
        SmartTurn(make_model(tmp_path, float("nan"))).warm_up()
    model = SmartTurn(make_model(tmp_path, 0.5))
    model.warm_up()
    model.close()


def test_no_probability_is_an_error_of_that_pause_alone(tmp_path: Path) -> None:
    model = SmartTurn(make_model(tmp_path, float("nan")))
    with pytest.raises(InferenceError, match="nan, which is no probability"):
        model.probability(voice(1.0))


def test_another_network_is_refused_by_its_shape(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"\(64, 800\).* and not Smart Turn's"):
        SmartTurn(make_model(tmp_path, 0.0, bands=64))


def test_a_damaged_file_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelLoadError, match=r"holds no \.onnx file"):
        SmartTurn(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelLoadError, match=r"model\.onnx: is no ONNX model"):
        SmartTurn(tmp_path)


def test_the_published_network_hears_people_finish(real_model: Callable[[str], Path]) -> None:
    """At the ends of most recorded sentences it is sure of an end, at most of the phrases within them of none."""
    if not (ASSETS / "speech").is_dir():
        pytest.skip(f"no recordings: {ASSETS / 'speech'} is not there (set MERLINE_ASSETS)")
    model = SmartTurn(real_model("smart-turn"))
    quiet = np.zeros(RATE_HZ // 10, np.float32)
    turns = recorded.turns()
    ends = [model.probability(np.concatenate([*turn, quiet])) for turn in turns]
    within = [
        model.probability(np.concatenate([*turn[:count], quiet])) for turn in turns for count in range(1, len(turn))
    ]
    assert np.median(ends) > 0.9
    assert np.median(within) < 0.1
