"""Models, inputs and the library for the tests that run the TensorRT that is installed: 10, 11 or RTX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.optimization import TensorRTConfig, TensorRTOptimizer
from core.optimization.toolbox.tensorrt import EngineReport
from core.optimization.toolbox.tensorrt_library import load_library
from core.utils.errors import TensorRTUnavailableError
from tests.optimization.toolbox.fake_tensorrt import FakeCard
from tests.optimization.toolbox.small_graphs import SmallGraph, save

SHAPES = {"input": [(1, 3, 16, 16), (4, 3, 16, 16), (8, 3, 16, 16)]}
LOGITS = 10


def library() -> Any:
    """The module; the test is skipped where there is none."""
    try:
        return load_library()
    except TensorRTUnavailableError as error:
        pytest.skip(str(error))


def save_conv_net(path: Path) -> Path:
    """Two convolutions, a mean over the picture and a linear layer: random weights, so figures tell exactness alone."""
    random = np.random.default_rng(0)
    shapes = {"w1": (16, 3, 3, 3), "w2": (16, 16, 3, 3), "w3": (16, LOGITS)}
    weights = {name: (random.normal(0, 0.2, shape)).astype(np.float32) for name, shape in shapes.items()}
    body = (
        "a = Conv<pads=[1,1,1,1]>(input, w1) b = Relu(a) c = Conv<pads=[1,1,1,1]>(b, w2) d = Relu(c) "
        "e = GlobalAveragePool(d) f = Flatten(e) y = MatMul(f, w3)"
    )
    return save(SmallGraph("float[n,3,16,16] input", body, {}, weights).model(), path)


def pictures(count: int, batch: int = 4) -> list[dict[str, np.ndarray]]:
    """Inputs by name, different ones."""
    random = np.random.default_rng(1)
    return [{"input": random.normal(0, 1, (batch, 3, 16, 16)).astype(np.float32)} for _ in range(count)]


def build(folder: Path, config: TensorRTConfig | None = None, card: FakeCard | None = None) -> EngineReport:
    """An engine of the conv net; `card` None is the one of this machine."""
    onnx = save_conv_net(folder / "net.onnx")
    return TensorRTOptimizer(config, library(), card).optimize_from_onnx(onnx, folder / "net.engine", SHAPES)
