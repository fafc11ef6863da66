"""`transcribe`: what is said in a WAV file of any length, read piece by piece."""

from __future__ import annotations

import argparse
import json
import queue
from collections.abc import Iterator

import numpy as np

from audio.far_end import FarEnd
from audio.front_end import FrontEnd
from audio.wav import Recording, stream_wav
from core.app.brain import Brain
from core.messages import AudioFrame, SpeechStarted, Transcript, Utterance
from core.pipeline import Part, Pipeline
from core.stage import TurnClock
from core.utils.config import Config
from core.utils.vad_compat import load_vad
from stt.endpointing import Endpointing
from stt.listener import Listener
from stt.transcriber import Transcriber
from stt.voice_activity_detection import VoiceActivityDetection

BLOCK = 4096
TRAILING_SILENCE_S = 3.0


class WavInbox:
    """The frames of a WAV file as they are read, then silence, then nothing."""

    def __init__(self, blocks: Iterator[Recording]) -> None:
        self._frames = _frames(blocks)

    def get(self, block: bool = True, timeout: float | None = None) -> AudioFrame:
        """The next frame at once; queue.Empty at the end. Raises AudioFileError."""
        frame = next(self._frames, None)
        if frame is None:
            raise queue.Empty
        return frame


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print what is said, a line an utterance, or all as one JSON object."""
    segments = []
    for segment in _segments(arguments, config):
        segments.append(segment)
        if not arguments.json:
            print(segment["text"], flush=True)
    if arguments.json:
        text = " ".join(str(segment["text"]) for segment in segments)
        print(json.dumps({"text": text, "language": "en", "segments": segments}, ensure_ascii=False))
    return 0


def _segments(arguments: argparse.Namespace, config: Config) -> Iterator[dict[str, object]]:
    blocks = stream_wav(arguments.input, BLOCK)
    with Brain(config) as brain:
        intents = brain.recogniser.intents("en")
    turns = TurnClock()
    detection = VoiceActivityDetection(config.vad, load_vad(config.vad.engine))
    listener = Listener(detection, Endpointing(config.endpoint), FrontEnd(config.echo, FarEnd()), turns)
    transcriber = Transcriber(config.stt, intents, lambda text: False)
    pipeline = Pipeline([Part("listen", listener, WavInbox(blocks)), Part("stt", transcriber)], turns)
    times: dict[int, tuple[float, float]] = {}
    found: list[Transcript] = []
    pipeline.observe(SpeechStarted, lambda message: _began(times, message))
    pipeline.observe(Utterance, lambda message: _ended(times, message))
    pipeline.observe(Transcript, lambda message: found.append(message) if message.final and message.text else None)
    pipeline.load()
    load_words = getattr(transcriber, "load_words", None)
    if load_words is not None:
        load_words()
    try:
        while pipeline.step():
            while found:
                yield _segment(found.pop(0), times)
    finally:
        pipeline.close()


def _began(times: dict[int, tuple[float, float]], started: SpeechStarted) -> None:
    times.setdefault(started.turn, (started.at, started.at))


def _ended(times: dict[int, tuple[float, float]], utterance: Utterance) -> None:
    times[utterance.turn] = (times[utterance.turn][0], utterance.speech_ended_at)


def _segment(transcript: Transcript, times: dict[int, tuple[float, float]]) -> dict[str, object]:
    start, end = times[transcript.turn]
    return {
        "start": round(start, 2),
        "end": round(end, 2),
        "text": transcript.text,
        "confidence": round(transcript.confidence, 4),
        "source": transcript.source,
    }


def _frames(blocks: Iterator[Recording]) -> Iterator[AudioFrame]:
    at, rate_hz = 0.0, 16_000
    for piece in blocks:
        rate_hz = piece.sample_rate_hz
        yield AudioFrame(piece.samples, rate_hz, at)
        at += piece.seconds
    silence = np.zeros(rate_hz // 10, np.float32)
    for number in range(int(TRAILING_SILENCE_S * 10)):
        yield AudioFrame(silence, rate_hz, at + number / 10)
