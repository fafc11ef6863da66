"""The whole assistant on a virtual clock: only the devices, the recogniser and the voice are fakes.

The user's words are sound: every text is spoken at a loudness of its own, so the recogniser understands exactly the
sound that reached it, and lost sound is lost words.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.app.assistant import Assistant, Engines, SoundEnds
from core.app.brain import Brain
from core.app.turn_keeping import TurnKeeping
from core.messages import (
    AudioFrame,
    Interjection,
    InterjectionHeard,
    Language,
    Mark,
    Samples,
    Sentence,
    Speech,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.turns import TurnRecord
from core.utils.config import Config, LogConfig
from core.utils.errors import InferenceError
from llm.responder import Responder
from tests.llm.skill_rig import SATURDAY, ZoneClock, recogniser
from tests.scheduler import Scheduler

RATE_HZ = 16_000
TICK_S = 0.032
FRAME = 512
SECONDS_A_CHARACTER = 0.05
NOISE = 0.05
FIRST_LEVEL, STEP = 0.2, 0.002


class LoudnessEngine:
    """A voice is whatever is louder than `NOISE`."""

    name = "loudness"
    chunk_samples = FRAME

    def probability(self, samples: NDArray[np.float32]) -> float:
        return float(np.abs(samples).max() > NOISE)

    def reset(self) -> None:
        """It remembers nothing."""


@dataclass(frozen=True)
class Heard:
    samples: Samples
    captured_at: float
    far_end_active: bool
    echo_moved: bool = False


class OpenAir:
    """A front end that changes nothing: headphones."""

    def process(self, frame: AudioFrame) -> Heard:
        return Heard(frame.samples, frame.captured_at, False)

    def load(self) -> None:
        """Nothing to load."""


class Microphone:
    """Gives a frame a tick: what the user says, else silence."""

    def __init__(self, clock: ZoneClock) -> None:
        self._clock = clock
        self._frames: deque[AudioFrame] = deque()
        self._levels: deque[float] = deque()
        self.rate_hz = RATE_HZ
        self.plugged = True

    @property
    def speaking(self) -> bool:
        return bool(self._levels)

    def speak(self, level: float, seconds: float) -> None:
        self._levels.extend([level] * max(1, round(seconds / TICK_S)))

    def tick(self) -> None:
        level = self._levels.popleft() if self._levels else 0.0
        if self.plugged:
            self._frames.append(AudioFrame(np.full(FRAME, level, np.float32), self.rate_hz, self._clock.monotonic()))

    def get(self, block: bool = True, timeout: float | None = None) -> AudioFrame:
        if not self._frames:
            raise queue.Empty
        return self._frames.popleft()


class Speaker:
    """Plays `TICK_S` of what is queued a tick; remembers all that was heard and whether it is held."""

    sample_rate_hz = RATE_HZ

    def __init__(self, clock: ZoneClock) -> None:
        self._clock = clock
        self._queue: deque[Samples] = deque()
        self._played = 0
        self._plays = False
        self._past: list[Samples] = []
        self.sounded_s = 0.0
        """of all that left it, what was said again counted again"""
        self.held = False
        self.audible_s = 0.0
        self.plugged = True

    @property
    def queued(self) -> int:
        return sum(map(len, self._queue))

    @property
    def position(self) -> int:
        return self._played + self.queued

    @property
    def audible(self) -> bool:
        """Whether something was heard in the last tick."""
        return self._plays

    def write(self, samples: Samples) -> int:
        at = self.position
        self._queue.append(samples)
        return at

    def pause(self) -> None:
        """What is queued is played whatever comes."""

    def stop(self) -> None:
        self._queue.clear()
        self._past.clear()

    def wait(self, timeout: float) -> None:
        """Time is the scheduler's."""

    def hold(self, on: bool) -> None:
        self.held = on

    def rewind(self, position: int) -> None:
        count = self._played - position
        past = np.concatenate([np.zeros(0, np.float32), *self._past])
        if 0 < count <= len(past):
            self._queue.appendleft(past[len(past) - count :])
            self._past = [past[: len(past) - count]]
            self._played = position

    def leaves_at(self, position: int) -> float | None:
        if position >= self._played:
            return None
        return self._clock.monotonic() - (self._played - position) / RATE_HZ

    def tick(self) -> None:
        left, self._plays = FRAME, False
        while self.plugged and not self.held and left and self._queue:
            piece = self._queue.popleft()
            if len(piece) > left:
                self._queue.appendleft(piece[left:])
                piece = piece[:left]
            left -= len(piece)
            self._played += len(piece)
            self._past.append(piece)
            self.sounded_s += len(piece) / RATE_HZ
            self._plays = self._plays or bool(np.abs(piece).max(initial=0.0) > 1e-3)
        self.audible_s += TICK_S if self._plays else 0.0


