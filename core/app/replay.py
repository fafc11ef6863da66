"""A recording through the whole pipeline, single-threaded, with the latencies a listener would see.

Time is the recording's: it stands still between two frames except for the work really done on each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audio.files import FileMicrophone, FileSpeaker
from audio.front_end import FrontEnd
from audio.wav import Recording
from core.app.assistant import Assistant, EngineNames, SoundEnds
from core.app.brain import Brain
from core.messages import AudioFrame, TurnFailed
from core.optimization.plan import StagePlan
from core.turns import TurnRecord
from core.utils.clock import Clock
from core.utils.config import Config
from core.utils.errors import InferenceError

TRAILING_SILENCE_S = 3.0
"""more than the longest endpoint pause, so that the turn always ends"""


class ReplayClock:
    """The time of the frame last handed out, plus the time worked since."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base = self._worked_from = clock.monotonic()

    def monotonic(self) -> float:
        return self._base + (self._clock.monotonic() - self._worked_from)

    def now(self) -> datetime:
        return self._clock.now()

    def frame_ended(self, at: float) -> None:
        """The microphone has captured sound up to `at`."""
        self._base, self._worked_from = max(at, self._base), self._clock.monotonic()


class ReplayedMicrophone:
    """An inbox that moves the clock along with the recording."""

    def __init__(self, source: FileMicrophone, clock: ReplayClock) -> None:
        self._source = source
        self._clock = clock

    def get(self, block: bool = True, timeout: float | None = None) -> AudioFrame:
        frame = self._source.get(block, timeout)
        self._clock.frame_ended(frame.captured_at + len(frame.samples) / frame.sample_rate_hz)
        return frame


@dataclass(frozen=True, slots=True)
class Answer:
    """One spoken turn."""

    record: TurnRecord
    engines: EngineNames
    reply: Recording
    fallback_reason: str = ""
    """why a planned engine was not used"""


def answer(config: Config, recording: Recording, brain: Brain, plan: StagePlan | None = None) -> Answer | None:
    """The assistant's answer to the first spoken turn of a recording; None when nothing was said in it.

    `plan`: that of hearing. Raises InferenceError when the turn was lost, and what loading an engine raises.
    """
    replay = Replay(config, recording, brain, plan)
    try:
        return replay.run()
    finally:
        replay.close()


class Replay:
    """A pipeline between a recording and a buffer."""

    def __init__(self, config: Config, recording: Recording, brain: Brain, plan: StagePlan | None = None) -> None:
        self._clock = ReplayClock(brain.clock)
        self._speaker = FileSpeaker(self._clock)
        source = FileMicrophone(recording, TRAILING_SILENCE_S, config.audio.block_ms, self._clock.monotonic())
        ends = SoundEnds(
            ReplayedMicrophone(source, self._clock), self._speaker, FrontEnd(config.echo, self._speaker.far_end)
        )
        self._finished: list[TurnRecord] = []
        self._failed: list[TurnFailed] = []
        self._assistant = Assistant(config, self._clock, ends, brain, self._finished.append)
        self._pipeline = self._assistant.join(self._assistant.engines(plan), announcing=False)

    def run(self) -> Answer | None:
        """Play the recording until its first turn is answered."""
        self._pipeline.observe(TurnFailed, self._failed.append)
        self._pipeline.load()
        self._assistant.warm_up()
        while not self._finished and not self._failed and self._pipeline.step():
            continue
        if self._failed:
            raise InferenceError(self._failed[0].error)
        if not self._finished or not self._finished[0].transcript:
            return None
        assistant = self._assistant
        return Answer(self._finished[0], assistant.engine_names, self._speaker.recording, assistant.fallback_reason)

    def close(self) -> None:
        """Close the stages."""
        self._pipeline.close()
