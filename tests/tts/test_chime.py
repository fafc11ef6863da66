"""The chime is short, soft, free of clicks and made of its two notes."""

from __future__ import annotations

import numpy as np
import pytest

from tts.chime import DURATION_S, NOTES_HZ, PEAK, TONE_HZ, TONE_PEAK, TONE_S, make_chime, make_tone


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 48_000])
def test_shape(rate_hz: int) -> None:
    chime = make_chime(rate_hz)
    assert chime.dtype == np.float32
    assert len(chime) == round(DURATION_S * rate_hz)
    assert np.abs(chime).max() == pytest.approx(PEAK, abs=1e-4)
    assert chime[0] == 0.0
    assert abs(chime[-1]) < 1e-3


def test_notes_are_heard_in_order() -> None:
    chime = make_chime(22_050)
    low, high = NOTES_HZ
    assert strength(chime[: 22_050 // 10], low) > 10 * strength(chime[: 22_050 // 10], high)
    assert strength(chime[22_050 // 5 :], high) > strength(chime[22_050 // 5 :], low)


def strength(samples: np.ndarray, tone_hz: float) -> float:
    time_s = np.arange(len(samples)) / 22_050
    return float(np.abs(np.sum(samples * np.hanning(len(samples)) * np.exp(-2j * np.pi * tone_hz * time_s))))


def test_the_working_tone_is_shorter_softer_and_one_note() -> None:
    tone = make_tone(22_050)
    assert len(tone) == round(TONE_S * 22_050)
    assert np.abs(tone).max() == pytest.approx(TONE_PEAK, abs=1e-4)
    assert tone[0] == 0.0
    assert abs(tone[-1]) < 1e-3
    assert strength(tone, TONE_HZ) > 10 * max(strength(tone, note) for note in NOTES_HZ)
