"""The networks that benchmarks measure have the shapes whose names they bear."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from benchmarks import shapes  # noqa: E402 - it needs torch


def count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_published_numbers_of_weights():
    with torch.device("meta"):
        assert count(shapes.resnet18()) == 11_689_512
        assert count(shapes.EncoderLayer(768, 12, 3072)) == 7_087_872
        lm = shapes.CausalLm()
        assert 24 * count(lm.layers[0]) + count(lm.norm) == 357_898_112
        assert 8 * lm.head.out_features == 151_936


@pytest.mark.parametrize("shape", shapes.SHAPES[1:], ids=lambda shape: shape.name)
def test_each_takes_its_input(shape: Any):
    with torch.device("meta"), torch.inference_mode():
        output = shape.make().eval()(*shape.make_input())
    assert output.shape[0] == 1
