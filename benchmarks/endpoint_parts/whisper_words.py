"""What a real Whisper has understood when a pause is noticed: the live stage behind the live listener.

The stage's clock is the sound's, so its passes while the user speaks come as on a machine that keeps up; no transcript
of the recording is used. The words at 200 ms of silence are those by which a user's pause is judged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.endpoint_parts.recorded import Rated, Spoken, Understood
from core.messages import SAMPLE_RATE_HZ, AudioFrame, Language, Transcript, Utterance
from core.turn_clock import TurnClock
from core.utils.config import Config, EndpointConfig
from core.utils.model_store import ModelStore
from core.utils.vad_compat import load_vad
from stt.endpointing import Endpointing
from stt.listener import FrontEnd, Listener
from stt.voice_activity_detection import VoiceActivityDetection
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber
from tests.fakes import VirtualClock

REAL = "MERLINE_REAL"
"""a folder with further models in it, one folder each"""
CPU_TYPE = "int8"
"""as planned for a CPU"""
FRAME = SAMPLE_RATE_HZ // 50


def models() -> dict[str, Path]:
    """Every Whisper that is here, by its name: the data folder's, and those of the folder that MERLINE_REAL names."""
    store = ModelStore()
    found = {model.name: store.find(model.name) for model in store.catalogue if model.engine == "whisper"}
    here = {name: folder for name, folder in found.items() if folder is not None}
    more = Path(os.environ[REAL]).glob("*whisper-*/model.bin") if REAL in os.environ else ()
    return here | {file.parent.name.removeprefix("faster-"): file.parent for file in sorted(more)}


class RealWords:
    """One loaded model that hears turns, each by itself."""

    def __init__(self, folder: Path, is_complete: Callable[[str, Language], bool], front_end: FrontEnd) -> None:
        self._clock = VirtualClock()
        self._front_end = front_end
        languages: tuple[Language, ...] = ("en",) if folder.name.endswith(".en") else ("en", "fr")
        around = Surroundings(load_vad("auto"), is_complete, clock=self._clock)
        self._stage = WhisperTranscriber(WhisperSettings(str(folder), languages, compute_type=CPU_TYPE), around)
        self._stage.load()

    def hear(self, turns: Sequence[Spoken]) -> Understood:
        """All of them. Nobody is cut off."""
        took: list[float] = []
        texts = [dict(self._at_boundaries(turn, took)) for turn in turns]
        return Understood(texts, float(np.median(took)))

    def close(self) -> None:
        """Give the model back."""
        self._stage.close()

    def _at_boundaries(self, turn: Spoken, took: list[float]) -> Iterator[tuple[int, Transcript]]:
        never = EndpointConfig(complete_ms=50_000, incomplete_ms=50_000, open_ms=50_000, learn=False)
        detection = VoiceActivityDetection(Config().vad, Rated(turn.ratings))
        listener = Listener(detection, Endpointing(never), self._front_end, TurnClock())
        for start in range(0, len(turn.samples) - FRAME + 1, FRAME):
            self._clock.advance(FRAME / SAMPLE_RATE_HZ)
            frame = AudioFrame(turn.samples[start : start + FRAME], SAMPLE_RATE_HZ, start / SAMPLE_RATE_HZ)
            for message in listener.process(frame):
                began = time.perf_counter()
                answers = list(self._stage.process(message))
                if isinstance(message, Utterance):
                    took.append(time.perf_counter() - began)
                    boundary = turn.boundary(message.speech_ended_at)
                    yield from ((boundary, text) for text in answers if boundary is not None)
