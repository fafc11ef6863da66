"""The wiring: every stage gets what it needs from the others through its constructor, here and nowhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audio.front_end import FrontEnd
from audio.player import Output, Player
from core.app.announcer import Announcer
from core.app.attending import follow, make_attention
from core.app.brain import Brain
from core.app.coming_back import ComingBack
from core.app.echo_turns import EchoTurns
from core.app.echo_words import EchoNews
from core.app.first_sound import FirstSound
from core.app.floor import Floor
from core.app.speaking import SpeakingParts, make_engine
from core.app.speculation import Speculation
from core.app.spoken import SpokenText
from core.app.ticker import Ticker
from core.app.turn_taking import make_endpointing
from core.app.working import WorkingTone
from core.messages import (
    Announcement,
    Attending,
    DeviceEvent,
    Heard,
    Interjection,
    InterjectionHeard,
    SpeechStarted,
    Transcript,
    VoiceOnset,
    VoiceRejected,
    Working,
)
from core.optimization.plan import StagePlan
from core.optimization.profiler import InferenceProfiler
from core.pipeline import Part, Pipeline
from core.stage import Inbox, Stage
from core.turn_clock import TurnClock
from core.turns import TurnRecord, TurnRecorder
from core.utils.clock import Clock
from core.utils.config import Config
from core.utils.vad_compat import VadEngine, load_vad
from stt.interruptions import Interruptions
from stt.listener import Listener
from stt.voice_activity_detection import VoiceActivityDetection
from tts.normalise.speakable import rules

TICK_S = 0.2
"""how often due timers are looked for while a turn is under way, in which the tone may be due"""
REST_TICK_S = 0.5
"""the same while nobody speaks: the most by which a timer rings late"""


@dataclass(frozen=True, slots=True)
class SoundEnds:
    """Where the user's voice comes from and the assistant's goes to: devices, or files."""

    source: Inbox
    output: Output
    front_end: FrontEnd


@dataclass(frozen=True, slots=True)
class Engines:
    """What hears, understands and speaks; fakes in a soak test."""

    vad: VadEngine
    transcriber: Stage
    synthesizer: Stage


@dataclass(frozen=True, slots=True)
class EngineNames:
    """Which engines answer, for people and for `ask --json`."""

    vad: str
    stt: str
    llm: str
    tts: str


class Assistant:
    """All stages joined. `finished(TurnRecord)` is called after each turn."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        ends: SoundEnds,
        brain: Brain,
        finished: Callable[[TurnRecord], None] = lambda record: None,
    ) -> None:
        self.turns = TurnClock()
        self.spoken = SpokenText(clock.monotonic)
        self.floor = Floor(self.turns, clock.monotonic)
        self.echo_turns = EchoTurns()
        self._told: deque[str] = deque()
        self._echo_news = EchoNews(brain.language)
        self._clock = clock
        self._ends = ends
        self._brain = brain
        self.player = Player(ends.output, clock)
        self.profiler = InferenceProfiler(enabled=config.log.trace)
        self.recorder = TurnRecorder(clock.monotonic, finished)
        self.speculation = Speculation(self.turns, self.profiler.span)
        brain.responder.may_prepare = self.speculation.may_prepare
        self._config = config

    def join(self, engines: Engines, announcing: bool = True) -> Pipeline:
        """Join the stages with these engines; returns the pipeline, not yet loaded.

        Without `announcing` only the user's turns are answered, and what is due waits for the next conversation.
        """
        config, brain = self._config, self._brain
        self._transcriber = engines.transcriber
        detection = VoiceActivityDetection(config.vad, engines.vad)
        self.interruptions = Interruptions(
            detection, lambda: self.floor.replying, lambda: self.floor.asks, config.vad.interrupt_ms / 1000
        )
        self.attention = make_attention(config.wake, self._clock) if announcing else None
        self.endpointing = make_endpointing(config, brain)
        self.listener = Listener(self.interruptions, self.endpointing, self._ends.front_end, self.turns, self.attention)
        continuation = self.listener.continuation
        continuation.unheard, self.interruptions.goes_on = self.floor.unheard, continuation.goes_on
        self.timers = brain.timers(self.turns, self.floor.gap)
        self.working = (
            WorkingTone(self._clock.monotonic, lambda: brain.responder.asks_model, brain.memory.lacks)
            if config.tts.working_tone
            else None
        )
        tone = self.working.due if self.working else lambda: None
        self.announcer = Announcer(self.timers, self.turns, self.floor.gap, tone, brain.language)
        self.announcer.dropped = self.floor.free
        first_sound = FirstSound(self._clock)
        parts = [
            Part("listen", self.listener, self._ends.source),
            Part("stt", engines.transcriber),
            Part("llm", brain.responder, yields=first_sound.wait),
            Part("announce", self.announcer, Ticker(self._clock, lambda: REST_TICK_S if self.at_rest else TICK_S)),
            Part("tts", engines.synthesizer),
            Part("play", self.player, waits=True),
        ]
        wanted = [part for part in parts if announcing or part.name != "announce"]
        self.pipeline = Pipeline(wanted, self.turns, self.speculation.span)
        self.pipeline.passed = first_sound.note
        self._connect()
        self._engines = engines
        return self.pipeline

    @property
    def engine_names(self) -> EngineNames:
        """Who answers; final once the pipeline is loaded."""
        engines = self._engines
        return EngineNames(
            vad=engines.vad.name,
            stt=_name(engines.transcriber),
            llm=_name(self._brain.responder),
            tts=_name(engines.synthesizer),
        )

    @property
    def fallback_reason(self) -> str:
        """Why a planned engine is not used, known once the pipeline is loaded; empty when all are."""
        reasons = (getattr(stage, "fallback_reason", "") for stage in (self._transcriber, self._brain.responder))
        return "\n".join(str(reason) for reason in reasons if reason)

    def engines(self, plan: StagePlan | None = None) -> Engines:
        """The configured engines, made but not loaded; `plan` is that of hearing."""
        from tts.synthesizer import Synthesizer

        transcriber = self.hearing(self._config, plan)
        engine = make_engine(self._config, self.speaking_parts)
        synthesizer = Synthesizer(self._config.tts, self._brain.voice, engine)
        return Engines(load_vad(self._config.vad.engine), transcriber, synthesizer)

    @property
    def speaking_parts(self) -> SpeakingParts:
        """What an engine that speaks gets of the rest."""
        return SpeakingParts(self._brain.language, self._brain.memory, self.tell)

    @property
    def synthesizer(self) -> Any:
        """The stage that speaks, whose engine can be exchanged."""
        return self._engines.synthesizer

    def tell(self, text: str) -> None:
        """A line for the user, from any thread."""
        self._told.append(text)

    def news(self) -> list[str]:
        """What the user is to be told of engines and files, and has not been yet."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def echo_news(self) -> list[str]:
        """What keeps the assistant from hearing itself, where that is new; once it listens."""
        return self._echo_news.of(self._ends.front_end.echo.layer)

    def hearing(self, config: Config, plan: StagePlan | None = None) -> Stage:
        """The recogniser that a configuration asks for, made but not loaded."""
        from core.app.hearing import HearingParts, make_transcriber
        from stt.echo_guard import EchoGuard

        parts = HearingParts(
            self._brain.recogniser,
            self._brain.language,
            EchoGuard(self.spoken) if self._config.echo.guard else None,
            self._clock,
            self.profiler.span,
            memory=self._brain.memory,
        )
        return make_transcriber(config, plan, parts)

    def say(self, text: str) -> None:
        """Aloud, in the next gap of the conversation."""
        self.announcer.announce(Announcement(text, self._brain.language, chime=False))

    @property
    def wake_phrase(self) -> str:
        """What to say to it first; empty where nothing needs to be said."""
        return self.attention.phrase if self.attention is not None else ""

    @property
    def at_rest(self) -> bool:
        """Whether nobody speaks, thinks or plays."""
        return self.floor.gap() is not None

    def drop_utterance(self) -> None:
        """What the user is saying is not to be answered; a reply goes on."""
        if self.listener.drop():
            self.floor.free()

    def call(self) -> None:
        """By the key, or by the wake word into a turn: that ends, and what is said next is meant for the assistant."""
        self._end_turn()
        self.player.silence()
        if self.attention is not None:
            self.attention.call(self._clock.monotonic())

    def warm_up(self, wait: bool = False) -> None:
        """Load what is not needed to begin listening: canceller, the recogniser's larger model, how figures are said.

        `wait`: return when that model is loaded, so that what is heard does not depend on how long it took.
        """
        load_words = getattr(self._transcriber, "load_words", None)
        if load_words is not None:
            load_words(wait)
        self._ends.front_end.load()
        rules(self._brain.language)

    def _connect(self) -> None:
        pipeline = self.pipeline
        pipeline.observe(Working, self.player.sound)
        pipeline.observe(VoiceOnset, lambda message: self.player.hold())
        pipeline.observe(Interjection, lambda message: self.player.hold())  # a long laugh is still being weighed
        pipeline.observe(VoiceRejected, lambda message: self.player.resume())
        pipeline.observe(InterjectionHeard, self.interruptions.understood)
        pipeline.observe(SpeechStarted, self._interrupt)
        pipeline.observe(SpeechStarted, ComingBack(self._brain.memory, self._brain.responder.get_ready).speech_started)
        pipeline.observe(Transcript, self.listener.transcribed)
        pipeline.observe(Heard, self._brain.conversation.heard)
        pipeline.observe(Heard, self.timers.heard)
        pipeline.observe(DeviceEvent, self._device_changed)
        if self.attention is not None:
            follow(self.attention, pipeline)
            pipeline.observe(Attending, lambda message: self.call() if message.again else None)
        if self.working is not None:
            self.working.watch(pipeline)
            self._brain.memory.watch(self.working.model_moved)
        self.echo_turns.watch(pipeline)
        self.spoken.watch(pipeline)
        self.floor.watch(pipeline)
        self.recorder.watch(pipeline)
        self.speculation.watch(pipeline)

    def _end_turn(self) -> None:
        self.turns.cancel(self.turns.current)
        self.floor.free()

    def _interrupt(self, message: SpeechStarted) -> None:
        """Barge-in: the turn is open already, so nothing of the old one can be played after this."""
        self.player.silence()
        if message.supersedes is not None:
            self._brain.responder.supersede(message.supersedes)

    def _device_changed(self, event: DeviceEvent) -> None:
        """Half of what the user said is not answered when the microphone is back: it may be another command."""
        if (event.kind, event.state) == ("input", "lost"):
            self.drop_utterance()
        self.announcer.device_changed(event)


def _name(stage: Stage) -> str:
    return str(getattr(stage, "engine_name", type(stage).__name__.lower()))
