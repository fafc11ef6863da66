"""Ends of turns: how long the assistant waits, and how often it cuts somebody off, against a fixed pause of 700 ms.

People's recordings under MERLINE_ASSETS (default ../shared/assets; needs sox), cut at their own phrase boundaries,
where pauses are put in: log-normal, as three speakers who pause for 350, 500 and 750 ms (median). English, read aloud.
The words are pocketsphinx's, heard once as if nobody were cut off, and reach the listener `WORDS_AFTER_S` after the
pause was noticed; and those of every Whisper that is here, or in the folder that MERLINE_REAL names, which come as late
as it took to hear them. With Smart Turn in that folder, or on this machine
(`models download smart-turn`), it is measured too.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat

import numpy as np

from benchmarks.endpoint_parts import complete, whisper_words
from benchmarks.endpoint_parts.recorded import Rated, Spoken, Understood, compose, turns
from benchmarks.endpoint_parts.turn_model import turn_model_folder
from benchmarks.figures import Figure
from core.messages import SAMPLE_RATE_HZ, AudioFrame, Language, Samples, Transcript, Utterance
from core.pipeline import Part, Pipeline
from core.turn_clock import TurnClock
from core.utils.config import Config, EndpointConfig
from core.utils.vad_compat import VadEngine, load_vad
from llm.skills.recognise import RecogniserConfig, SkillRecogniser
from llm.skills.registry import load_skills
from stt.commands import compile_commands
from stt.endpointing import Endpointing, TurnModel
from stt.listener import Listener
from stt.pauses import Pauses
from stt.smart_turn import SmartTurn
from stt.transcriber import Transcriber
from stt.voice_activity_detection import VoiceActivityDetection
from tests.fakes import ListInbox

FIXED_MS = 700
WORDS_AFTER_S = 0.15
FRAME_S = 0.02
SPEAKERS_MS = (350.0, 500.0, 750.0)
SPREAD = 0.5
PAUSES_MS = (250.0, 2500.0)
EVEN_S = 0.6
ROUNDS = 2
"""how often each speaker says everything"""
SEEDS = (7, 17, 27)
"""Of the pauses. With 162 pauses of one seed the fixed pause cuts off between 26 and 39 % of them."""
APART_S = 100.0
"""seconds between two turns: the listener takes the gap for a new beginning"""


@dataclass(slots=True)
class Turn:
    """What became of one turn: its pauses, those that cut its speaker off, and the wait behind it, if it got so far."""

    pauses: int
    cuts: int = 0
    waits_ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Result:
    """What one way of deciding came to."""

    name: str
    turns: list[Turn] = field(default_factory=list)

    @property
    def waits_ms(self) -> list[float]:
        return [wait for turn in self.turns for wait in turn.waits_ms]

    @property
    def pauses(self) -> int:
        return sum(turn.pauses for turn in self.turns)

    @property
    def cut_rate(self) -> float:
        return sum(turn.cuts for turn in self.turns) / self.pauses

    @property
    def wait_ms(self) -> float:
        return float(np.mean(self.waits_ms))


def run() -> list[Figure]:
    """The figures. The targets are those of the best words here alone, and of the plain ones where no Whisper is."""
    phrases = turns()
    sessions = [[compose(turn, pauses) for turn in phrases * ROUNDS] for seed in SEEDS for pauses in _speakers(seed)]
    even = [compose(turn, repeat(EVEN_S)) for turn in phrases]
    recogniser = SkillRecogniser(RecogniserConfig(), load_skills())
    plain = words(even)
    sources = {"words": plain} | dict(_by_whisper(even, recogniser.is_complete))
    folder = turn_model_folder()
    model = SmartTurn(folder) if folder is not None else None
    fixed_config = EndpointConfig(complete_ms=FIXED_MS, incomplete_ms=FIXED_MS, open_ms=FIXED_MS, learn=False)
    fixed = measure("fixed", fixed_config, sessions, plain, None)
    figures = [
        Figure("endpoint.fixed_wait", fixed.wait_ms, "ms", "lower"),
        Figure("endpoint.fixed_cut_off", 100 * fixed.cut_rate, "% pauses", "lower"),
        Figure("endpoint.pauses", fixed.pauses, "", "higher"),
        Figure("endpoint.turns", len(fixed.waits_ms), "", "higher"),
    ]
    for name, heard in sources.items():
        best = name == next(reversed(sources))
        figures.append(Figure(f"endpoint.words_after ({name})", 1000 * heard.after_s, "ms", "lower"))
        for also, turn_model in (("", None), (" and Smart Turn", model)):
            if also and model is None:
                continue
            result = measure(f"{name}, habits{also}", EndpointConfig(), sessions, heard, turn_model)
            figures += _compared(result, fixed, best or bool(also))
    known = [(texts, len(turn) - 1) for texts, turn in zip(plain.texts, phrases, strict=False)]
    speakers = tuple(_speakers(SEEDS[0]))
    return figures + complete.figures(known, lambda text: recogniser.is_complete(text, "en"), speakers)


def _by_whisper(
    even: Sequence[Spoken], is_complete: Callable[[str, Language], bool]
) -> Iterator[tuple[str, Understood]]:
    """What each Whisper that is here understood, the smallest first."""
    for name, folder in sorted(
        whisper_words.models().items(), key=lambda entry: (entry[1] / "model.bin").stat().st_size
    ):
        source = whisper_words.RealWords(folder, is_complete, Straight())
        yield name, source.hear(even)
        source.close()


def _compared(result: Result, fixed: Result, aims: bool) -> list[Figure]:
    """A way against the fixed pause on the same turns; with `aims` it has the target."""
    ratio, rate = (0.6, 100 * fixed.cut_rate) if aims else (None, None)
    return [
        Figure(f"endpoint.wait ({result.name})", result.wait_ms, "ms", "lower", baseline=fixed.wait_ms),
        Figure(f"endpoint.wait_ratio ({result.name})", result.wait_ms / FIXED_MS, "", "lower", target=ratio),
        Figure(f"endpoint.cut_off ({result.name})", 100 * result.cut_rate, "% pauses", "lower", target=rate),
    ]


def _speakers(seed: int) -> Iterator[Iterator[float]]:
    """One endless row of pauses (seconds) a speaker."""
    for number, median in enumerate(SPEAKERS_MS):
        yield _pauses(np.random.default_rng(seed + number), median)


def _pauses(random: np.random.Generator, median_ms: float) -> Iterator[float]:
    while True:
        yield float(np.clip(math.exp(random.normal(math.log(median_ms), SPREAD)), *PAUSES_MS)) / 1000


def _frames(samples: Samples, begin_s: float = 0.0) -> Iterator[AudioFrame]:
    size = round(FRAME_S * SAMPLE_RATE_HZ)
    for start in range(0, len(samples) - size + 1, size):
        yield AudioFrame(samples[start : start + size], SAMPLE_RATE_HZ, begin_s + start / SAMPLE_RATE_HZ)


@dataclass(frozen=True, slots=True)
class _Sound:
    samples: Samples
    captured_at: float
    far_end_active: bool = False
    echo_moved: bool = False


class Straight:
    """A front end that changes nothing."""

    def process(self, frame: AudioFrame) -> _Sound:
        return _Sound(frame.samples, frame.captured_at)


def _listener(endpointing: Endpointing, engine: VadEngine) -> tuple[Listener, TurnClock]:
    clock = TurnClock()
    detection = VoiceActivityDetection(Config().vad, engine)
    return Listener(detection, endpointing, Straight(), clock), clock


def words(turns: Sequence[Spoken]) -> Understood:
    """What pocketsphinx had understood at the end of each turn's phrases. One recogniser hears all, far apart."""
    config = Config()
    recogniser = SkillRecogniser(RecogniserConfig(), load_skills())
    never = EndpointConfig(complete_ms=50_000, incomplete_ms=50_000, open_ms=50_000, learn=False)
    listener, clock = _listener(Endpointing(never), load_vad())
    commands = partial(compile_commands, recogniser.intents("en"))
    stage = Transcriber(config.stt, commands, lambda text: recogniser.is_complete(text, "en"))
    inbox = ListInbox()
    pipeline = Pipeline([Part("listen", listener, inbox), Part("stt", stage)], clock)
    ends: list[float] = []
    found: list[dict[int, Transcript]] = [{} for _ in turns]

    def keep(transcript: Transcript) -> None:
        number, at = divmod(ends[-1], APART_S) if ends else (0.0, 0.0)
        boundary = turns[int(number)].boundary(at)
        if boundary is not None and transcript.paused:  # a partial one is of the next phrase already
            found[int(number)][boundary] = transcript

    pipeline.observe(Utterance, lambda message: ends.append(message.speech_ended_at))
    pipeline.observe(Transcript, keep)
    pipeline.load()
    stage.load_words(wait=True)
    for number, turn in enumerate(turns):
        for frame in _frames(turn.samples, number * APART_S):
            inbox.put(frame)
            pipeline.drain()
    pipeline.close()
    return Understood(found, WORDS_AFTER_S)


