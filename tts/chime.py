"""The tones before an announcement and while an answer takes long: soft bell notes, computed, so that no sound file
is shipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.messages import Samples

DURATION_S = 0.5
SECOND_NOTE_S = 0.14
NOTES_HZ = (659.26, 880.0)
"""E5, then A5: a rising fourth"""
PARTIALS = ((1.0, 1.0), (2.0, 0.25), (3.0, 0.08))
"""(multiple of the note's frequency, share of its amplitude)"""
DECAY_PER_S = 9.0
ATTACK_S = 0.004
PEAK = 0.25


TONE_RATE_HZ = 24_000
TONE_S = 0.16
TONE_HZ = 523.25
"""C5"""
TONE_PEAK = 0.08


def make_tone(sample_rate_hz: int) -> Samples:
    """One short soft note, "I am at it": [TONE_S * sample_rate_hz] float32, starting and ending at zero."""
    count = round(TONE_S * sample_rate_hz)
    sound = _bell(TONE_HZ, count, sample_rate_hz) * np.linspace(1.0, 0.0, count) ** 0.5
    return np.asarray(sound * (TONE_PEAK / np.abs(sound).max()), np.float32)


def make_chime(sample_rate_hz: int) -> Samples:
    """[DURATION_S * sample_rate_hz] float32, peak PEAK, starting and ending at zero."""
    count = round(DURATION_S * sample_rate_hz)
    second = round(SECOND_NOTE_S * sample_rate_hz)
    sound = _bell(NOTES_HZ[0], count, sample_rate_hz)
    sound[second:] += _bell(NOTES_HZ[1], count - second, sample_rate_hz)
    release = np.linspace(1.0, 0.0, count - second)
    sound[second:] *= release**0.5
    return np.asarray(sound * (PEAK / np.abs(sound).max()), np.float32)


def _bell(note_hz: float, count: int, sample_rate_hz: int) -> NDArray[np.float64]:
    time_s = np.arange(count) / sample_rate_hz
    tone = np.zeros(count)
    for multiple, share in PARTIALS:
        tone += share * np.sin(2 * np.pi * note_hz * multiple * time_s) * np.exp(-DECAY_PER_S * multiple**0.5 * time_s)
    return tone * np.minimum(time_s / ATTACK_S, 1.0)
