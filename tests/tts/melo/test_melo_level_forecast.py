"""A sentence's loudness told from its frames: of a decoder whose loudness is known, other sentences' are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

from core.messages import Samples
from tts.loudness import voiced_dbfs
from tts.melo.level_forecast import LevelForecast

RATE_HZ = 16_000
HOP = 160
CHANNELS = 12


def sentence(random: np.random.Generator, loudness: float, count: int = 300) -> tuple[np.ndarray, Samples]:
    """Frames of speech and pauses, and their sound, whose amplitude three of the channels say between them."""
    frames = random.standard_normal((CHANNELS, count)).astype(np.float32)
    voiced = np.arange(count) % 25 < 18
    amplitudes = np.where(voiced, loudness * random.uniform(0.5, 1.5, count), 0.0005)
    frames[2:5] += 40 * amplitudes
    noise = random.standard_normal((count, HOP))
    return frames, (noise * amplitudes[:, None]).astype(np.float32).ravel()


def test_louder_and_softer_sentences_are_foretold() -> None:
    random = np.random.default_rng(7)
    forecast = LevelForecast.learnt(*sentence(random, 0.1), RATE_HZ)
    assert forecast is not None
    errors, plain = [], []
    for loudness in (0.06, 0.08, 0.1, 0.13, 0.17):
        frames, samples = sentence(random, loudness)
        level = voiced_dbfs(samples, RATE_HZ)
        errors.append(forecast.dbfs(frames) - level)
        plain.append(level)
    assert max(plain) - min(plain) > 8.0
    assert max(np.abs(errors)) < 1.5


def test_more_channels_than_it_can_learn_from_do_not_make_it_lean_to_one_side() -> None:
    """Sums fitted to few frames are too even on others, which would be foretold too soft."""
    random = np.random.default_rng(3)
    errors = []
    for _ in range(12):
        noise = [random.standard_normal((150, 120)) for _ in range(2)]
        (known, sound), (frames, other) = (sentence(random, 0.1, 120) for _ in range(2))
        forecast = LevelForecast.learnt(np.concatenate((known / 4, noise[0])), sound, RATE_HZ)
        assert forecast is not None
        errors.append(forecast.dbfs(np.concatenate((frames / 4, noise[1]))) - voiced_dbfs(other, RATE_HZ))
    assert abs(float(np.mean(errors))) < 0.3


def test_what_is_said_later_corrects_it() -> None:
    random = np.random.default_rng(5)
    forecast = LevelForecast.learnt(*sentence(random, 0.1), RATE_HZ)
    assert forecast is not None
    forecast = replace(forecast, correction_db=forecast.correction_db + 3.0)
    errors = []
    for _ in range(8):
        frames, samples = sentence(random, 0.1)
        told = forecast.dbfs(frames)
        errors.append(told - voiced_dbfs(samples, RATE_HZ))
        forecast = forecast.after(told, samples, RATE_HZ)
    assert errors[0] > 2.5
    assert abs(errors[-1]) < 1.0
    assert forecast.after(-20.0, samples * 0, RATE_HZ) is forecast


def test_nothing_is_learnt_from_silence_and_one_frame_is_enough() -> None:
    frames, samples = sentence(np.random.default_rng(1), 0.1, 30)
    assert LevelForecast.learnt(frames, samples * 0, RATE_HZ) is None
    assert LevelForecast.learnt(frames[:, :0], samples[:0], RATE_HZ) is None
    one = LevelForecast.learnt(frames[:, :1] * 0, samples[:HOP], RATE_HZ)
    assert one is not None
    assert one.dbfs(frames) == pytest.approx(voiced_dbfs(samples[:HOP], RATE_HZ))
