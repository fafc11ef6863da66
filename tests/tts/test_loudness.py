"""How loud speech is measured to be, and what a gain makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts.loudness import KNEE, PEAK, TARGET_DBFS, amplify, gain_for, voiced_dbfs

RATE_HZ = 16_000
SINE = (np.sin(2 * np.pi * 220 * np.arange(RATE_HZ) / RATE_HZ) * 0.1).astype(np.float32)


def test_pauses_do_not_count() -> None:
    alone = voiced_dbfs(SINE, RATE_HZ)
    assert alone == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=0.1)  # frames at its edges are half empty
    with_pauses = np.concatenate((np.zeros(RATE_HZ), SINE, np.zeros(2 * RATE_HZ))).astype(np.float32)
    assert voiced_dbfs(with_pauses, RATE_HZ) == pytest.approx(alone, abs=0.01)
    assert voiced_dbfs(np.zeros(100, np.float32), RATE_HZ) == voiced_dbfs(SINE[:0], RATE_HZ) == float("-inf")


def test_where_a_short_word_begins_in_a_frame_changes_nothing() -> None:
    word = SINE[: RATE_HZ * 11 // 100]
    levels = [voiced_dbfs(np.concatenate((np.zeros(at, np.float32), word)), RATE_HZ) for at in range(0, 320, 40)]
    assert max(levels) - min(levels) < 0.2


def test_the_gain_brings_a_voice_to_its_loudness() -> None:
    for loudness in (0.1, 1.0, 5.0):
        louder = SINE * np.float32(loudness)
        assert voiced_dbfs(amplify(louder, gain_for(louder, RATE_HZ)), RATE_HZ) == pytest.approx(TARGET_DBFS, abs=0.05)
    assert gain_for(np.zeros(100, np.float32), RATE_HZ) == 1.0


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), max_size=50), st.floats(0.05, 20.0), st.integers(0, 50))
def test_no_sample_passes_the_peak_and_pieces_join(values: list[float], gain: float, cut: int) -> None:
    samples = np.array(values, np.float32)
    louder = amplify(samples, gain)
    assert not len(louder) or np.abs(louder).max() <= PEAK < 10 ** (-1 / 20)
    np.testing.assert_array_equal(louder, np.concatenate((amplify(samples[:cut], gain), amplify(samples[cut:], gain))))
    untouched = np.abs(samples * np.float32(gain)) <= KNEE
    np.testing.assert_allclose(louder[untouched], (samples * np.float32(gain))[untouched])
    assert (np.diff(louder[np.argsort(samples, kind="stable")]) >= -1e-6).all()
