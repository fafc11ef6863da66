"""How loud speech is, and making it as loud as it should be, without clicks and never near full scale.

A sentence has one gain from its beginning to its end, so nothing pumps.
"""

from __future__ import annotations

import numpy as np

from core.messages import Samples

TARGET_DBFS = -21.0
"""of the voiced parts: as loud as espeak-ng's sentences are on average, which may speak in another voice's place"""
PEAK = 0.87
"""-1.2 dBFS, which no sample exceeds"""
KNEE = 0.7
"""from here on samples are bent, the more the nearer they come to PEAK"""
GAIN_RANGE = (0.05, 20.0)
LEVELLING = 2.0
"""by at most this a sentence is made louder or softer than its voice usually is: a voice's own sentences differ by
several dB, and what is further off is no speech"""
FRAME_S = 0.02
GATE_DB = 30.0
"""frames so much below the loudest are pauses"""


def voiced_dbfs(samples: Samples, sample_rate_hz: int) -> float:
    """Root mean square of the frames in which somebody speaks, in dB of full scale; -inf for silence."""
    size = max(1, round(FRAME_S * sample_rate_hz))
    padded = np.pad(samples.astype(np.float64), (0, -len(samples) % size))
    power = np.square(padded).reshape(-1, size).mean(axis=1)
    if not len(power) or not power.max() > 0:
        return float("-inf")
    return float(10 * np.log10(power[power > power.max() * 10 ** (-GATE_DB / 10)].mean()))


def gain_for(samples: Samples, sample_rate_hz: int) -> float:
    """What brings a voice that sounds like this to TARGET_DBFS; 1 for silence."""
    level = voiced_dbfs(samples, sample_rate_hz)
    return gain_from(level) if np.isfinite(level) else 1.0


def gain_from(level_dbfs: float) -> float:
    """What brings a voice of this level to TARGET_DBFS."""
    return float(np.clip(10 ** ((TARGET_DBFS - level_dbfs) / 20), *GAIN_RANGE))


def levelled(gain: float, usual: float) -> float:
    """A sentence's own gain, within LEVELLING of its voice's usual one."""
    return min(max(gain, usual / LEVELLING), usual * LEVELLING)


def amplify(samples: Samples, gain: float) -> Samples:
    """Times `gain`, bent smoothly above KNEE so that PEAK is never passed. Each sample by itself: pieces join."""
    louder = samples * np.float32(gain)
    size = np.abs(louder)
    if not len(size) or size.max() <= KNEE:
        return louder
    room = PEAK - KNEE
    bent = KNEE + room * np.tanh((size - KNEE) / room)
    return np.where(size > KNEE, np.sign(louder) * bent, louder).astype(np.float32)
