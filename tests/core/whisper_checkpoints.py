"""Miniature Whisper checkpoints with random weights and a few sounds, made once a session for all Whisper tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.whisper.shapes import MINIATURE, Checkpoints, make_checkpoints

RATE_HZ = 16_000


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    return make_checkpoints(tmp_path_factory.mktemp("whisper"), MINIATURE)


@pytest.fixture
def broken(checkpoints: Checkpoints, tmp_path: Path) -> Path:
    """A copy of the CTranslate2 folder to damage: links, so that the weights are not copied."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in checkpoints.ctranslate2.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def noise(seconds: float = 3.0, level: float = 0.1) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0.0, level, int(seconds * RATE_HZ)).astype(np.float32)


def sweep(seconds: float = 2.0) -> NDArray[np.float32]:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * (200 + 300 * t) * t)).astype(np.float32)


def syllables(seconds: float = 4.0) -> NDArray[np.float32]:
    """A buzz that comes and goes three times a second."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    buzz = np.sin(2 * np.pi * 150 * t) * (np.sin(2 * np.pi * 3 * t) > 0)
    return (0.2 * buzz).astype(np.float32) + noise(seconds, 0.01)


SOUNDS = {"noise": noise(), "sweep": sweep(), "syllables": syllables(), "silence": np.zeros(20_000, np.float32)}
