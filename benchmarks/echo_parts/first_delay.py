"""How soon the way from the speaker to the microphone is known in a room nobody has spoken in yet, and how well.

The assistant's own first words take the place of a chirp: they are correlated with what the microphone hears, and its
sound is held back until then. Seconds are of speech, from its first loud sample on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr

from audio.far_end import FarEnd, Played
from audio.front_end import FrontEnd
from benchmarks.figures import Figure
from core.messages import SAMPLE_RATE_HZ, AudioFrame, Samples
from core.utils.config import EchoConfig

DELAYS_MS = (-25.0, 60.0, 180.0)
LEVELS_DB = (0.0, -10.0, -20.0)
LISTENED_S = 2.0
BLOCK = 320
DEVICE_HZ = 48_000
DEVICE_BLOCK = 960
STARTS_AT = 100.0
LOUD = 1e-2
RIGHT_MS = 2.0
"""AEC3 looks for the echo in steps of 4 ms"""
WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """What one first reply told."""

    after_s: float
    error_ms: float


def figures(rooms: int, far: Samples, echo: Callable[[int, float, float, Samples], Samples]) -> list[Figure]:
    """`echo(room, delay_ms, level_db, far)` is what the microphone hears of `far` in a room."""
    far = far[: round(LISTENED_S * SAMPLE_RATE_HZ)]
    all_of = [(room, delay, level) for room in range(rooms) for delay in DELAYS_MS for level in LEVELS_DB]
    found = [first_delay(echo(*one, far), far, one[1]) for one in all_of]
    right = [one for one in found if one is not None and abs(one.error_ms) <= RIGHT_MS]
    of = f"{len(all_of)} rooms, delays and levels"
    figures = [Figure(f"the echo's delay known by the first reply, {of}", len(right) / len(all_of), "", "higher", 1.0)]
    if right:
        after = [one.after_s for one in right]
        figures += [
            Figure("after so much speech, median", float(np.median(after)), "s", "lower"),
            Figure("the same, the latest", max(after), "s", "lower", target=WITHIN_S),
        ]
    return figures


def first_delay(near: Samples, far: Samples, true_ms: float) -> Found | None:
    """The first delay that a new canceller measures; None where it measures none."""
    tap, played = FarEnd(), 0
    front_end = FrontEnd(EchoConfig(canceller="aec3"), tap)
    front_end.load()
    device = np.asarray(soxr.resample(far, SAMPLE_RATE_HZ, DEVICE_HZ), np.float32)
    begins_s = float(np.flatnonzero(np.abs(far) > LOUD)[0]) / SAMPLE_RATE_HZ
    for start in range(0, len(near) - BLOCK + 1, BLOCK):
        at = STARTS_AT + start / SAMPLE_RATE_HZ
        handed_s = at + 0.1 - STARTS_AT
        while played < len(device) and played / DEVICE_HZ <= handed_s:
            tap.put(Played(device[played : played + DEVICE_BLOCK], DEVICE_HZ, STARTS_AT + played / DEVICE_HZ))
            played += DEVICE_BLOCK
        front_end.process(AudioFrame(near[start : start + BLOCK], SAMPLE_RATE_HZ, at))
        if front_end.echo.delay_ms is not None:
            return Found(at - STARTS_AT - begins_s, front_end.echo.delay_ms - true_ms)
    return None
