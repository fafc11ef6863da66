"""An echo that comes at another time than before is followed; another voice is not."""

from collections.abc import Iterator

import numpy as np
import pytest

from audio.alignment import Alignment
from audio.elsewhere import Elsewhere
from audio.far_end import FarEndTimeline, Played
from audio.near_end import NearEnd
from core.messages import Samples

RATE_HZ, FRAME = 16_000, 160
STARTS_AT = 5.0
LEARNT = 1200
"""frames after which the room is known and something happens"""


def syllables(seconds: float, seed: int) -> Samples:
    """Noise that every fifth of a second sounds in another part of the spectrum, or not at all."""
    rng = np.random.default_rng(seed)
    frequencies = np.fft.rfftfreq(RATE_HZ // 5, 1 / RATE_HZ)
    parts = []
    for _ in range(round(5 * seconds)):
        lowest_hz = rng.choice([200.0, 500.0, 1200.0, 2500.0])
        band = (frequencies > lowest_hz) & (frequencies < 3 * lowest_hz)
        spectrum = np.fft.rfft(rng.standard_normal(RATE_HZ // 5)) * band * (rng.random() > 0.2)
        parts.append(np.fft.irfft(spectrum) * 0.3)
    return np.concatenate(parts).astype(np.float32)


def listen(near: Samples, far: Samples) -> Iterator[tuple[int, float | None]]:
    """Each frame at which the echo was found elsewhere, and its delay then (seconds)."""
    timeline = FarEndTimeline()
    alignment, near_end = Alignment(timeline), NearEnd()
    elsewhere = Elsewhere(alignment)
    alignment.restart(STARTS_AT)
    for frame in range(len(far) // FRAME):
        part = slice(frame * FRAME, (frame + 1) * FRAME)
        timeline.add(Played(far[part], RATE_HZ, STARTS_AT + 0.03 + frame * FRAME / RATE_HZ))
        alignment.advance(near[part])
        if elsewhere.look(near_end):
            yield frame, alignment.delay_s
        elif frame < LEARNT:
            alignment.follow()
        near_end.update(near[part], alignment.read(-1))


@pytest.mark.parametrize("jump_s", [-0.3, 0.35, 0.7])
def test_an_echo_that_jumps_is_followed_soon(jump_s: float) -> None:
    far = syllables(13.0, 1)
    first_s = max(0.08, 0.08 - jump_s)
    before, after = (0.3 * np.roll(far, round(lag_s * RATE_HZ)) for lag_s in (first_s, first_s + jump_s))
    at = LEARNT * FRAME
    near = np.concatenate([before[:at], after[at:]]).astype(np.float32)
    ((frame, delay_s),) = listen(near, far)
    assert LEARNT < frame < LEARNT + 100
    assert delay_s == pytest.approx(first_s + jump_s - 0.03, abs=0.002)


def test_a_voice_over_the_echo_is_none() -> None:
    far = syllables(13.0, 1)
    near = 0.3 * np.roll(far, round(0.08 * RATE_HZ))
    near[LEARNT * FRAME :] += 0.5 * syllables(13.0, 2)[LEARNT * FRAME :]
    assert list(listen(near.astype(np.float32), far)) == []
