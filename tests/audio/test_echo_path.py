"""The echo's level is learnt from the assistant's own speech."""

import numpy as np
import pytest

from audio.echo_path import FRAME_S, EchoPath
from core.messages import Samples

FRAME = 160


def noise(frames: int, level: float, seed: int = 0) -> Samples:
    return (level * np.random.default_rng(seed).standard_normal(frames * FRAME)).astype(np.float32)


def feed(path: EchoPath, near: Samples, far: Samples) -> None:
    for start in range(0, len(near), FRAME):
        path.update(near[start : start + FRAME], far[start : start + FRAME])


def seconds(number: float) -> int:
    return round(number / FRAME_S)


def test_headphones_are_recognised_as_such() -> None:
    path = EchoPath()
    assert path.gain is None
    assert not path.absent
    feed(path, noise(seconds(3), 2e-4), noise(seconds(3), 0.1, seed=1))
    assert path.absent


@pytest.mark.parametrize("gain", [0.03, 0.3])
def test_the_echo_s_level_is_found(gain: float) -> None:
    path, far = EchoPath(), noise(seconds(4), 0.1)
    feed(path, (gain * np.roll(far, 3000)).astype(np.float32), far)
    assert path.gain == pytest.approx(gain, rel=0.3)
    assert not path.absent


def test_an_echo_that_comes_late_is_waited_for() -> None:
    path, far = EchoPath(), noise(seconds(2), 0.1)
    near = np.concatenate([np.zeros(8000, np.float32), 0.3 * far[:-8000]])
    feed(path, near, far)
    assert not path.absent


def test_what_is_known_stays_while_nothing_plays() -> None:
    path = EchoPath()
    feed(path, noise(seconds(3), 2e-4), noise(seconds(3), 0.1, seed=1))
    path.rest()
    assert path.absent


def test_the_user_s_voice_over_headphones_is_no_echo_but_one_that_correlates_is() -> None:
    path, far = EchoPath(), noise(seconds(8), 0.1)
    faint, voice = noise(seconds(1), 2e-4, seed=1), noise(seconds(3), 0.05, seed=3)
    feed(path, faint, far[: len(faint)])
    feed(path, voice, far[: len(voice)])
    assert path.absent
    path.find(0.015)
    feed(path, voice, far[: len(voice)])
    assert path.absent, "so faint an echo comes over headphones too"
    path.find(0.3)
    assert not path.absent, "whatever was long not to be heard before"
    feed(path, voice, far[: len(voice)])
    assert not path.absent
