"""Takes the assistant's own voice out of the microphone's sound: WebRTC's AEC3 with what the speaker really played.

It works only while the assistant can be heard and shortly after; otherwise it lets the sound through, delayed by as
much as the canceller delays it, so that switching does not click. Loaded by `load`, at the latest when it is needed.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any, Protocol

import numpy as np

from audio.delay import WINDOW, DelayTracker
from audio.echo_path import LOUD, EchoPath
from audio.far_end import JOIN_S, FarEnd, FarEndTimeline, Played
from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.config import EchoConfig
from core.utils.errors import MissingDependencyError

logger = logging.getLogger(__name__)

FRAME = SAMPLE_RATE_HZ // 100
"""samples per step of the canceller, 10 ms"""
CANCELLER_DELAY = 128
"""samples by which AEC3 delays what it lets through at 16 kHz (a test measures it)"""
LEAD_S = 0.04
"""the reference runs ahead of the capture by this much until the delay is known, so that it precedes its echo"""
WANTED_S = (0.005, 0.2)
"""range of the delay that AEC3 is to see; outside it, the reference is moved"""
AIM_S = 0.04
SPARE_S = 0.01
SLACK_BLOCKS = 50
FEWEST_BLOCKS = 5
LATE_SHARE = 0.2
"""of the blocks may come too late: a hiccup must not move the reference, a rule must"""
REST_S = 2.0
"""how long after the last audible sound the canceller works on"""
MEASURE_FRAMES = 100
BREAK_S = 0.5
"""a shorter silence is taken for a stutter of the device, a longer one for the end of a reply. Pauses within a reply
are taken for stutters too: told apart by the blocks' times alone, it answered itself in one of four runs of the
self-echo test (tests/integration/test_talk.py)"""
UNSETTLED_FRAMES = 170
"""1.7 s of speech: what AEC3 took to find an echo whose delay had jumped (`python3 main.py bench echo`)"""
UNSETTLED_GAIN = 0.01


class Canceller(Protocol):
    """AEC3, or nothing: 10 ms frames at 16 kHz."""

    def process(self, near: Samples, far: Samples, delay_ms: int) -> Samples: ...


class WebRtcCanceller:
    """livekit's binding of WebRTC's audio processing. Raises MissingDependencyError without the package."""

    def __init__(self, noise_suppression: bool = False) -> None:
        try:
            from livekit.rtc.apm import AudioProcessingModule
            from livekit.rtc.audio_frame import AudioFrame as Frame
        except (ImportError, OSError) as error:
            raise MissingDependencyError(
                f"echo.canceller: the livekit package cannot be loaded ({error}); pip install livekit, "
                "or set echo.canceller: off and use headphones"
            ) from error
        self._frame: Any = Frame
        self._module = AudioProcessingModule(echo_cancellation=True, noise_suppression=noise_suppression)
        self._delay_ms: int | None = None

    def process(self, near: Samples, far: Samples, delay_ms: int) -> Samples:
        """`near` [160] without the echo of `far` [160], which is played `delay_ms` before it is heard."""
        self._module.process_reverse_stream(self._wrap(far))
        if delay_ms != self._delay_ms:
            self._module.set_stream_delay_ms(delay_ms)
            self._delay_ms = delay_ms
        frame = self._wrap(near)
        self._module.process_stream(frame)
        return np.frombuffer(frame.data, np.int16).astype(np.float32) / 32768.0

    def _wrap(self, samples: Samples) -> Any:
        data = (np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16).tobytes()
        return self._frame(bytearray(data), SAMPLE_RATE_HZ, 1, FRAME)


class EchoCanceller:
    """Process the capture in order; `far_end` is the speaker's tap."""

    def __init__(self, config: EchoConfig, far_end: FarEnd) -> None:
        self._config = config
        self._far_end = far_end
        self._timeline = FarEndTimeline()
        self._loading = threading.Lock()
        self._canceller: Canceller | None = None
        self._failed = config.canceller == "off"
        self._working = False
        self._delayed: Samples = np.zeros(CANCELLER_DELAY, np.float32)
        self._offset = round(LEAD_S * SAMPLE_RATE_HZ)
        self._slack: deque[int] = deque(maxlen=SLACK_BLOCKS)
        """samples by which the last blocks came before the capture reached them"""
        self._tracker = DelayTracker()
        self.path = EchoPath()
        self._bypassed = False
        self._unsettled = 0
        """loud far-end frames that the canceller still needs to find the echo again"""
        self._near: deque[Samples] = deque(maxlen=-(-WINDOW // FRAME))
        """the last frames of the capture since the reference was moved"""
        self._frames = 0
        self._next_capture = 0

    @property
    def engine(self) -> str:
        """What takes the echo out: "aec3", or "none"."""
        return "none" if self._failed else "aec3"

    @property
    def working(self) -> bool:
        """Whether the canceller is at work; it rests while nothing is played."""
        return self._working

    @property
    def delay_ms(self) -> float | None:
        """Measured from the time the speaker states to the time the microphone states; None until it is known."""
        return None if self._tracker.delay_s is None else self._tracker.delay_s * 1000

    def load(self) -> None:
        """Load the engine. Raises MissingDependencyError if `echo.canceller` demands it and it is not there."""
        with self._loading:
            if self._failed or self._canceller is not None:
                return
            try:
                self._canceller = WebRtcCanceller(self._config.noise_suppression)
            except MissingDependencyError as error:
                if self._config.canceller == "aec3":
                    raise
                self._failed = True
                logger.warning("no echo cancellation, so interrupting needs headphones: %s", error)

    def far_end_active(self, at: float) -> bool:
        """Whether the assistant was audible here at this time or up to `echo.tail_ms` before; never with headphones."""
        return not self.path.absent and self._timeline.audible(at, self._config.tail_ms / 1000)

    def take_far_end(self) -> None:
        """Take in what the speaker has played since the last call."""
        while (played := self._far_end.take()) is not None:
            broken = played.leaves_at - BREAK_S < self._timeline.audible_until < played.leaves_at - JOIN_S
            self._timeline.add(played)
            if broken:
                self._unsettle("playback was interrupted")
            if self._working:
                self._note_slack(played)

    def process(self, near: Samples, captured_at: float) -> Samples:
        """One frame [160] at 16 kHz in, one out, `CANCELLER_DELAY` samples later."""
        passed, self._delayed = np.split(np.concatenate([self._delayed, near]), [FRAME])
        if self._failed or not self._needed(captured_at):
            self.path.rest()
            if self._working:
                self._working = False
                return self._blend(self._cancel(near, captured_at), passed)
            return passed
        if self._canceller is None:
            self.load()
            if self._canceller is None:
                return passed
        if not self._working:
            self._working = True
            self._align(captured_at)
            return self._blend(passed, self._cancel(near, captured_at))
        return self._choose(passed, self._cancel(near, captured_at))

    def _choose(self, passed: Samples, cancelled: Samples) -> Samples:
        """The sound as it came while it cannot be echo, else what the canceller leaves; unsettled, next to nothing."""
        if self._unsettled > 0:
            cancelled = cancelled * UNSETTLED_GAIN
        before, self._bypassed = self._bypassed, self.path.absent or self.path.user_speaks
        if before == self._bypassed:
            return passed if before else cancelled
        return self._blend(cancelled, passed) if self._bypassed else self._blend(passed, cancelled)

    def _unsettle(self, why: str) -> None:
        """The delay may have changed, so the canceller has to find the echo again: half duplex until it has."""
        logger.debug("echo canceller unsettled: %s", why)
        self._unsettled = UNSETTLED_FRAMES

    def _needed(self, captured_at: float) -> bool:
        if self._config.noise_suppression:
            return True
        return self._timeline.audible(captured_at + AIM_S + LEAD_S, REST_S + AIM_S + LEAD_S)

    def _cancel(self, near: Samples, captured_at: float) -> Samples:
        assert self._canceller is not None
        if abs(round(captured_at * SAMPLE_RATE_HZ) - self._next_capture) > SAMPLE_RATE_HZ // 20:
            self._align(captured_at)
            self._unsettle("capture was interrupted")
        far = self._timeline.read(self._next_capture + self._offset, FRAME)
        if self._unsettled > 0 and np.sqrt(np.mean(far**2)) > LOUD:
            self._unsettled -= 1
        self._next_capture += FRAME
        self._track(near)
        self.path.update(near, far)
        seen_s = (self._tracker.delay_s or 0.0) + self._offset / SAMPLE_RATE_HZ
        return self._canceller.process(near, far, round(1000 * min(max(seen_s, 0.0), 0.5)))

    def _align(self, captured_at: float) -> None:
        """Choose which far-end sample goes with the capture now."""
        self._next_capture = round(captured_at * SAMPLE_RATE_HZ)
        self._near.clear()
        self._set_offset()

    def _set_offset(self) -> None:
        """The reference has to precede its echo, and to have been handed over by the time it is read."""
        delay_s = self._tracker.delay_s
        offset = self._offset
        if delay_s is None:
            offset = round(LEAD_S * SAMPLE_RATE_HZ)
        elif not WANTED_S[0] <= delay_s + offset / SAMPLE_RATE_HZ <= WANTED_S[1]:
            offset = round((AIM_S - delay_s) * SAMPLE_RATE_HZ)
        slack = self._usual_slack()
        if slack is not None:
            offset = min(offset, slack - round(SPARE_S * SAMPLE_RATE_HZ))
        if delay_s is not None:
            offset = max(offset, round((WANTED_S[0] - delay_s) * SAMPLE_RATE_HZ))
        if offset != self._offset:
            logger.debug("echo reference moved to %.0f ms ahead of the capture", 1000 * offset / SAMPLE_RATE_HZ)
            self._offset = offset

    def _note_slack(self, played: Played) -> None:
        """How far ahead of the capture a block was handed over; when most come too late, the reference is moved.

        Where the stated times are right, an echo is captured only after its block was handed over, so that waiting
        for the block does not let the echo precede it.
        """
        self._slack.append(round(played.leaves_at * SAMPLE_RATE_HZ) - self._next_capture)
        slack = self._usual_slack()
        if slack is not None and slack < self._offset:
            self._set_offset()

    def _usual_slack(self) -> int | None:
        """The slack that all but a few blocks have; None before enough have come."""
        if len(self._slack) < FEWEST_BLOCKS:
            return None
        return sorted(self._slack)[int(LATE_SHARE * len(self._slack))]

    def _track(self, near: Samples) -> None:
        """Measure the delay once a second while the assistant speaks."""
        self._near.append(near)
        self._frames += 1
        if self._frames < MEASURE_FRAMES or len(self._near) * FRAME < WINDOW:
            return
        self._frames = 0
        far = self._timeline.read(self._next_capture - WINDOW, WINDOW)
        if np.sqrt(np.mean(far**2)) > 1e-3 and self._tracker.update(far, np.concatenate(self._near)[-WINDOW:]):
            logger.debug("echo delay %.1f ms", self.delay_ms)
            self._set_offset()

    def _blend(self, before: Samples, after: Samples) -> Samples:
        rising = np.linspace(0.0, 1.0, FRAME, dtype=np.float32)
        result: Samples = before * (1 - rising) + after * rising
        return result
