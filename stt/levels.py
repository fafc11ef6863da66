"""How loud speech is, its pauses left out."""

from __future__ import annotations

import numpy as np

from core.messages import Samples
from core.utils.vad_compat import rms


def voiced_level(samples: Samples) -> float:
    """Root mean square of those of [n] samples that are not pause: above a twentieth of the peak. 0 for silence."""
    loudness = np.abs(samples)
    peak = float(loudness.max(initial=0.0))
    return rms(samples[loudness > 0.05 * peak]) if peak > 0.0 else 0.0