def measure(
    name: str,
    config: EndpointConfig,
    sessions: list[list[Spoken]],
    heard: Understood,
    model: TurnModel | None,
) -> Result:
    """Every speaker's session, each with habits of its own."""
    result = Result(name)
    for session in sessions:
        pauses = Pauses()
        for turn, texts in zip(session, heard.texts * ROUNDS, strict=True):
            result.turns.append(listen(turn, texts, Endpointing(config, pauses, model), heard.after_s))
    return result


def listen(turn: Spoken, texts: dict[int, Transcript], endpointing: Endpointing, after_s: float) -> Turn:
    """One turn through the listener, the words `after_s` after the pause was noticed."""
    listener, _ = _listener(endpointing, Rated(turn.ratings))
    result = Turn(len(turn.pauses))
    waiting: deque[tuple[float, Transcript]] = deque()
    for frame in _frames(turn.samples):
        now = frame.captured_at + FRAME_S
        while waiting and waiting[0][0] <= now:
            listener.transcribed(waiting.popleft()[1])
        for message in listener.process(frame):
            if not isinstance(message, Utterance):
                continue
            boundary = turn.boundary(message.speech_ended_at)
            if message.final and boundary == len(turn.pauses):
                result.waits_ms.append((now - message.speech_ended_at) * 1000)
            elif message.final:
                result.cuts += 1
            text = texts.get(-1 if boundary is None else boundary)
            if text is not None and not message.final:
                mine = replace(text, turn=message.turn, revision=message.revision)
                waiting.append((now + after_s, mine))
    return result
