"""Takes the assistant's own voice out of the microphone's sound: WebRTC's AEC3 with what the speaker really played.

It works only while the assistant can be heard and shortly after; otherwise it lets the sound through, delayed by as
much as the canceller delays it, so that switching does not click. Where a reply begins, the sound is held back until
the reference lies where the canceller has learnt its echo to be, and then comes in one piece. Without the package
the front end lets nothing through while the assistant speaks, unless nothing comes back (headphones).
"""

from __future__ import annotations

import logging
import threading
from enum import Enum
from typing import Literal

import numpy as np

from audio.alignment import FRAME, HISTORY, Alignment
from audio.canceller import Canceller, WebRtcCanceller
from audio.echo_path import BACK, EchoPath, is_loud
from audio.echo_vote import EchoVote, Verdict
from audio.elsewhere import Elsewhere
from audio.far_end import FarEnd, FarEndTimeline
from audio.near_end import TAPS, NearEnd
from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.config import EchoConfig
from core.utils.errors import MissingDependencyError

logger = logging.getLogger(__name__)

Layer = Literal["off", "headphones", "aec3", "half duplex"]
"""what keeps the assistant from hearing itself, beside the transcript guard"""

CANCELLER_DELAY = 128
"""samples by which AEC3 delays what it lets through at 16 kHz (a test measures it)"""
LEAD_S = 0.08
"""how long before it can be heard the canceller wakes"""
REST_S = 2.0
"""how long after the last audible sound the canceller works on"""
QUIET_FRAMES = 50
"""0.5 s without far end: the speaker may have slept meanwhile, and its sound comes with another delay than before"""
HELD_FRAMES = 45
HELD_AT_FIRST_FRAMES = 70
"""how much is held back at most while the delay is sought; longer before it is known whether an echo comes at all"""
UNSETTLED_FRAMES = 170
"""1.7 s of speech: what AEC3 took to find an echo whose delay had jumped (`python3 main.py bench echo`)"""
UNSETTLED_GAIN = 0.01
MOVED_S = 0.02
"""a delay that has changed by more within a reply"""
TAIL_FRAMES = 40
"""0.4 s that a room goes on sounding; after that the user is heard, found or not"""


class _Way(Enum):
    """What becomes of a frame."""

    PASSED = "as it came, when it cannot hold an echo"
    CANCELLED = "without the echo"
    ABOVE = "what stands above the echo, while somebody speaks over it"
    MUTED = "next to nothing, while the canceller has yet to find the echo, or nothing but an echo is heard"


