"""What `benchmarks.toolbox` measures with: features that loudness does not change, networks that take them, figures."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from torch.nn import functional as F

from benchmarks.shapes import Shape
from benchmarks.toolbox import figures
from benchmarks.toolbox_parts import sounds
from benchmarks.toolbox_parts.subjects import random_subject
from core.optimization.toolbox.comparison import Comparison, Row


def test_features_show_pitch_and_not_loudness():
    time_s = torch.arange(sounds.PIECE) / sounds.RATE_HZ
    hiss = 0.1 * torch.randn(sounds.PIECE, generator=torch.Generator().manual_seed(0))
    low, high = (torch.sin(2 * torch.pi * hertz * time_s) + hiss for hertz in (300.0, 3000.0))
    found = sounds.features(low)
    assert found.shape == (1, sounds.BANDS, 1 + sounds.PIECE // sounds.HOP)
    assert torch.allclose(found, sounds.features(0.5 * low), atol=0.1)
    assert int(found.mean(dim=-1).argmax()) < int(sounds.features(high).mean(dim=-1).argmax())


@pytest.mark.parametrize("make", [sounds.SoundNet, sounds.SoundEncoder])
def test_the_networks_learn_what_they_are_shown(make: type[torch.nn.Module]):
    torch.manual_seed(0)
    y = torch.arange(18) % len(sounds.CLASSES)
    x = 0.1 * torch.randn(18, 1, sounds.BANDS, 16)
    x += F.one_hot(y, sounds.BANDS)[:, None, :, None]
    model = sounds.trained(make(), sounds.Sounds([(x, y)] * 4, [(x, y)]), epochs=12)
    assert not model.training
    assert float((model(x).argmax(-1) == y).float().mean()) > 0.8


def test_figures_are_of_what_was_measured():
    done = Row("static", 1.0, 75.0, 2.0, 1.5, None, 0.01, 0.97)
    comparison = Comparison("net", 4.0, 3.0, 0.98, "labels", (done, Row("tensorrt", why="no card")))
    found = {one.name: one for one in figures("net", comparison)}
    assert found["net: static, CPU"].value == 1.5
    assert found["net: static, CPU"].baseline == 3.0
    assert found["net: static, accuracy"].baseline == 0.98
    assert not [name for name in found if "tensorrt" in name]


def test_a_random_subject_is_the_same_each_time():
    shape = Shape("one", lambda: torch.nn.Linear(3, 2), lambda: (torch.randn(1, 3),), "everything")
    one, other = random_subject(shape), random_subject(shape)
    assert torch.equal(one.model.weight, other.model.weight)
    assert torch.equal(one.test[0].inputs[0], other.test[0].inputs[0])
