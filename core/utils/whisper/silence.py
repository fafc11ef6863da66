"""The silence behind a short window, encoded once: without it published Whispers say a word again and again.

A decoder learnt to end a text by the silence up to thirty seconds; what the encoder makes of that silence hardly
depends on what was said before it. It stands behind a sound like speech: behind nothing, it is heard as "you".
Fifteen seconds of it do (measured with tiny.en and base on real speech; with ten, single words came twice again).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.utils.whisper.audio import SAMPLE_RATE_HZ, Samples

FULL_FRAMES = 3000
"""30 s of 10 ms: what Whisper was trained on"""
SILENT_POSITIONS = 750
"""of 20 ms"""
_FIRST_POSITION = 100
"""from where on nothing of the sound before is left"""
_VOWELS_HZ = ((700.0, 1220.0, 2600.0), (300.0, 870.0, 2240.0), (270.0, 2290.0, 3010.0), (530.0, 1840.0, 2480.0))
"""formants of a man's ah, oo, ee, eh (Peterson and Barney 1952, rounded)"""
_BANDWIDTHS_HZ = (80.0, 100.0, 140.0)
_VOWEL_S, _HISS_S = 0.28, 0.07


def sound_before() -> Samples:
    """[n] of four vowels with a hiss behind each, 1.4 s, always the same: what the silence is encoded behind."""
    random = np.random.default_rng(1)
    size, hiss = round(_VOWEL_S * SAMPLE_RATE_HZ), round(_HISS_S * SAMPLE_RATE_HZ)
    parts: list[NDArray[np.float64]] = []
    for number, formants in enumerate(_VOWELS_HZ):
        pitch_hz = 130.0 - 20.0 * number - 15.0 * np.linspace(0.0, 1.0, size)
        pulses = np.diff(np.floor(np.cumsum(pitch_hz) / SAMPLE_RATE_HZ), prepend=0.0)
        vowel = pulses + random.normal(0.0, 0.01, size)
        for formant_hz, bandwidth_hz in zip(formants, _BANDWIDTHS_HZ, strict=True):
            vowel = _resonated(vowel, formant_hz, bandwidth_hz)
        vowel *= np.hanning(size)
        parts += [0.2 * vowel / np.abs(vowel).max(), 0.02 * random.normal(0.0, 1.0, hiss) * np.hanning(hiss)]
    return np.concatenate(parts).astype(np.float32)


def behind(silence: Any, positions: int) -> Any:
    """Of [1, n, width], `sound_before` encoded in the full window: what comes after so many positions of speech."""
    first = max(positions, _FIRST_POSITION)
    return silence[:, first : first + SILENT_POSITIONS]


def _resonated(sound: NDArray[np.float64], frequency_hz: float, bandwidth_hz: float) -> NDArray[np.float64]:
    """[n] through a resonator of the second order (Klatt 1980)."""
    radius = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE_HZ)
    first = float(2.0 * radius * np.cos(2.0 * np.pi * frequency_hz / SAMPLE_RATE_HZ))
    second = float(-radius * radius)
    gain, one_ago, two_ago = 1.0 - first - second, 0.0, 0.0
    resonated = []
    for sample in sound.tolist():
        one_ago, two_ago = gain * sample + first * one_ago + second * two_ago, one_ago
        resonated.append(one_ago)
    return np.array(resonated)
