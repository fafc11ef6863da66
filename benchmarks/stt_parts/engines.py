"""Whisper's ways to a text, side by side on the same weights: ours and the engines' own, each made to give as many
tokens. Way and engine share one loaded model: two copies would push each other out of the processor's cache.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.whisper.backend import Backend, LoadRequest
from core.utils.whisper.faster import FasterWhisper
from core.utils.whisper.faster_loader import in_passing_thread
from core.utils.whisper.openai import OpenAIWhisper
from core.utils.whisper_compat import ShortContext, WhisperModel

if TYPE_CHECKING:
    import faster_whisper
    from whisper.model import Whisper

    from benchmarks.whisper.shapes import Checkpoints

THREADS = 2
UNGUARDED = ShortContext(limits=None)
"""noise would never pass the guard"""
TUNED = {"beam_size": 1, "without_timestamps": True, "condition_on_previous_text": False}
_WORDS_PER_S, _TOKENS_PER_WORD, _TOKENS_MORE = 2.5, 1.3, 2
"""150 words a minute; a full stop, the end"""
_PROMPT = 3
"""tokens that open a text with timestamps: start, language, task"""


def tokens_said(seconds: float) -> int:
    """Whisper's tokens for so much speech: 12 for 3 s."""
    return round(seconds * _WORDS_PER_S * _TOKENS_PER_WORD) + _TOKENS_MORE


@dataclass(slots=True)
class Way:
    """One way to the text, and how long it took each time."""

    name: str
    call: Callable[[], int]
    """gives the number of tokens"""
    seconds: list[float] = field(default_factory=list)
    tokens: int = 0

    @property
    def ms(self) -> float:
        return round(1000 * statistics.median(self.seconds), 1)


def measure(ways: Sequence[Way], rounds: int) -> None:
    """Call all in turn, `rounds` times, after one call each that does not count.

    Ways of one engine only: the threads of another spin for a while after its call and take the next one's cores.
    """
    for counted in range(-1, rounds):
        for way in ways:
            began = time.perf_counter()
            way.tokens = way.call()
            if counted >= 0:
                way.seconds.append(time.perf_counter() - began)


def ratio(mine: Way, other: Way) -> float:
    """The median of the ratios of calls that followed upon each other: other programs disturb both alike."""
    return statistics.median(a / b for a, b in zip(mine.seconds, other.seconds, strict=True))


class AtHand:
    """A BackendLoader that gives a backend which is loaded already."""

    def __init__(self, backend: Backend) -> None:
        self.name = backend.name
        self._backend = backend

    def missing(self) -> str | None:
        return None

    def find(self, model: str) -> Path | None:
        return Path(model)

    def names(self) -> tuple[str, ...]:
        return ()

    def load(self, path: Path, request: LoadRequest) -> Backend:
        return self._backend


def wrapped(backend: Backend) -> WhisperModel:
    """The project's model around it."""
    return WhisperModel("at hand", loaders=(AtHand(backend),))


@dataclass(frozen=True, slots=True)
class Engines:
    """Both engines with one model's weights, on a CPU."""

    faster: faster_whisper.WhisperModel
    openai: Whisper

    def backends(self) -> tuple[Backend, Backend]:
        """The project's around them, both in the number type that is planned for a CPU."""
        openai = OpenAIWhisper(self.openai, LoadRequest("at hand", "cpu", "int8"))
        openai.load()
        return FasterWhisper(self.faster), openai

    def faster_ways(self, sound: Samples, tokens: int) -> tuple[Way, Way, Way]:
        """Short, the default settings, and tuned ones."""
        return (
            short_way("short", self.backends()[0], sound, tokens),
            Way("faster-whisper's default", faster_own(self.faster, sound, tokens)),
            Way("faster-whisper tuned", faster_own(self.faster, sound, tokens, **TUNED)),
        )

    def openai_ways(self, sound: Samples, tokens: int) -> tuple[Way, Way]:
        """Short, and the default settings."""
        return (
            short_way("openai-whisper short", self.backends()[1], sound, tokens),
            Way("openai-whisper's default", openai_own(self.openai, sound, tokens)),
        )


def load_engines(checkpoints: Checkpoints) -> Engines:
    """Both, with 2 threads each."""
    return Engines(load_faster(checkpoints.ctranslate2), load_openai(checkpoints.openai))


def load_faster(folder: Path) -> faster_whisper.WhisperModel:
    """faster-whisper in int8, loaded as Merline does, for all sides."""
    import faster_whisper

    return in_passing_thread(
        lambda: faster_whisper.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=THREADS)
    )


def load_openai(file: Path) -> Whisper:
    """openai-whisper in float32; the threads are torch's, of all models."""
    import torch
    import whisper

    torch.set_num_threads(THREADS)
    return whisper.load_model(str(file), device="cpu")


def short_way(name: str, backend: Backend, sound: Samples, tokens: int) -> Way:
    """What the assistant does when the user has paused, without the guard."""
    model = wrapped(backend)
    return Way(name, lambda: len(model.transcribe_short(sound, "en", tokens, UNGUARDED).tokens))


def faster_own(model: faster_whisper.WhisperModel, sound: Samples, tokens: int, **settings: Any) -> Callable[[], int]:
    """faster-whisper as it is; CTranslate2 gives half of prompt and `max_new_tokens` together."""
    prompt = _PROMPT + 1 if settings.get("without_timestamps") else _PROMPT

    def call() -> int:
        segments, _ = model.transcribe(
            sound, language="en", temperature=0.0, max_new_tokens=2 * tokens - prompt, **settings
        )
        return sum(len(segment.tokens) for segment in segments)

    return call


def openai_own(model: Whisper, sound: Samples, tokens: int, fp16: bool = False) -> Callable[[], int]:
    """openai-whisper as it is: greedy, with timestamps."""

    def call() -> int:
        result = model.transcribe(sound, language="en", temperature=0.0, sample_len=tokens, fp16=fp16)
        return sum(len(segment["tokens"]) for segment in result["segments"])

    return call


def buzz(seconds: float) -> Samples:
    """[n] of a buzz in syllables, with noise, float32 at 16 kHz."""
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tone = 0.2 * np.sin(2 * np.pi * 150 * t) * (np.sin(2 * np.pi * 3 * t) > 0)
    noise = np.random.default_rng(1).normal(0.0, 0.01, len(t))
    return (tone + noise).astype(np.float32)
