"""Half an hour and two hours of dialogue on a virtual clock: nothing grows or is lost, and it never talks to itself.

The listener, voice activity, echo canceller, skills, timers, SQLite, player and pipeline are the real ones; only the
devices, the recogniser and the synthesiser are fakes.
"""

from __future__ import annotations

import gc
import statistics
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from audio.front_end import FrontEnd
from audio.system import AudioSystem
from core.app.assistant import Assistant, Engines, SoundEnds
from core.app.brain import Brain
from core.messages import (
    Interjection,
    InterjectionHeard,
    Mark,
    Samples,
    Sentence,
    Speech,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
)
from core.turns import TurnRecord
from core.utils.config import Config
from core.utils.vad_compat import load_vad
from tests.audio.fake_backend import FakeBackend, FakeStream
from tests.fakes import VirtualClock
from tests.scheduler import Scheduler
from tts.espeak import EspeakEngine

WARM_UP = 1 / 3
WATCHED = 1 / 10
"""of the time, after the warm-up and at the end: resident memory is the median of a look after each turn. A single look
is up to 1.5 MB off, by what the last reply left free between the blocks in use."""
GROWTH = 0.01
"""of resident memory, from the warm-up to the end"""
RATE_HZ = 16_000
BLOCK_S = 0.02
BLOCK = round(BLOCK_S * RATE_HZ)
TURN_S = 12.0
ECHO_GAIN = 0.3
ECHO_DELAY_S = 0.06
LINES = (
    ("what time is it", ":"),
    ("what is twelve times seven", "84"),
    ("add milk to my shopping list", "milk"),
    ("what is on my shopping list", "milk"),
    ("clear my shopping list", "list"),
    ("what can you do", "timers"),
    ("set a timer for one minute", "1 minute"),
    ("how many miles is ten kilometers", "6.2"),
    ("note call the dentist tomorrow", "dentist"),
    ("who is the president", "can't"),
)


class ScriptedTranscriber:
    """Understands the line that the script says is being spoken; everything else is no speech."""

    engine_name = "scripted"

    def __init__(self, script: Script) -> None:
        self._script = script

    def load(self) -> None:
        """Nothing to load."""

    def process(
        self, message: SpeechStarted | SpeechChunk | Interjection | Utterance
    ) -> Iterator[Transcript | InterjectionHeard]:
        if isinstance(message, Interjection):  # the script's speaker never speaks over a reply
            yield InterjectionHeard(message.number, "", "en")
        elif isinstance(message, Utterance):
            text, words = self._script.said_at(message.speech_ended_at), (message.turn, message.revision)
            yield Transcript(*words, text, len(text), "en", message.final, 1.0, bool(text), paused=True)

    def close(self) -> None:
        """Nothing to close."""