class Ear:
    """A recogniser that understands each text by its loudness."""

    engine_name = "ear"

    def __init__(self, language: Language) -> None:
        self._language = language
        self._texts: list[str] = []
        self.fail = 0
        """how many final utterances are lost from now on"""
        self.deaf = False
        """says nothing of what is said over a reply"""

    def level_of(self, text: str) -> float:
        if text not in self._texts:
            self._texts.append(text)
        return FIRST_LEVEL + STEP * self._texts.index(text)

    def load(self) -> None:
        """Nothing to load."""

    def process(self, message: Any) -> Iterator[Transcript | InterjectionHeard]:
        if isinstance(message, Interjection) and not self.deaf:
            yield InterjectionHeard(message.number, self.understand(message.samples), self._language)
        if not isinstance(message, Utterance):
            return
        if message.final and self.fail:
            self.fail -= 1
            raise InferenceError("the ear failed")
        text = self.understand(message.samples)
        complete = bool(text) and recogniser().is_complete(text, self._language)
        yield Transcript(
            message.turn,
            message.revision,
            text,
            len(text),
            self._language,
            message.final,
            1.0,
            complete,
            "ear",
            paused=True,
        )

    def understand(self, samples: Samples) -> str:
        loud = samples[samples > NOISE]
        levels = loud[np.sort(np.unique(loud, return_index=True)[1])] if len(loud) else loud
        found = [round((float(level) - FIRST_LEVEL) / STEP) for level in levels]
        return " ".join(self._texts[number] for number in found if 0 <= number < len(self._texts)).strip()

    def close(self) -> None:
        """Nothing to close."""


class Mouth:
    """Speaks every sentence as a tone of a length, with a mark at the end of each word."""

    engine_name = "mouth"

    def __init__(self) -> None:
        self.fail = 0
        self.spoken = self.early = 0
        """sentences, and those of them that the user had not finished waiting for"""
        self.is_early: Callable[[Sentence], bool] = lambda sentence: False

    def load(self) -> None:
        """Nothing to load."""

    def process(self, sentence: Sentence) -> Iterator[Speech]:
        if self.fail:
            self.fail -= 1
            raise InferenceError("the mouth failed")
        self.spoken += 1
        self.early += self.is_early(sentence)
        text, size = sentence.text, round(SECONDS_A_CHARACTER * RATE_HZ)
        ends = [index for index, letter in enumerate(text) if letter == " "] + ([len(text)] if text else [])
        samples = np.full(len(text) * size, 0.1, np.float32)
        marks = tuple(Mark(max(0, end * size - 1), end) for end in ends)
        yield Speech(sentence.turn, sentence.revision, sentence.index, samples, RATE_HZ, marks, True, sentence.last)

    def close(self) -> None:
        """Nothing to close."""


class QuickBrain(Brain):
    """A brain with the one recogniser of all tests, as loading the templates takes longer than a dialogue."""

    def __init__(self, config: Config, clock: ZoneClock, folder: Path, language: Language) -> None:
        super().__init__(config, clock, folder, language)
        self._skills = replace(self._skills, recogniser=recogniser())
        self.responder = Responder(self._skills)


