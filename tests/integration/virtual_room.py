"""A room on a virtual clock: what the speaker emits comes back into the microphone, and somebody else may speak in it.

Speaker, microphone, front end, voice activity, interruptions and listener are the real ones, with the echo canceller;
only the devices and the clock are not. As fast as the machine computes, and the same every time.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from audio.front_end import FrontEnd
from audio.resampling import Resampler
from audio.system import AudioSystem
from core.messages import (
    SAMPLE_RATE_HZ,
    AudioFrame,
    Interjection,
    InterjectionHeard,
    Samples,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
    VoiceOnset,
    VoiceRejected,
)
from core.turn_clock import TurnClock
from core.utils.config import Config
from core.utils.vad_compat import load_vad
from core.utils.voice import VoiceSettings
from stt.endpointing import Endpointing
from stt.interruptions import Interruptions
from stt.listener import Listener
from stt.voice_activity_detection import VoiceActivityDetection
from tests.audio.fake_backend import FakeBackend, FakeClock
from tests.integration.room import BLOCK, RATE_HZ, EchoPath, EchoSettings

BLOCK_S = 0.02
BLOCKS = round(BLOCK_S * RATE_HZ) // BLOCK
CAPTURED = round(BLOCK_S * SAMPLE_RATE_HZ)
QUEUED_S = 0.08
"""how much the player keeps ahead of the speaker"""
LATENCY_S = 0.03
"""how long before it sounds the device asks for a block"""
HEARD_AFTER_S = 0.15
"""how long a recogniser takes for the words of a voice over the reply"""

Kind = Literal["held", "resumed", "turn"]


@dataclass(frozen=True, slots=True)
class Noticed:
    """What the listener made of a sound: a voice, for which the reply was held, none after all, or a turn."""

    at: float
    """seconds since the room was entered"""
    kind: Kind
    replying: bool
    """whether a reply was under way"""


class Recogniser(Protocol):
    """The stage that hears, loaded."""

    def process(self, message: Any) -> Iterator[Any]: ...


class VirtualRoom:
    """One conversation in one room; `close` it. Without a `recogniser` it understands who was let speak, by script."""

    def __init__(self, echo: EchoSettings, config: Config | None = None, recogniser: Recogniser | None = None) -> None:
        config = config or Config()
        self._clock = FakeClock()
        self._began = self._clock.at
        self._backend = FakeBackend()
        self._sound = AudioSystem(config.audio, self._clock, lambda event: None, VoiceSettings(), self._backend)
        self.front_end = FrontEnd(config.echo, self._sound.speaker.far_end)
        self.front_end.load()
        detection = VoiceActivityDetection(config.vad, load_vad(config.vad.engine))
        self._interruptions = Interruptions(detection, lambda: self.replying)
        self._listener = Listener(self._interruptions, Endpointing(config.endpoint), self.front_end, TurnClock())
        self._sound.open()
        assert self._sound.speaker.sample_rate_hz == RATE_HZ
        self._air = EchoPath(echo)
        self._to_microphone = Resampler(SAMPLE_RATE_HZ)
        self._captured: Samples = np.zeros(0, np.float32)
        self._reply: Samples = np.zeros(0, np.float32)
        self._user: Samples = np.zeros(0, np.float32)
        self._words = ""
        self._recogniser = recogniser
        self._told: list[tuple[float, InterjectionHeard]] = []
        """what the recogniser will have said at a time"""
        self._unplayed = self._uncaptured = 0
        """blocks that the card is about to lose"""
        self.replying = False
        self.headphones = False
        """nothing of what is played comes back to the microphone"""
        self.noticed: list[Noticed] = []
        self.answered: list[str] = []
        """the words of each turn that had any"""
        self.emitted: list[Samples] = []
        """blocks of 20 ms that left the speaker"""

    @property
    def now(self) -> float:
        """Seconds since the room was entered."""
        return self._clock.at - self._began

    def reply(self, samples: Samples) -> None:
        """The assistant begins to say this [n] at 48 kHz, and nobody else anything."""
        self._reply, self.replying, self._words = samples, True, ""

    def speak(self, samples: Samples, words: str) -> None:
        """Somebody says this [n] at 48 kHz, now."""
        self._user, self._words = samples, words

    def shift_echo(self, seconds: float) -> None:
        """The echo comes so much later, or sooner, than before, from now on."""
        self._air.shift(seconds)

    def lose(self, played_s: float = 0.0, captured_s: float = 0.0) -> None:
        """The card loses the next so much of what it should play or capture."""
        self._unplayed, self._uncaptured = round(played_s / BLOCK_S), round(captured_s / BLOCK_S)

    def end_reply(self) -> None:
        """The assistant falls silent."""
        self._reply, self.replying = self._reply[:0], False
        self._sound.speaker.stop()
        self._sound.speaker.hold(False)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / BLOCK_S)):
            self._pass()

    def run_until_silent(self, most_s: float = 30.0) -> None:
        """Until the reply is over."""
        ends = self.now + most_s
        while self.replying and self.now < ends:
            self._pass()

    def close(self) -> None:
        self._listener.close()
        self._sound.close()

    def _pass(self) -> None:
        self._clock.at += BLOCK_S
        self._fill()
        while self._told and self._told[0][0] <= self.now:
            self._interruptions.understood(self._told.pop(0)[1])
        speaker = next(stream for stream in reversed(self._backend.outputs) if stream.active)
        block = speaker.play(ahead_s=LATENCY_S)
        self.emitted.append(block.copy())
        played = np.zeros_like(block) if self.headphones or self._unplayed > 0 else block
        heard = np.concatenate([self._air.process(part) for part in np.split(played, BLOCKS)])
        said, self._user = self._user[: len(heard)], self._user[len(heard) :]
        heard[: len(said)] += said
        self._captured = np.concatenate([self._captured, self._to_microphone.process(heard, RATE_HZ)])
        if self._uncaptured > 0:
            self._captured = self._captured[:0]
        self._unplayed, self._uncaptured = max(0, self._unplayed - 1), max(0, self._uncaptured - 1)
        microphone = next(stream for stream in reversed(self._backend.inputs) if stream.active)
        while len(self._captured) >= CAPTURED:
            microphone.capture(np.clip(self._captured[:CAPTURED], -1, 1), ago_s=BLOCK_S)
            self._captured = self._captured[CAPTURED:]
        for frame in self._frames():
            for message in self._listener.process(frame):
                self._answer(message)

    def _fill(self) -> None:
        """As the player does, and whether the reply is over."""
        speaker = self._sound.speaker
        while len(self._reply) and speaker.queued < QUEUED_S * RATE_HZ:
            speaker.write(self._reply[: 2 * BLOCK])
            self._reply = self._reply[2 * BLOCK :]
        if self.replying and not len(self._reply) and not speaker.queued:
            self.replying = False
            speaker.pause()

    def _frames(self) -> list[AudioFrame]:
        frames = []
        while True:
            try:
                frames.append(self._sound.microphone.get(False))
            except queue.Empty:
                return frames

    def _answer(self, message: object) -> None:
        if self._recogniser is not None and isinstance(message, Interjection | SpeechStarted | SpeechChunk | Utterance):
            for words in self._recogniser.process(message):
                self._understand(words)
        match message:
            case VoiceOnset():
                self._notice("held")
                self._sound.speaker.hold(True)
            case VoiceRejected():
                self._notice("resumed")
                self._sound.speaker.hold(False)
            case Interjection(number) if self._recogniser is None:
                self._interruptions.understood(InterjectionHeard(number, self._words, "en"))
            case SpeechStarted():
                self._notice("turn")
                self.end_reply()

    def _understand(self, words: object) -> None:
        match words:
            case InterjectionHeard():
                self._told.append((self.now + HEARD_AFTER_S, words))
            case Transcript():
                self._listener.transcribed(words)
                if words.final and words.text:
                    self.answered.append(words.text)

    def _notice(self, kind: Kind) -> None:
        self.noticed.append(Noticed(self.now, kind, self.replying))
