"""The listen stage: microphone frames in; onsets, opened turns, speech chunks and utterances out.

It alone opens turns for speech, which is what interrupts the reply. Time is the frames' capture time, never the
machine's clock, so files go through it as fast as they can be read.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Generator, Iterator
from typing import Protocol

import numpy as np

from core.messages import (
    SAMPLE_RATE_HZ,
    Attending,
    AudioFrame,
    Interjection,
    Samples,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
    VoiceOnset,
    VoiceRejected,
)
from core.turn_clock import TurnClock
from core.utils.vad_compat import rms
from stt.attention import Attention
from stt.continuation import Continuation
from stt.endpointing import Endpoint, Endpointing, Evidence
from stt.interruptions import Interjected, InterruptionEvent, Interruptions
from stt.speech_under_way import SpeechUnderWay
from stt.voice_activity_detection import (
    Continued,
    Onset,
    Rejected,
    Started,
    VoiceActivityDetection,
    undamaged,
)

logger = logging.getLogger(__name__)

GAP_S = 0.5
"""Input missing for longer than this ends the utterance and clears the detector."""
JUDGED_SILENCE_S = 0.1
"""how much of the pause the model hears; with more of it bench endpoint's phrases sound finished more often"""
SILENT_DBFS = -100.0

ListenerMessage = Attending | VoiceOnset | VoiceRejected | Interjection | SpeechStarted | SpeechChunk | Utterance


class Processed(Protocol):
    """What a front end makes of a frame."""

    @property
    def samples(self) -> Samples:
        """[n] at 16 kHz, without the assistant's own voice; may be empty."""

    @property
    def captured_at(self) -> float:
        """monotonic seconds of the first sample"""

    @property
    def far_end_active(self) -> bool:
        """the assistant was audible while this was captured"""

    @property
    def echo_moved(self) -> bool:
        """the echo was just found to come at another time than was thought: a voice heard just before may be one"""


class FrontEnd(Protocol):
    """Resampling and echo cancellation."""

    def process(self, frame: AudioFrame) -> Processed: ...