@dataclass(slots=True)
class Outcome:
    """What came of a dialogue."""

    said: list[tuple[str, str]] = field(default_factory=list)
    """(the user's words, what was heard of the reply), the assistant's own announcements with no user's words"""
    turns: int = 0
    held: bool = False
    """the speaker is still held"""
    held_s: float = 0.0
    """how long it was"""
    sounded_s: float = 0.0
    """of what left the speaker, what was said again counted again"""
    overlap_s: float = 0.0
    """how long the assistant spoke while the user did"""
    audible_s: float = 0.0
    failed: list[str] = field(default_factory=list)
    """the stages that lost a turn"""


class Conversation:
    """One dialogue: say, wait, look at what came of it. Use as a context manager."""

    def __init__(
        self,
        folder: Path,
        language: Language = "en",
        seed: int = 1,
        config: Config | None = None,
        start: datetime = SATURDAY,
    ) -> None:
        self.config = config or Config()
        self.clock = ZoneClock(start)
        self.microphone, self.speaker = Microphone(self.clock), Speaker(self.clock)
        self.ear, self.mouth = Ear(language), Mouth()
        self.brain = QuickBrain(self.config, self.clock, folder, language)
        self.records: list[TurnRecord] = []
        self._outcome = Outcome()
        ends = SoundEnds(self.microphone, self.speaker, OpenAir())  # type: ignore[arg-type]
        self._keeping = TurnKeeping(self.config.model_copy(update={"log": LogConfig(turns=False)}), self.clock)
        self.assistant = Assistant(self.config, self.clock, ends, self.brain, self._finished)
        self.pipeline = self.assistant.join(Engines(LoudnessEngine(), self.ear, self.mouth))
        self._keeping.follow(self.assistant)
        self.brain.session.last_wait = self._keeping.last_wait
        self.pipeline.observe(TurnFailed, lambda failed: self._outcome.failed.append(failed.stage))
        self.told: list[Sentence] = []
        self.pipeline.observe(Sentence, self.told.append)
        self.mouth.is_early = self.assistant.turns.is_held
        self._scheduler = Scheduler(self.pipeline, self.clock, self._tick, seed)

    def __enter__(self) -> Conversation:
        self.pipeline.load()
        return self

    def __exit__(self, *unused: object) -> None:
        self.pipeline.close()
        self.brain.store.close()

    def say(self, text: str) -> None:
        """Speak, which takes its time."""
        self.start_saying(text)
        while self.microphone.speaking:
            self.wait(TICK_S)

    def start_saying(self, text: str) -> None:
        """Speak, while other things go on."""
        self.microphone.speak(self.ear.level_of(text), max(0.4, len(text) * SECONDS_A_CHARACTER))

    def noise(self, seconds: float, loudness: float = 0.15) -> None:
        """A sound that is no words."""
        self.microphone.speak(loudness, seconds)
        self.wait(seconds + TICK_S)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._scheduler.run(seconds, TICK_S)

    def until(self, condition: Callable[[], bool], at_most_s: float = 15.0) -> bool:
        """Let time pass until something is so; whether it came to be."""
        for _ in range(round(at_most_s / TICK_S)):
            if condition():
                return True
            self.wait(TICK_S)
        return condition()

    def until_quiet(self, at_most_s: float = 15.0) -> None:
        """Let time pass until a reply has been spoken, or nothing is to come."""
        self.wait(1.0)
        self.until(lambda: self.assistant.floor.gap() is not None and not self.speaker.audible, at_most_s)
        self.wait(0.3)

    def outcome(self) -> Outcome:
        """What has come of it."""
        outcome = self._outcome
        outcome.said = [(exchange.user, exchange.heard) for exchange in self.brain.conversation.exchanges]
        outcome.turns = self.assistant.turns.current
        outcome.held, outcome.sounded_s = self.speaker.held, self.speaker.sounded_s
        outcome.audible_s = self.speaker.audible_s
        return outcome

    def _finished(self, record: TurnRecord) -> None:
        self._keeping.finished(record)
        self.records.append(record)

    def _tick(self) -> None:
        if self.microphone.speaking and self.speaker.audible:
            self._outcome.overlap_s += TICK_S
        self._outcome.held_s += TICK_S if self.speaker.held else 0.0
        self.microphone.tick()
        self.speaker.tick()
