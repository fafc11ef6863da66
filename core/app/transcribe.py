"""`transcribe`: what is said in a WAV file of any length, read piece by piece; as far as it was read if interrupted."""

from __future__ import annotations

import argparse
import math
import queue
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from audio.far_end import FarEnd
from audio.front_end import FrontEnd
from audio.wav import Recording, stream_wav
from core.app.brain import Brain
from core.app.ending import EndingWish
from core.app.hearing import ENGINE, HearingParts, make_transcriber, model_to_load
from core.app.json_text import json_text
from core.app.planning import apply_plan, make_plan
from core.bootstrap import INTERRUPTED
from core.messages import AudioFrame, Language, SpeechStarted, Transcript, Utterance
from core.optimization.plan import StagePlan
from core.optimization.profiler import InferenceProfiler
from core.pipeline import Part, Pipeline
from core.turn_clock import TurnClock
from core.utils.config import Config
from core.utils.vad_compat import load_vad
from stt.endpointing import Endpointing
from stt.listener import Listener
from stt.voice_activity_detection import VoiceActivityDetection

BLOCK = 4096
TRAILING_SILENCE_S = 3.0


class WavInbox:
    """The frames of a WAV file as they are read, until it ends or `stop` says so, then silence, then nothing."""

    def __init__(self, blocks: Iterator[Recording], stop: Callable[[], bool] = lambda: False) -> None:
        self.stopped = False
        """whether more of the file would have been there"""
        self.seconds = 0.0
        """of the recording, as far as it has been read; so are the next three"""
        self.loudest = 0.0
        self.not_numbers = 0
        self.cut_short = False
        self._frames = _frames(self._counted(blocks, stop))

    def get(self, block: bool = True, timeout: float | None = None) -> AudioFrame:
        """The next frame at once; queue.Empty at the end. Raises AudioFileError."""
        frame = next(self._frames, None)
        if frame is None:
            raise queue.Empty
        return frame

    def _counted(self, blocks: Iterator[Recording], stop: Callable[[], bool]) -> Iterator[Recording]:
        for block in blocks:
            if stop():
                self.stopped = True
                return
            self.seconds += block.seconds
            self.loudest = max(self.loudest, float(np.abs(block.samples).max(initial=0.0)))
            self.not_numbers += block.not_numbers
            self.cut_short = block.cut_short
            yield block


