"""A recording through the whole pipeline, single-threaded, with the latencies a listener would see.

Time is the recording's, and that of the work really done: what took longer than a frame is late until the recording has
caught up. `replay` runs a recorded turn again on a clock that counts no work, so that it is the same every time.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio.files import FileMicrophone, FileSpeaker
from audio.front_end import FrontEnd
from audio.wav import Recording
from core.app.assistant import Assistant, EngineNames, SoundEnds
from core.app.brain import Brain
from core.app.planning import apply_plan, make_plan
from core.app.turn_recording import began_at, read_turn
from core.messages import SAMPLE_RATE_HZ, AudioFrame, TurnFailed
from core.optimization.plan import StagePlan
from core.turns import TurnRecord
from core.utils.clock import Clock
from core.utils.config import Config
from core.utils.config_file import parse_config
from core.utils.config_source import Sources
from core.utils.errors import ConfigError, InferenceError

if TYPE_CHECKING:
    from core.app.turn_recording import RecordedTurn

TRAILING_SILENCE_S = 3.0
"""more than the longest endpoint pause, so that the turn always ends"""


class StillClock:
    """The wall time of a recorded turn, and no time that passes by work: what happens then depends on sound alone."""

    def __init__(self, began: datetime) -> None:
        self._began = began

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return self._began


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Run a recorded turn again, as configured then and with `--set` over it; 1 where it comes out differently."""
    from core.app.answering import equip

    turn = read_turn(arguments.input)
    config = settings_of(turn, arguments.set)
    plan = make_plan(config)
    apply_plan(config, plan)
    with (
        tempfile.TemporaryDirectory(prefix="merline-replay-") as folder,
        Brain(config, StillClock(began_at(turn)), Path(folder), turn.language) as brain,
    ):
        equip(config, plan, brain.responder, arguments.offline)
        answered = answer_again(config, turn, brain, plan.stt)
    found = (answered.record.transcript, answered.record.reply) if answered else ("", "")
    same = found == (turn.transcript, turn.reply)
    if arguments.json:
        print(json.dumps({"then": [turn.transcript, turn.reply], "now": found, "same": same}, ensure_ascii=False))
        return 0 if same else 1
    print(f"then  you: {turn.transcript}\n      merline: {turn.reply}")
    print("now   the same" if same else f"now   you: {found[0]}\n      merline: {found[1]}")
    if not same and config.llm.temperature > 0:
        print("a language model words its replies anew; llm.temperature: 0 would not", file=sys.stderr)
    return 0 if same else 1


def settings_of(turn: RecordedTurn, changes: list[str]) -> Config:
    """What a turn ran with, and what is set now over it. Raises ConfigError."""
    from core.utils.config_file import load_config

    now: dict[str, Any] = load_config(None, changes).model_dump(mode="json")
    named = {change.partition("=")[0].strip() for change in changes}
    merged = {
        section: {key: now[section][key] if f"{section}.{key}" in named else value for key, value in block.items()}
        if isinstance(block, dict) and isinstance(now.get(section), dict)
        else now[section]
        if section in named
        else block
        for section, block in turn.settings.items()
    }
    merged["record"] = False
    try:
        return parse_config(merged, Sources("the recording's settings"))
    except KeyError as error:
        raise ConfigError(
            f"the recording's settings: {error} is not known here; it was made by another version"
        ) from None


def answer_again(config: Config, turn: RecordedTurn, brain: Brain, plan: StagePlan | None = None) -> Answer | None:
    """The answer to a recorded turn: the same for the same recording, models and settings."""
    random.seed(turn.turn)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(turn.turn)
    quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    return answer(config, Recording(np.concatenate((quiet, turn.samples)), SAMPLE_RATE_HZ), brain, plan)


class ReplayClock:
    """The time of the frame last handed out, or when the work on those before it was done, plus the time worked since.

    What is worked before the first frame, the loading, does not count.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base = self._worked_from = clock.monotonic()
        self._begun = False

    def monotonic(self) -> float:
        return self._base + (self._clock.monotonic() - self._worked_from)

    def now(self) -> datetime:
        return self._clock.now()

    def frame_ended(self, at: float) -> None:
        """The microphone has captured sound up to `at`."""
        self._base = max(at, self.monotonic()) if self._begun else at
        self._worked_from, self._begun = self._clock.monotonic(), True


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
        self._assistant.warm_up(wait=True)
        while not self._finished and not self._failed and self._pipeline.step():
            continue
        if self._failed:
            raise InferenceError(self._failed[0].error)
        if not self._finished or not self._finished[0].transcript:
            return None
        assistant = self._assistant
        reasons = "\n".join(filter(None, (assistant.fallback_reason, *assistant.news())))
        return Answer(self._finished[0], assistant.engine_names, self._speaker.recording, reasons)

    def close(self) -> None:
        """Close the stages."""
        self._pipeline.close()