class Listener:
    """Front end -> voice activity -> endpointing -> messages of the turn it opened."""

    def __init__(
        self,
        vad: VoiceActivityDetection | Interruptions,
        endpointing: Endpointing,
        front_end: FrontEnd,
        clock: TurnClock,
        attention: Attention | None = None,
    ) -> None:
        self._vad = vad
        self._attention = attention
        self._attends = True
        self._endpointing = endpointing
        self._front_end = front_end
        self._clock = clock
        self._speech: SpeechUnderWay | None = None
        self._next_at: float | None = None
        self._level = SILENT_DBFS
        self._lock = threading.Lock()
        self._understood: Transcript | None = None
        """the words since the provisional utterance"""
        self.continuation = Continuation(clock, endpointing)
        """of the utterance before"""

    @property
    def level(self) -> float:
        """dBFS (root mean square) of the latest sound; -100 for silence."""
        return self._level

    @property
    def speaking(self) -> bool:
        """Whether the user is speaking, pauses within an utterance included."""
        return self._speech is not None

    def load(self) -> None:
        """The wake word, where one is asked for; the detector's engine is loaded by whoever made it."""
        if self._attention is not None:
            self._attention.load()

    def close(self) -> None:
        """Drop the utterance under way, and keep what was learnt of the user's pauses."""
        self._speech = None
        self._endpointing.close()

    def transcribed(self, transcript: Transcript) -> None:
        """The recogniser's latest words; from any thread. They let the turn end earlier or later."""
        with self._lock:
            self._understood = transcript

    def drop(self) -> bool:
        """What the user is saying is not to be answered, now or ever; whether they were speaking. From any thread."""
        speech = self._speech
        if speech is None:
            return False
        speech.dropped = True
        self._clock.cancel(speech.turn)
        return True

    def process(self, message: AudioFrame) -> Iterator[ListenerMessage]:
        """One frame of the microphone."""
        sound = self._front_end.process(message)
        samples = undamaged(sound.samples)
        if len(samples) == 0:
            return
        if self._speech is None:
            self._endpointing.between_turns()
        self._level = max(20.0 * math.log10(max(rms(samples), 1e-9)), SILENT_DBFS)
        if self._next_at is not None and abs(sound.captured_at - self._next_at) > GAP_S:
            logger.debug("input jumped by %.2f s", sound.captured_at - self._next_at)
            yield from self._finish()
            self._vad.reset()
        if sound.echo_moved and self._speech is None:
            self._vad.reset()
        self._next_at = sound.captured_at + len(samples) / SAMPLE_RATE_HZ
        meant = yield from self._look_who_is_meant(samples, self._next_at)
        if not meant:
            return
        for event in self._vad.process(samples, sound.captured_at, sound.far_end_active):
            yield from self._answer(event)

    def _look_who_is_meant(self, samples: Samples, now: float) -> Generator[Attending, None, bool]:
        """Whether this sound is. Who has begun to speak may finish. What was said before the call is nobody's, the wake
        word included, also where none was needed.
        """
        if self._attention is None:
            return True
        attended = self._attends
        called = self._attention.hear(samples, now)
        if called and attended:
            self._speech = None
            self.continuation.forget()
            self._vad.reset()
            yield Attending(True, now, again=True)
            return False
        if not self._vad.idle:
            return attended
        self._attends = called or self._attention.attends(now)
        if self._attends != attended:
            self._vad.reset()
            yield Attending(self._attends, now)
        return attended and self._attends

    def _answer(self, event: InterruptionEvent) -> Iterator[ListenerMessage]:
        match event:
            case Onset(at):
                yield VoiceOnset(at)
            case Rejected(at):
                yield VoiceRejected(at)
            case Interjected(number, samples, far_end):
                yield Interjection(number, samples, far_end)
            case Started():
                yield from self._start(event)
            case Continued():
                yield from self._continue(event)
            case _:
                yield from self._finish()

    def _start(self, event: Started) -> Iterator[ListenerMessage]:
        speech = self._speech = SpeechUnderWay(0, 0, event.at, event.voiced_until, event.far_end)
        supersedes = self.continuation.begin(speech)
        speech.pieces.append(event.samples)
        yield from self._open(supersedes)

    def _open(self, supersedes: int | None = None) -> Iterator[ListenerMessage]:
        """Open a turn for the utterance under way and send all of it that is known."""
        speech = self._speech
        assert speech is not None
        speech.turn, speech.revision, speech.provisional = self._clock.open(), 0, False
        yield SpeechStarted(speech.turn, 0, speech.at, supersedes)
        yield SpeechChunk(speech.turn, 0, np.concatenate(speech.pieces))

    def _continue(self, event: Continued) -> Iterator[ListenerMessage]:
        speech = self._speech
        if speech is None or speech.dropped:
            self._speech = None
            self._vad.end()
            return
        paused_s = event.heard_at - len(event.samples) / SAMPLE_RATE_HZ - speech.voiced_until
        speech.voiced_until = event.voiced_until
        if event.voiced:
            if speech.provisional:
                self._endpointing.learn(paused_s * 1000)
            speech.far_end = speech.far_end or event.far_end
            yield from self._go_on(speech, event.samples)
            return
        if speech.provisional:
            speech.held.append(event.samples)
        else:
            speech.pieces.append(event.samples)
            yield SpeechChunk(speech.turn, speech.revision, event.samples)
        yield from self._pause(speech, event.heard_at)

    def _go_on(self, speech: SpeechUnderWay, samples: Samples) -> Iterator[ListenerMessage]:
        chunk = np.concatenate((*speech.held, samples)) if speech.held else samples
        speech.held.clear()
        speech.pieces.append(chunk)
        if self._clock.is_stale(speech):
            yield from self._open()
            return
        if speech.provisional:
            revision = self._clock.revise(speech.turn)
            if revision is None:
                yield from self._open()
                return
            speech.revision, speech.provisional = revision, False
            logger.debug("turn %d goes on, revision %d", speech.turn, revision)
            yield SpeechStarted(speech.turn, revision, speech.at)
        yield SpeechChunk(speech.turn, speech.revision, chunk)

    def _pause(self, speech: SpeechUnderWay, now: float) -> Iterator[ListenerMessage]:
        silence_s = now - speech.voiced_until
        verdict = self._endpointing.decide(silence_s, self._evidence(speech) if speech.provisional else Evidence())
        if verdict is Endpoint.FINAL:
            logger.debug("turn %d ends after %.0f ms of silence", speech.turn, silence_s * 1000)
            yield from self._finish()
        elif verdict is Endpoint.PROVISIONAL and not speech.provisional:
            speech.provisional = True
            with self._lock:
                self._understood = None
            self._clock.hold(speech.turn, speech.revision)
            utterance = self._utterance(speech, final=False)
            yield utterance
            silent = round(max(0.0, silence_s - JUDGED_SILENCE_S) * SAMPLE_RATE_HZ)
            speech.ended = self._endpointing.by_sound(utterance.samples[: len(utterance.samples) - silent])

    def _finish(self) -> Iterator[ListenerMessage]:
        """End the utterance under way, if any. If another turn took its place meanwhile it becomes a new one."""
        speech, cancelled = self._speech, False
        self._vad.end()
        if speech is None:
            return
        if speech.dropped:
            cancelled = True
        elif self._clock.is_stale(speech):
            cancelled = self._clock.current == speech.turn
            if not cancelled:
                yield from self._open()
        self._speech = None
        self.continuation.end(speech)
        if not cancelled:
            yield self._utterance(speech, final=True)

    def _utterance(self, speech: SpeechUnderWay, final: bool) -> Utterance:
        samples = np.concatenate(speech.pieces)
        return Utterance(speech.turn, speech.revision, samples, final, speech.voiced_until, speech.far_end)

    def _evidence(self, speech: SpeechUnderWay) -> Evidence:
        """What is known about the speech before the pause; words only if they are of this pause."""
        with self._lock:
            heard = self._understood
        if heard is None or (heard.turn, heard.revision) != (speech.turn, speech.revision):
            return Evidence(ended=speech.ended)
        return Evidence(heard.complete, heard.text, heard.language, speech.ended, heard.sentence_end)