class EchoCanceller:
    """Process the capture in order; `far_end` is the speaker's tap."""

    def __init__(self, config: EchoConfig, far_end: FarEnd) -> None:
        self._config = config
        self._far_end = far_end
        self._timeline = FarEndTimeline()
        self._alignment = Alignment(self._timeline)
        self._elsewhere = Elsewhere(self._alignment)
        self._loading = threading.Lock()
        self._canceller: Canceller | None = None
        self._off = config.canceller == "off"
        self._missing = False
        """it cannot be loaded"""
        self._working = False
        self._line: Samples = np.zeros(TAPS - 1, np.float32)
        """the microphone's latest sound"""
        self._way = _Way.PASSED
        self.path = EchoPath()
        self._vote = EchoVote()
        self.near_end = NearEnd()
        self._held: list[Samples] | None = None
        self._woken = False
        """nothing has been held since it woke"""
        self._quiet = 0
        """frames since the far end was last heard"""
        self._unsettled = 0
        """loud far-end frames that the canceller still needs to find the echo"""
        self._moved = False
        self._converged = False
        """whether it has found it once, and only has to be shown it at the same distance again"""

    @property
    def engine(self) -> str:
        """What takes the echo out: "aec3", or "none"."""
        return "none" if self._off or self._missing else "aec3"

    @property
    def layer(self) -> Layer:
        """What is at work: known for certain once it is loaded, headphones once something was said."""
        if self._off:
            return "off"
        if self.path.absent:
            return "headphones"
        return "half duplex" if self._missing else "aec3"

    @property
    def working(self) -> bool:
        """Whether the canceller is at work; it rests while nothing is played."""
        return self._working

    @property
    def delay_ms(self) -> float | None:
        """Measured from the time the speaker states to the time the microphone states; None until it is known."""
        return None if self._alignment.delay_s is None else self._alignment.delay_s * 1000

    @property
    def held(self) -> int:
        """Samples taken in that have not come out, beside the canceller's own delay."""
        return FRAME * len(self._held or ())

    def load(self) -> None:
        """Load the engine. Raises MissingDependencyError if `echo.canceller` demands it and it is not there."""
        with self._loading:
            if self._off or self._missing or self._canceller is not None:
                return
            try:
                self._canceller = WebRtcCanceller(self._config.noise_suppression)
            except MissingDependencyError as error:
                if self._config.canceller == "aec3":
                    raise
                self._missing = True
                logger.warning("no echo cancellation, so interrupting needs headphones: %s", error)

    def far_end_active(self, at: float) -> bool:
        """Whether the assistant was audible here at this time or up to `echo.tail_ms` before; never with headphones."""
        return not self.path.absent and self._lasts(at, self._config.tail_ms / 1000)

    def deaf(self, at: float) -> bool:
        """Whether the microphone's sound at this time is to be left out: half duplex, and the echo may still last."""
        return self.layer == "half duplex" and self._lasts(at, self._config.tail_ms / 1000)

    def take_moved(self) -> bool:
        """Whether the echo was found to come at another time than was thought; true once for each time."""
        moved, self._moved = self._moved, False
        return moved

    def _lasts(self, at: float, tail_s: float) -> bool:
        """Whether the echo of what was played, as late as it comes, may last at this time, with a tail."""
        return self._timeline.audible(at, max(0.0, self._alignment.delay_s or 0.0) + tail_s)

    def take_far_end(self) -> None:
        """Take in what the speaker has played since the last call."""
        while (played := self._far_end.take()) is not None:
            self._timeline.add(played)

    def process(self, near: Samples, captured_at: float) -> Samples:
        """Whole frames [n * 160] at 16 kHz in; what is known of the echo-free sound out, with all that was held.

        Comes `CANCELLER_DELAY` and `held` samples later than it went in.
        """
        starts = range(0, len(near), FRAME)
        if not self._working and self._way is _Way.PASSED and not any(self._wakes(captured_at, at) for at in starts):
            return self._pass_on(near)
        frames = [self._process(near[at : at + FRAME], captured_at + at / SAMPLE_RATE_HZ) for at in starts]
        return np.concatenate(frames)

    def _wakes(self, captured_at: float, start: int) -> bool:
        return not self._off and self._needed(captured_at + start / SAMPLE_RATE_HZ)

    def _process(self, near: Samples, captured_at: float) -> Samples:
        """One frame [160]."""
        if self._off or not self._needed(captured_at):
            return self._rest(near)
        if self._canceller is None:
            self.load()
        if not self._working:
            self._working = self._woken = True
            self._quiet = QUIET_FRAMES
            self._alignment.restart(captured_at)
            self._restart_near_end(0)
        elif self._alignment.is_off(captured_at):
            logger.debug("capture was interrupted")
            self._quiet, self._held = QUIET_FRAMES, None
            self._alignment.restart(captured_at)
            self._restart_near_end(0)
        return self._work(near)

    def _needed(self, captured_at: float) -> bool:
        return self._config.noise_suppression or self._lasts(captured_at + LEAD_S, REST_S + LEAD_S)

    def _pass_on(self, near: Samples) -> Samples:
        """Any number of samples, late and else as they came."""
        sound = np.concatenate([self._line, near])
        self._line = sound[len(near) :]
        passed: Samples = sound[TAPS - 1 - CANCELLER_DELAY :][: len(near)]
        return passed

    def _rest(self, near: Samples) -> Samples:
        held, self._held = self._held or [], None
        self.path.rest()
        result = [self._emit(frame, None) for frame in (*held, near)]
        self._working = False
        return np.concatenate(result) if held else result[0]

    def _work(self, near: Samples) -> Samples:
        far = self._alignment.read()
        before = self.path.absent
        self.path.update(near, far)
        if self.path.absent is not before:
            logger.debug("echo absent, by its level of %.4f", self.path.gain)
        loud = is_loud(far)
        if self._alignment.resumed():
            self._quiet = QUIET_FRAMES
        unknown = self._woken and self._alignment.delay_s is None
        begins = self._quiet >= QUIET_FRAMES and (loud or unknown)
        if begins and self._held is None and not self.path.absent:
            self._held, self._woken = [], False
        self._quiet = 0 if loud else self._quiet + 1
        self._alignment.advance(near)
        if self._held is not None:
            self._held.append(near)
            return self._seek(self._held)
        self._look_for_any()
        if not self.path.absent:
            self._follow(loud)
        return self._emit(near, far)

    def _look_for_any(self) -> None:
        """Believe in an echo where none was, or in none where one was thought, once many comparisons agree."""
        if not self._alignment.comparable_apart():
            return
        found = self._alignment.compare_apart(BACK)
        verdict = self._vote.take(found, self.path.absent)
        if verdict is Verdict.ABSENT:
            self.path.lose()
            if self.path.absent:
                logger.debug("echo absent: it was not found in many comparisons")
        elif verdict is Verdict.PRESENT:
            assert found is not None
            self._alignment.settle_apart(found)
            self.path.find(self._alignment.level)
            if not self.path.absent:
                logger.debug("echo present, by its level of %.4f", self._alignment.level)
                self.near_end = NearEnd()
                self._restart_near_end(-1)
                self._converged, self._unsettled, self._moved = False, UNSETTLED_FRAMES, True
        elif verdict is Verdict.DOUBTED:
            self._moved = True

    def _seek(self, held: list[Samples]) -> Samples:
        """Let go of what is held once the delay is known, or has been sought for long enough."""
        found = self._alignment.measure(len(held))
        most = HELD_AT_FIRST_FRAMES if self.path.gain is None else HELD_FRAMES
        if not found and len(held) < most and not self.path.absent:
            return np.zeros(0, np.float32)
        if not self.path.absent and not (found and self._converged):
            self._unsettled = UNSETTLED_FRAMES
        logger.debug("held %d ms: echo %s", 10 * len(held), f"after {self.delay_ms:.0f} ms" if found else "not found")
        self._held = None
        self._restart_near_end(-len(held))
        back = range(-len(held), 0)
        return np.concatenate([self._emit(near, self._alignment.read(at)) for at, near in zip(back, held, strict=True)])

    def _follow(self, loud: bool) -> None:
        if self._unsettled > 0 and loud:
            self._unsettled -= 1
            self._converged = self._converged or self._unsettled == 0
        before = self._alignment.delay_s or 0.0
        found_elsewhere = self._elsewhere.look(self.near_end)
        if self._alignment.follow() or found_elsewhere:
            self._unsettled *= not self._converged
        if abs((self._alignment.delay_s or 0.0) - before) > MOVED_S:
            self._restart_near_end(-1)
            self._moved = True

    def _restart_near_end(self, frame: int) -> None:
        """With what was played in the 2 s before that frame, counted from the next one."""
        before = self._alignment.read(frame - HISTORY, HISTORY)
        self.near_end.restart(before, self._line[-FRAME:])

    def _emit(self, near: Samples, far: Samples | None) -> Samples:
        """The frame in the way that it should come; `far` None for a canceller that need not work any more."""
        sound = np.concatenate([self._line, near])
        self._line = sound[FRAME:]
        ways = {_Way.PASSED: sound[-CANCELLER_DELAY - FRAME : -CANCELLER_DELAY]}
        if far is not None:
            self.near_end.update(near, far)
        before = self._way
        if self._canceller is None or (far is None and before is _Way.PASSED):
            return ways[_Way.PASSED]
        self._way = _Way.PASSED if far is None else self._choose()
        heard = np.zeros(FRAME, np.float32) if far is None else far
        ways[_Way.CANCELLED] = self._canceller.process(near, heard, self._alignment.seen_ms)
        ways[_Way.MUTED] = ways[_Way.CANCELLED] * UNSETTLED_GAIN
        if _Way.ABOVE in (before, self._way):
            ways[_Way.ABOVE] = self.near_end.let_through(sound)
        return ways[self._way] if before is self._way else _blend(ways[before], ways[self._way])

    def _choose(self) -> _Way:
        if self.path.absent:
            return _Way.PASSED
        lost = self._unsettled > 0 or self._alignment.suspect
        if lost and self._quiet < TAIL_FRAMES:
            return _Way.MUTED
        if self.near_end.heard:
            return _Way.ABOVE
        return _Way.MUTED if self.near_end.silent else _Way.CANCELLED


def _blend(before: Samples, after: Samples) -> Samples:
    rising = np.linspace(0.0, 1.0, FRAME, dtype=np.float32)
    result: Samples = before * (1 - rising) + after * rising
    return result
