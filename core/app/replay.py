"""A recording through the whole pipeline, single-threaded, with the latencies a listener would see.

Time is the recording's, and that of the work really done: what took longer than a frame is late until the recording has
caught up. `replay` runs a recorded turn again on a clock that counts no work, from what the recogniser took in then.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from audio.files import FileMicrophone, FileSpeaker
from audio.front_end import FrontEnd
from audio.wav import Recording
from core.app.assistant import Assistant, EngineNames, SoundEnds
from core.app.brain import Brain
from core.app.hearing_again import HeardAgain, StillClock, before
from core.app.json_text import json_text
from core.app.planning import apply_plan, make_plan
from core.app.recorded_turn import RecordedTurn, read_turn
from core.messages import SAMPLE_RATE_HZ, AudioFrame, Heard, Sentence, Transcript, TurnFailed
from core.optimization.plan import StagePlan
from core.stage import Inbox, Stage
from core.turn_clock import TurnClock
from core.turns import TurnRecord
from core.utils.clock import Clock
from core.utils.config import Config
from core.utils.config_file import parse_config
from core.utils.config_source import Sources
from core.utils.errors import ConfigError, InferenceError
from llm.conversation import Exchange
from llm.responder import SKILLS

TRAILING_SILENCE_S = 3.0
"""more than the longest endpoint pause, so that the turn always ends"""


HEARING = frozenset({"audio", "echo", "vad", "endpoint"})
"""sections of the configuration that act before the recogniser: where one is changed, the sound is heard anew"""
ANEW = "{why}: its sound goes through voice detection anew, and its words may be others"


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Run a recorded turn again, as configured then and with `--set` over it; 1 where it comes out differently."""
    from core.app.answering import equip

    turn = read_turn(arguments.input)
    config = settings_of(turn, arguments.set, arguments.input)
    changed = _named(arguments.set)
    if changed & HEARING:
        print(ANEW.format(why=f"{', '.join(sorted(changed & HEARING))} is set anew"), file=sys.stderr)
        turn = replace(turn, steps=())
    elif not turn.steps:
        print(ANEW.format(why="this file does not tell what the recogniser got"), file=sys.stderr)
    plan = make_plan(config)
    apply_plan(config, plan)
    clock = clock_of(turn)
    with (
        tempfile.TemporaryDirectory(prefix="merline-replay-") as folder,
        Brain(config, clock, Path(folder), turn.language) as brain,
    ):
        live_through(turn, brain, clock)
        equip(config, plan, brain.responder, arguments.offline)
        if "stt" in changed:
            turn = replace(turn, listening=None)
        answered = answer_again(config, turn, brain, clock, plan.stt)
        worded = _worded_by_model(turn, brain)
    found = (answered.record.transcript, answered.record.reply) if answered else ("", "")
    same = found[0] == turn.transcript and _is_reply(found[1], turn)
    if arguments.json:
        print(json_text({"then": [turn.transcript, turn.reply], "now": found, "same": same}))
        return 0 if same else 1
    print(f"then  you: {turn.transcript}\n      merline: {turn.reply}")
    print("now   the same" if same else f"now   you: {found[0]}\n      merline: {found[1]}")
    if not same and worded and found[0] == turn.transcript and config.llm.temperature > 0:
        print("a language model words its replies anew; llm.temperature: 0 would not", file=sys.stderr)
    return 0 if same else 1


def _named(changes: list[str], whole: bool = False) -> set[str]:
    """The sections that `--set` changes, or, where `whole`, the settings."""
    names = {change.partition("=")[0].strip() for change in changes}
    return names if whole else {name.partition(".")[0] for name in names}


def _is_reply(reply: str, turn: RecordedTurn) -> bool:
    """Whether a reply is that of then, or begins as one did that was broken off."""
    whole = any(message.get("type") == "Sentence" and message.get("last") for message in turn.messages)
    return reply == turn.reply if whole else reply.startswith(turn.reply)


def _worded_by_model(turn: RecordedTurn, brain: Brain) -> bool:
    """Whether a language model had a part in the reply of then, as far as the file tells, and in that of now."""
    then = turn.began_at is None or any(message.get("type") == "ReplyUnderWay" for message in turn.messages)
    exchanges = brain.conversation.exchanges
    return then and bool(exchanges and exchanges[-1].written)


