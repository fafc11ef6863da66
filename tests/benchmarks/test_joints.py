"""A planted click is seen and speech's own edges are not; loudness is that of ITU-R BS.1770."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tts_parts.joints import CLICK, joined, loudness_lufs, planted, sharpest, sharpness

RATE_HZ = 44_100


def vowel(seconds: float = 0.5) -> np.ndarray:
    """Harmonics of 120 Hz that fall off as a voice's do, at -21 dB of full scale."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = sum(np.sin(2 * np.pi * 120 * n * time_s + n) / n**1.5 for n in range(1, 30))
    return (sound * 10 ** (-21 / 20) / np.sqrt(np.mean(np.square(sound)))).astype(np.float32)


def test_a_vowel_cut_into_pieces_does_not_click() -> None:
    whole = vowel()
    ramp = np.linspace(0, 1, 88, dtype=np.float32)
    whole[:88] *= ramp
    whole[-88:] *= ramp[::-1]
    reply = joined([whole[:7_000], whole[7_000:15_001], whole[15_001:], np.zeros(2_000, np.float32)], RATE_HZ)
    assert len(reply.joints) >= 5
    assert sharpest(reply, RATE_HZ) < CLICK
    assert planted(reply, 0.1, RATE_HZ) == 1.0


@pytest.mark.parametrize("fault", ["step", "missing", "edge"])
def test_a_planted_click_is_seen(fault: str) -> None:
    whole = vowel()
    first, second = whole[:9_000], whole[9_000:]
    if fault == "step":
        second = second + np.float32(0.05)
    if fault == "missing":
        second = second[110:]  # a window joined 2.5 ms too early
    if fault == "edge":
        second = np.zeros(3_000, np.float32)  # silence after a vowel that does not fade
    assert sharpest(joined([first, second], RATE_HZ), RATE_HZ) > CLICK


def test_far_from_its_click_a_sound_is_smooth() -> None:
    whole = vowel()
    whole[9_000:] += np.float32(0.05)
    assert sharpness(whole, 9_000, RATE_HZ) > CLICK
    assert sharpness(whole, 4_000, RATE_HZ) < CLICK


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 22_050])
def test_the_standards_own_tone_is_as_loud_as_it_says(rate_hz: int) -> None:
    """997 Hz at full scale in one channel is -3.01 LUFS."""
    tone = np.sin(2 * np.pi * 997 * np.arange(3 * rate_hz) / rate_hz).astype(np.float32)
    assert loudness_lufs(tone, rate_hz) == pytest.approx(-3.01, abs=0.05)
    assert loudness_lufs(tone * np.float32(0.1), rate_hz) == pytest.approx(-23.01, abs=0.05)
    assert loudness_lufs(tone * 0, rate_hz) == float("-inf")
