"""How loud speech is, its pauses left out, and where it begins."""

from __future__ import annotations

import numpy as np

from core.messages import Samples
from core.utils.vad_compat import rms

_FAINT = 0.1


def voiced_level(samples: Samples) -> float:
    """Root mean square of those of [n] samples that are not pause: above a twentieth of the peak. 0 for silence."""
    loudness = np.abs(samples)
    peak = float(loudness.max(initial=0.0))
    return rms(samples[loudness > 0.05 * peak]) if peak > 0.0 else 0.0


def quiet_start(samples: Samples) -> int:
    """How many of [n] samples come before the first that is not faint: 20 dB below the speech or louder."""
    loud = np.flatnonzero(np.abs(samples) > _FAINT * voiced_level(samples))
    return int(loud[0]) if len(loud) else len(samples)
