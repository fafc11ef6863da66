"""A microphone whose samples all have a constant added."""

from __future__ import annotations

import numpy as np
import pytest

from audio.offset import LEAST, Offset
from core.messages import SAMPLE_RATE_HZ, Samples

BLOCK = 320


def passed(samples: Samples) -> Samples:
    offset = Offset()
    return np.concatenate([offset.take_out(block) for block in samples.reshape(-1, BLOCK)])


def speech() -> Samples:
    time_s = np.arange(4 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    return np.asarray(0.2 * np.sin(2 * np.pi * 150 * time_s) * (np.sin(2 * np.pi * 2 * time_s) > 0), np.float32)


@pytest.mark.parametrize("added", [0.3, -0.05])
def test_what_is_added_to_all_samples_is_taken_out_from_the_first_on(added: float) -> None:
    heard = passed((speech() + added).astype(np.float32))
    assert np.abs(heard - speech()).max() < 3 * LEAST
    assert np.abs(np.diff(heard - speech())).max() < 1e-4, "without a click"


def test_it_follows_one_that_begins_later() -> None:
    sound = np.concatenate([np.zeros(SAMPLE_RATE_HZ, np.float32), np.full(4 * SAMPLE_RATE_HZ, 0.3, np.float32)])
    assert np.abs(passed(sound)[-BLOCK:]).max() < 2 * LEAST


def test_sound_without_one_stays_as_it_came() -> None:
    assert (passed(speech()) == speech()).all()
    assert len(Offset().take_out(np.zeros(0, np.float32))) == 0