class PlainSynthesizer:
    """Speaks with the engine itself, without normalisation: one chunk a sentence."""

    engine_name = "plain"

    def __init__(self) -> None:
        self._engine = EspeakEngine(Config().tts)

    def load(self) -> None:
        self._engine.load()

    def process(self, sentence: Sentence) -> Iterator[Speech]:
        pieces = [piece.samples for piece in self._engine.synthesize(sentence.text or "done", "en", 1.0)]
        half = Mark(sum(map(len, pieces)) // 2, len(sentence.text) // 2)
        yield Speech(
            sentence.turn,
            sentence.revision,
            sentence.index,
            np.concatenate(pieces),
            self._engine.sample_rate_hz,
            (half,),
            ends_sentence=True,
            last=sentence.last,
        )

    def close(self) -> None:
        self._engine.close()


class Script:
    """The user's voice as sound and as words, a line every `TURN_S` seconds."""

    def __init__(self, starts_at: float) -> None:
        import soxr

        engine = EspeakEngine(Config(tts={"voice_en": "en-gb+f3"}).tts)  # type: ignore[arg-type]
        engine.load()
        self._starts_at = starts_at
        self._voices = []
        for text, _ in LINES:
            sound = np.concatenate([piece.samples for piece in engine.synthesize(text, "en", 1.0)])
            self._voices.append(np.asarray(soxr.resample(sound, engine.sample_rate_hz, RATE_HZ), np.float32))
        engine.close()

    def sound(self, at: float, count: int) -> Samples:
        """The user's voice from `at` on, [count] at 16 kHz."""
        turn, offset_s = divmod(at - self._starts_at, TURN_S)
        voice = self._voices[int(turn) % len(LINES)] if turn >= 0 else np.zeros(0, np.float32)
        start = round((offset_s - 1.0) * RATE_HZ)
        block = np.zeros(count, np.float32)
        inside = voice[max(0, start) : max(0, start + count)]
        if len(inside):
            block[max(0, -start) :][: len(inside)] = inside
        return block

    def said_at(self, at: float) -> str:
        """The line whose sound ended within 0.4 s of this time; empty when none did."""
        turn, offset_s = divmod(at - self._starts_at, TURN_S)
        number = int(turn) % len(LINES)
        ended_s = 1.0 + len(self._voices[number]) / RATE_HZ
        return LINES[number][0] if abs(offset_s - ended_s) < 0.4 else ""


class Desk:
    """Microphone and speaker on one desk: the speaker's sound comes back, later and quieter, over a faint noise."""

    def __init__(self, backend: FakeBackend, clock: VirtualClock, script: Script) -> None:
        self._backend = backend
        self._clock = clock
        self._script = script
        self._noise = np.random.default_rng(7).normal(0, 3e-4, 10 * RATE_HZ + 1).astype(np.float32)
        """10 s and a sample, so that no two blocks are alike for long"""
        self._noise_at = 0
        self._air = deque[Samples]()

    def tick(self) -> None:
        """One block out of the speaker and one into the microphone."""
        microphone, speaker = self._stream(self._backend.inputs), self._stream(self._backend.outputs)
        played = speaker.play(ahead_s=0.0)
        self._air.append(played)
        arrived = self._air.popleft() if len(self._air) * BLOCK_S > ECHO_DELAY_S else np.zeros_like(played)
        step = len(played) // BLOCK
        echo = np.add.reduce(arrived.reshape(-1, step), axis=1) * np.float32(ECHO_GAIN / step)
        begins = self._clock.monotonic() - BLOCK_S
        microphone.capture(self._script.sound(begins, BLOCK) + echo + self._hiss(), ago_s=BLOCK_S)

    def _hiss(self) -> Samples:
        self._noise_at = (self._noise_at + BLOCK) % (len(self._noise) - BLOCK)
        return self._noise[self._noise_at : self._noise_at + BLOCK]

    def _stream(self, streams: list[FakeStream]) -> FakeStream:
        return next(stream for stream in reversed(streams) if stream.active)


class Tally:
    """What came of the turns, none of which is kept: the test's own memory must not grow."""

    def __init__(self) -> None:
        self.asked = self.rung = 0
        self.wrong: list[tuple[str, str]] = []

    def note(self, record: TurnRecord) -> None:
        if not record.transcript:
            self.rung += 1
            return
        self.asked += 1
        if dict(LINES)[record.transcript] not in record.reply:
            self.wrong.append((record.transcript, record.reply))


class Vitals:
    """What must not grow, over so many seconds of talk."""

    def __init__(self, scheduler: Scheduler, seconds: float) -> None:
        process = psutil.Process()
        looks = []
        for _ in range(round(seconds / TURN_S)):
            scheduler.run(TURN_S)
            gc.collect()
            looks.append(process.memory_info().rss / 1e6)
        self.resident_mb = statistics.median(looks)
        self.threads = threading.active_count()
        self.files = process.num_fds()


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [pytest.param(30, id="half_an_hour"), pytest.param(120, id="two_hours")])
def test_dialogue_leaves_nothing_behind(tmp_path: Path, minutes: int):
    clock, backend, tally = VirtualClock(), FakeBackend(), Tally()
    config = Config()
    with Brain(config, clock, tmp_path) as brain:
        sound = AudioSystem(config.audio, clock, lambda event: None, brain.voice, backend)
        sound.speaker.wait = lambda timeout: None  # type: ignore[method-assign] # virtual time is moved by the scheduler
        front_end = FrontEnd(config.echo, sound.speaker.far_end)
        ends = SoundEnds(sound.microphone, sound.speaker, front_end)
        assistant = Assistant(config, clock, ends, brain, tally.note)
        script = Script(clock.monotonic())
        pipeline = assistant.join(Engines(load_vad(), ScriptedTranscriber(script), PlainSynthesizer()))
        pipeline.load()
        sound.open()
        assistant.warm_up()
        gc.freeze()  # as talk does
        scheduler = Scheduler(pipeline, clock, Desk(backend, clock, script).tick, seed=1)
        scheduler.run(minutes * 60 * WARM_UP)
        early = Vitals(scheduler, minutes * 60 * WATCHED)
        scheduler.run(minutes * 60 * (1 - WARM_UP - 2 * WATCHED))
        late = Vitals(scheduler, minutes * 60 * WATCHED)
        sizes = pipeline.queue_sizes()
        gc.unfreeze()
        pipeline.close()
        sound.close()
    expected = int(minutes * 60 / TURN_S)
    print(f"{tally.asked} turns, {tally.rung} announcements, {early.resident_mb:.1f} -> {late.resident_mb:.1f} MB")
    assert tally.wrong == []
    assert tally.asked >= expected - 1
    set_early_enough = [
        number
        for number in range(expected)
        if "timer for one minute" in LINES[number % len(LINES)][0] and (number + 1) * TURN_S + 65 < minutes * 60
    ]
    assert tally.rung == len(set_early_enough)
    assert late.resident_mb < (1 + GROWTH) * early.resident_mb
    assert assistant.speculation.account.ratio <= 1.5
    assert late.threads == early.threads
    assert late.files <= early.files
    assert all(size <= 1 for size in sizes.values()), sizes
