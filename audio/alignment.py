"""Which sample of the far end goes with which sample of the capture.

Stated times are off by a constant that jumps when a sleeping device wakes. The echo canceller learns the echo at one
distance from its reference; when the delay jumps, the reference is moved so that it finds the echo there again.
"""

from __future__ import annotations

import logging
from collections import deque

import numpy as np

from audio.delay import AGREEMENT, CERTAIN, Delay, measure_delay
from audio.echo_path import is_loud
from audio.far_end import FarEndTimeline
from core.messages import SAMPLE_RATE_HZ, Samples

logger = logging.getLogger(__name__)

FRAME = SAMPLE_RATE_HZ // 100
"""samples per step of the canceller, 10 ms"""
AIM = SAMPLE_RATE_HZ // 40
"""The reference runs ahead of its echo by 25 ms: with that and 30 every target of `python3 main.py bench echo` was met;
with 20 one was missed, with 40 the first seconds of one room leaked. By then what echoes was always handed over."""
WANTED = (SAMPLE_RATE_HZ // 200, SAMPLE_RATE_HZ // 5)
"""range of the distance that AEC3 is to see; outside it, the reference is moved"""
LOST_S = 0.05
"""a capture that jumps by more has lost sound"""
EVERY = 25
"""frames between two measurements"""
EVERY_LOST = 10
"""and between two in all of `LATEST` while the echo is not where it should be"""
EVERY_SHORT = 5
FEWEST = 10
SHORT = 15
WINDOW = 60
"""frames that are compared at most"""
SUSPICIOUS, RIVAL = 11.0, 0.5
"""a peak so high elsewhere, and at most half as high a one where the echo should be, may be a jump"""
LATEST = 2 * SAMPLE_RATE_HZ
"""by how much more than `delay.REACH` the echo may come late: loudspeakers on the radio, a card that loses sound"""
FAINT = 0.4
"""a likeness so much fainter than the echo was is something in the room's reverberation"""
APART = 30
"""frames of the comparisons that do not overlap"""
HISTORY = 200
"""frames of what was played that still sound in the room"""
DRIFT = SAMPLE_RATE_HZ // 500
"""by which the delay may differ from the last one without having jumped"""


class Alignment:
    """Call `advance` for each frame of the capture, in order."""

    def __init__(self, timeline: FarEndTimeline) -> None:
        self._timeline = timeline
        self._offset = AIM
        """far-end sample minus captured sample, by their stated times"""
        self._learnt = AIM
        """the distance between reference and echo that the canceller knows"""
        self._next = 0
        self._near: deque[Samples] = deque(maxlen=WINDOW)
        self._since = 0
        """frames since the last measurement"""
        self._candidate: int | None = None
        self._suspect: int | None = None
        self._missed = 0
        """frames since the echo was last found where it should be"""
        self._apart_since = 0
        """frames since the last comparison that shares none with the next"""
        self._gain = 0.0
        """how much louder than the reference the microphone was then"""
        self.delay_s: float | None = None
        self.level = 0.0
        """how many times as loud as what was played the microphone was where the echo was last found (amplitudes)"""

    @property
    def suspect(self) -> bool:
        """Whether the delay may have jumped a moment ago."""
        return self._suspect is not None

    @property
    def seen_ms(self) -> int:
        """By how much the echo lags behind the reference."""
        return round(1000 * self._learnt / SAMPLE_RATE_HZ)

    def restart(self, captured_at: float) -> None:
        """The next frame was captured at this time, whatever came before."""
        self._next = round(captured_at * SAMPLE_RATE_HZ)
        self._near.clear()
        self._candidate = self._suspect = None

    def is_off(self, captured_at: float) -> bool:
        """Whether sound of the capture was lost."""
        return abs(round(captured_at * SAMPLE_RATE_HZ) - self._next) > LOST_S * SAMPLE_RATE_HZ

    def read(self, frame: int = 0, frames: int = 1) -> Samples:
        """[frames * 160] of the far end from the next frame of the capture on, or from one before it (negative)."""
        return self._timeline.read(self._next + frame * FRAME + self._offset, frames * FRAME)

    def resumed(self) -> bool:
        """Whether the next frame's far end, or one before it, comes after missing blocks; true once for each time."""
        return self._timeline.resumed(self._next + FRAME + self._offset)

    def advance(self, near: Samples) -> None:
        """The next frame [160] of the capture has come."""
        self._next += FRAME
        self._near.append(near)
        self._since += 1
        self._missed += 1

    def measure(self, frames: int) -> bool:
        """Seek the echo in the last so many frames; True once it is found and the reference lies right."""
        if frames < FEWEST or frames % EVERY_SHORT:
            return False
        count = min(frames, WINDOW)
        found = self._measure(count)
        if found is not None and self._agreed(found):
            self._settle(found.samples, count)
        elif count < 2 * SHORT or not self._look_elsewhere(count, found):
            return False
        self._near = deque(list(self._near)[-frames:], WINDOW)
        return True

    def follow(self) -> bool:
        """Measure now and then while a reply goes on; True when the echo lies where it should, or does so again."""
        if self._since % EVERY_SHORT or len(self._near) < SHORT:
            return False
        if self._watch():
            return True
        if len(self._near) < WINDOW:
            return False
        if self._missed >= EVERY and self._missed % EVERY_LOST == 0 and self._look_elsewhere(WINDOW):
            return True
        if self._since < EVERY:
            return False
        self._since = 0
        found = self._measure(WINDOW)
        if found is None:
            return False
        if self.delay_s is not None and abs(found.samples - self._learnt) <= DRIFT:
            self._learnt = found.samples
            self._note()
            self._candidate = None
            self._missed = 0
            self._gain = self.level = self._louder(WINDOW, self._learnt)
            return True
        if not self._agreed(found):
            return False
        self._settle(found.samples, WINDOW)
        return True

    def comparable_apart(self) -> bool:
        """Whether `compare_apart` can be called for what was heard since its last call; ask once a frame."""
        self._apart_since += 1
        return self._apart_since >= APART <= len(self._near) and is_loud(self.read(-APART, APART))

    def compare_apart(self, least: float) -> Delay | None:
        """The delay that the echo seems to have by stated times, whatever is known of it, with a lag behind `AIM`.

        What is heard counts if it is `least` times as loud as what is played.
        """
        self._apart_since = 0
        return self._measure(APART, self._offset - AIM, LATEST) if self._louder(APART, 0) > least else None

    def settle_apart(self, found: Delay) -> None:
        """The echo comes where such a comparison, the latest, found it."""
        self._settle(found.samples + self._offset - AIM, APART)

    def find_elsewhere(self, frames: int) -> int | None:
        """By how much the last so many frames lag behind what they resemble; None where that is what is expected.

        Nothing either for what is fainter than an echo of it would be.
        """
        if frames > len(self._near):
            return None
        moved = self._offset - AIM
        found = self._measure(frames, moved, LATEST)
        if found is None or found.expected > RIVAL * found.height:
            return None
        lag = found.samples + moved
        return lag if self._louder(frames, lag) > FAINT * self._gain else None

    def ends(self, frames: int, lag: int | None = None) -> tuple[Samples, Samples]:
        """The last so many frames [frames * 160], and what they are an echo of, with the 2 s before it.

        With the `lag` that `find_elsewhere` found, or else with the known one.
        """
        moved = 0 if lag is None else self._learnt - lag
        far = self._timeline.read(
            self._next - (HISTORY + frames) * FRAME + self._offset + moved, (HISTORY + frames) * FRAME
        )
        return np.concatenate(list(self._near)[-frames:]), far

    def take_over(self, lag: int, frames: int) -> None:
        """The echo comes with this lag, found in the last so many frames."""
        self._settle(lag, frames)
        self._near = deque(list(self._near)[-frames:], WINDOW)

    def _watch(self) -> bool:
        """Look whether the delay jumped in the last 0.15 s: suspected by one measurement, believed by the second.

        Words resemble themselves, so that one alone is often wrong.
        """
        before, self._suspect = self._suspect, None
        found = self._measure(SHORT) if self.delay_s is not None else None
        if found is None or found.height < SUSPICIOUS or abs(found.samples - self._learnt) <= DRIFT:
            return False
        if found.expected > RIVAL * found.height:
            return False
        if before is None or abs(before - found.samples) > AGREEMENT:
            self._suspect = found.samples
            return False
        self._settle(found.samples, SHORT)
        self._near.clear()
        return True

    def _look_elsewhere(self, frames: int, expected: Delay | None = None) -> bool:
        """Whether the echo is certainly somewhere else in all that was played up to `LATEST` before; it is followed.

        What was held is played again from the word's beginning: of two likenesses the `expected` one counts.
        """
        moved = self._offset - AIM
        found = self._measure(frames, moved, LATEST)
        if found is None or found.height < CERTAIN:
            return False
        expected = expected or self._measure(frames)
        lag = found.samples + moved
        if expected is not None and expected.height > RIVAL * found.height:
            return False
        if self._louder(frames, lag) < FAINT * self._gain:
            return False
        self._settle(lag, frames)
        return True

    def _louder(self, frames: int, lag: int) -> float:
        """How much louder the last so many frames were than what was played `lag` samples before (amplitudes)."""
        far = self._timeline.read(self._next - frames * FRAME + self._offset - lag, frames * FRAME)
        near = np.concatenate(list(self._near)[-frames:])
        return float(np.linalg.norm(near) / (np.linalg.norm(far) + 1e-9))

    def _measure(self, frames: int, moved: int = 0, late: int = 0) -> Delay | None:
        count = frames * FRAME
        far = self._timeline.read(self._next - count + self._offset - moved - late, count + late)
        if not is_loud(far, count):
            return None
        return measure_delay(far, np.concatenate(list(self._near)[-frames:]), self._learnt - moved, DRIFT)

    def _agreed(self, found: Delay) -> bool:
        before, self._candidate = self._candidate, found.samples
        return found.height >= CERTAIN or (before is not None and abs(before - found.samples) <= AGREEMENT)

    def _settle(self, lag: int, frames: int) -> None:
        """Move the reference so that the echo, now `lag` behind it, is where the canceller has learnt it to be.

        It was found in the last so many frames.
        """
        self.level = self._louder(frames, lag)
        if not WANTED[0] <= self._learnt <= WANTED[1]:
            self._learnt = AIM
        if lag != self._learnt:
            logger.debug("echo reference moved by %.1f ms", 1000 * (self._learnt - lag) / SAMPLE_RATE_HZ)
        self._offset += self._learnt - lag
        self._candidate = None
        self._missed = 0
        self._note()

    def _note(self) -> None:
        self.delay_s = (self._learnt - self._offset) / SAMPLE_RATE_HZ
