"""How loud speech is, and making it as loud as it should be, without clicks and never near full scale.

A sentence has one gain from its beginning to its end, so nothing pumps.
"""

from __future__ import annotations

import numpy as np

from core.messages import Samples
from tts.engine import SpokenLanguage

TARGET_DBFS = -21.0
"""of the voiced parts: as loud as espeak-ng's sentences are on average, which may speak in another voice's place"""
PEAK = 0.87
"""-1.2 dBFS, which no sample exceeds"""
KNEE = 0.7
"""from here on samples are bent, the more the nearer they come to PEAK"""
GAIN_RANGE = (0.05, 20.0)
LEVELLING = 3.0
"""by at most this (9.5 dB) a sentence is made louder or softer than its voice usually is: single words of a published
Piper voice differ by 8 dB ("Stopped." and "Fish."), and what is further off is no speech"""
FRAME_S = 0.02
HOPS = 4
"""a frame begins this often within the length of one, so that where a short word begins in its frame changes nothing"""
GATE_DB = 30.0
"""frames so much below the loudest are pauses"""

MEASURED: dict[SpokenLanguage, str] = {
    "en": "The quick answer is that it will be fine and warm tomorrow.",
    "fr": "La réponse est simple : il fera beau et chaud demain matin.",
    "es": "La respuesta es sencilla: mañana hará buen tiempo y calor.",
    "zh": "明天的天气会很好，也很暖和。",
    "ja": "明日はよく晴れて、暖かくなるでしょう。",
    "ko": "내일은 날씨가 맑고 따뜻하겠습니다.",
}
"""said into the void by a voice that is loaded, to be warm and to have its loudness measured"""


def voiced_dbfs(samples: Samples, sample_rate_hz: int) -> float:
    """Root mean square of the frames in which somebody speaks, in dB of full scale; -inf for silence."""
    hop = max(1, round(FRAME_S * sample_rate_hz / HOPS))
    padded = np.pad(samples.astype(np.float64), ((HOPS - 1) * hop, (HOPS - 1) * hop + -len(samples) % hop))
    hops = np.square(padded).reshape(-1, hop).mean(axis=1)
    power = np.convolve(hops, np.full(HOPS, 1 / HOPS), "valid")
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


def levelled(gain: float, usual: float, most: float = LEVELLING) -> float:
    """A sentence's own gain, within `most` of its voice's usual one."""
    return min(max(gain, usual / most), usual * most)


def amplify(samples: Samples, gain: float) -> Samples:
    """Times `gain`, bent smoothly above KNEE so that PEAK is never passed. Each sample by itself: pieces join."""
    louder = samples * np.float32(gain)
    size = np.abs(louder)
    if not len(size) or size.max() <= KNEE:
        return louder
    room = PEAK - KNEE
    bent = KNEE + room * np.tanh((size - KNEE) / room)
    return np.where(size > KNEE, np.sign(louder) * bent, louder).astype(np.float32)