def settings_of(turn: RecordedTurn, changes: list[str], file: Path | None = None) -> Config:
    """What a turn ran with, the engines that heard and answered it among that, and what is set now over it.

    Raises ConfigError, which names the `file`.
    """
    from core.utils.config_file import load_config

    now: dict[str, Any] = load_config(None, changes).model_dump(mode="json")
    merged = {**turn.settings, **_engines_of(turn), "record": False}
    for name in _named(changes, whole=True):
        section, _, rest = name.partition(".")
        block, key = merged.get(section), rest.partition(".")[0]
        merged[section] = {**block, key: now[section][key]} if key and isinstance(block, dict) else now[section]
    source = f"{file}: the recording's settings" if file is not None else "the recording's settings"
    try:
        return parse_config(merged, Sources(source))
    except KeyError as error:
        raise ConfigError(f"{source}: {error} is not known here; replay it with the version that made it") from None
    except ConfigError as error:
        raise ConfigError(f"{error}; if another version made the recording, replay it with that one") from None


def _engines_of(turn: RecordedTurn) -> dict[str, Any]:
    """The sections that say which engines heard and answered a turn: "auto" had made its choice by then."""
    stt, llm = turn.settings.get("stt", {}), turn.settings.get("llm", {})
    if not turn.steps or not isinstance(stt, dict) or not isinstance(llm, dict):
        return {}
    heard = {"engine": "pocketsphinx"}
    if turn.listening is not None:
        heard = {"engine": "whisper", "model": turn.listening.model}
    return {"stt": {**stt, **heard}, "llm": {**llm, "engine": SKILLS} if turn.answers == SKILLS else llm}


def clock_of(turn: RecordedTurn) -> StillClock:
    """A recorded turn's time, standing still at its beginning, or, where that is not known, at its end."""
    return StillClock(turn.began_at if turn.began_at is not None and turn.steps else turn.heard_at)


def live_through(turn: RecordedTurn, brain: Brain, clock: StillClock) -> None:
    """Let the skills answer the turns before, without a sound; what a model answered only stands in the conversation.

    Before a model is given to the responder.
    """
    for earlier in turn.earlier:
        clock.stand_at(earlier.s)
        number = before(earlier.turn, turn)
        heard_characters = tuple(map(len, earlier.sentences))
        if earlier.by_model:
            brain.conversation.add(
                Exchange(number, earlier.text, earlier.sentences, earlier.language, heard_characters)
            )  # fmt: skip
            continue
        if earlier.supersedes is not None:
            brain.responder.supersede(before(earlier.supersedes, turn))
        words = Transcript(
            number, 0, earlier.text, len(earlier.text), earlier.language, final=True, source=earlier.source
        )
        for sentence in brain.responder.process(words):
            if isinstance(sentence, Sentence):
                brain.conversation.heard(Heard(number, 0, sentence.index, len(sentence.text)))
    clock.stand_at(0.0)


def answer_again(
    config: Config, turn: RecordedTurn, brain: Brain, clock: StillClock, plan: StagePlan | None = None
) -> Answer | None:
    """The answer to a recorded turn: the same for the same recording, models and settings.

    `clock` is the brain's. Without its steps the turn's sound is heard anew.
    """
    random.seed(turn.turn)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(turn.turn)
    if not turn.steps:
        quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
        return answer(config, Recording(np.concatenate((quiet, turn.samples)), SAMPLE_RATE_HZ), brain, plan)
    again = HeardAgain(turn, clock)
    return _answered(Replay(config, brain, Played(clock, again, again.stage), plan))


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
    clock = ReplayClock(brain.clock)
    source = FileMicrophone(recording, TRAILING_SILENCE_S, config.audio.block_ms, clock.monotonic())
    return _answered(Replay(config, brain, Played(clock, ReplayedMicrophone(source, clock)), plan))


def _answered(replay: Replay) -> Answer | None:
    try:
        return replay.run()
    finally:
        replay.close()


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay hears."""

    clock: Clock
    source: Inbox
    """moves the clock along"""
    listens: Callable[[TurnClock], Stage] | None = None
    """makes the stage that takes from `source`; None: the listener, which takes frames"""


class Replay:
    """A pipeline between a recording and a buffer."""

    def __init__(self, config: Config, brain: Brain, played: Played, plan: StagePlan | None = None) -> None:
        self._speaker = FileSpeaker(played.clock)
        ends = SoundEnds(played.source, self._speaker, FrontEnd(config.echo, self._speaker.far_end))
        self._finished: list[TurnRecord] = []
        self._failed: list[TurnFailed] = []
        self._assistant = Assistant(config, played.clock, ends, brain, self._finished.append)
        self._pipeline = self._assistant.join(self._assistant.engines(plan), announcing=False)
        if played.listens is not None:
            self._pipeline.threads[0].stage = played.listens(self._pipeline.clock)

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