@dataclass(frozen=True, slots=True)
class TranscribedSegment:
    """One utterance, as `--json` gives it."""

    start: float
    """s from the recording's beginning"""
    end: float
    text: str
    confidence: float
    source: str
    language: Language
    audio_s: float
    decode_s: float
    """the recogniser's work on it"""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print what is said, a line an utterance, or all as one JSON object."""
    plan = make_plan(config)
    apply_plan(config, plan)
    segments = []
    with EndingWish() as ending:
        transcription = Transcription(config, stream_wav(arguments.input, BLOCK), plan.stt, lambda: ending.asked)
        for segment in transcription.segments():
            segments.append(segment)
            if not arguments.json:
                print(segment.text, flush=True)
    if arguments.json:
        print(json_text(transcription.as_json(segments)))
    else:
        for remark in transcription.remarks(segments):
            print(remark, file=sys.stderr)
        print(f"heard by {transcription.engine}", file=sys.stderr)
    return INTERRUPTED if transcription.interrupted else 0


class Transcription:
    """A recording through listener and recogniser. No look at the words before an utterance has ended: nobody waits.

    `stop` is asked between two blocks: true ends the recording there.
    """

    def __init__(
        self,
        config: Config,
        blocks: Iterator[Recording],
        plan: StagePlan | None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        config = config.model_copy(update={"stt": config.stt.model_copy(update={"partial_ms": 0})})
        self._profiler = InferenceProfiler()
        with Brain(config) as brain:
            self._language: Language = brain.language
            parts = HearingParts(
                brain.recogniser, brain.language, span=self._profiler.span, is_complete=lambda text, language: False
            )
            self._transcriber = make_transcriber(config, plan, parts)
        turns = TurnClock()
        detection = VoiceActivityDetection(config.vad, load_vad(config.vad.engine))
        endpoint = config.endpoint.model_copy(update={"learn": False})
        listener = Listener(detection, Endpointing(endpoint), FrontEnd(config.echo, FarEnd()), turns)
        self._inbox = WavInbox(blocks, stop)
        stages = [Part("listen", listener, self._inbox), Part("stt", self._transcriber)]
        self._pipeline = Pipeline(stages, turns, self._profiler.span)
        self._times: dict[int, tuple[float, float]] = {}
        self._found: list[Transcript] = []
        self._decode_s = 0.0
        self._planned = model_to_load(config, plan.model if plan and plan.engine == ENGINE else None)

    @property
    def fallback_reason(self) -> str:
        """Why the planned engine was not used."""
        return str(getattr(self._transcriber, "fallback_reason", ""))

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before the recording's end."""
        return self._inbox.stopped

    def remarks(self, segments: Sequence[TranscribedSegment]) -> list[str]:
        """What is to be known of the recording and of who listened, once it has been read."""
        inbox, found = self._inbox, []
        if self.fallback_reason:
            found.append(self.fallback_reason)
        if inbox.stopped:
            found.append(f"interrupted: only the first {inbox.seconds:.1f} s of the recording were listened to")
        if inbox.cut_short:
            found.append(f"the file is cut short: the {inbox.seconds:.1f} s that are there were used; copy it again")
        if inbox.not_numbers:
            found.append(
                f"{inbox.not_numbers} values are NaN or infinite and counted as silence or a click; export it again"
            )
        if inbox.stopped and not inbox.seconds:
            return found
        if not segments and not inbox.loudest:
            found.append(f"no speech: all {inbox.seconds:.1f} s are silent; was the right microphone recorded?")
        elif not segments:
            level = 20.0 * math.log10(inbox.loudest)
            found.append(f"no speech was heard in {inbox.seconds:.1f} s; the loudest sample is at {level:.0f} dBFS")
        return found

    @property
    def engine(self) -> str:
        """Who listens, in words: the engine, and its model where it has several. Final once loaded."""
        name = self._engine_name
        return f"{name} with {self._planned}" if name == ENGINE else name

    def segments(self) -> Iterator[TranscribedSegment]:
        """Each utterance as soon as it has been decoded. Raises AudioFileError, ModelError, DeviceError."""
        pipeline = self._pipeline
        pipeline.observe(SpeechStarted, self._began)
        pipeline.observe(Utterance, self._ended)
        pipeline.observe(Transcript, lambda message: self._found.append(message) if message.final else None)
        pipeline.load()
        load_words = getattr(self._transcriber, "load_words", None)
        if load_words is not None:
            load_words(wait=True)
        try:
            while pipeline.step():
                while self._found:
                    segment = self._segment(self._found.pop(0))
                    self._decode_s += segment.decode_s
                    if segment.text:
                        yield segment
        finally:
            pipeline.close()

    def as_json(self, segments: Sequence[TranscribedSegment]) -> dict[str, Any]:
        """Plain values; `language` is that of most of the speech."""
        spoken: dict[Language, float] = dict.fromkeys((self._language, *(one.language for one in segments)), 0.0)
        for segment in segments:
            spoken[segment.language] += segment.audio_s
        engine = self._engine_name
        audio_s = self._inbox.seconds
        return {
            "text": " ".join(segment.text for segment in segments),
            "language": max(spoken, key=lambda language: spoken[language]),
            "engine": engine,
            "model": self._planned if engine == ENGINE else None,
            "audio_s": round(audio_s, 3),
            "decode_s": round(self._decode_s, 4),
            "real_time_factor": round(self._decode_s / audio_s, 4) if audio_s else None,
            "segments": [asdict(segment) for segment in segments],
            "remarks": self.remarks(segments),
        }

    @property
    def _engine_name(self) -> str:
        return str(getattr(self._transcriber, "engine_name", ""))

    def _began(self, started: SpeechStarted) -> None:
        self._times.setdefault(started.turn, (started.at, started.at))

    def _ended(self, utterance: Utterance) -> None:
        self._times[utterance.turn] = (self._times[utterance.turn][0], utterance.speech_ended_at)

    def _segment(self, transcript: Transcript) -> TranscribedSegment:
        start, end = self._times.pop(transcript.turn)
        record = self._profiler.turn_record(transcript.turn)
        return TranscribedSegment(
            round(start, 2),
            round(end, 2),
            transcript.text,
            round(transcript.confidence, 4),
            transcript.source,
            transcript.language,
            round(end - start, 3),
            round(record.seconds("stt"), 4) if record is not None else 0.0,
        )


def _frames(blocks: Iterator[Recording]) -> Iterator[AudioFrame]:
    at, rate_hz = 0.0, 16_000
    for piece in blocks:
        rate_hz = piece.sample_rate_hz
        yield AudioFrame(piece.samples, rate_hz, at)
        at += piece.seconds
    silence = np.zeros(rate_hz // 10, np.float32)
    for number in range(int(TRAILING_SILENCE_S * 10)):
        yield AudioFrame(silence, rate_hz, at + number / 10)
