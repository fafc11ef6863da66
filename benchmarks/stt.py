"""Whisper on a CPU: how long the end of a 3 s utterance waits for its text, short path against the engines as they are.

Tiny and base shapes with random weights, 2 threads, at temperature 0; all sides give the same number of tokens. What
random weights hide: that a default setting may decode up to six times over, that real texts end by themselves, and
what the short window does to the words. The guard is off, as noise would never pass it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.figures import Figure
from core.utils.whisper.audio import Samples
from core.utils.whisper.backend import Backend, WindowRequest
from core.utils.whisper.faster import FasterWhisper
from core.utils.whisper.openai import OpenAIWhisper
from core.utils.whisper.short_context import ShortContext, transcribe_window, window_frames

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from whisper.model import Whisper

    from benchmarks.whisper.shapes import Checkpoints, Dimensions

UTTERANCE_S = 3.0
TOKENS = 12
"""a sentence of 3 s at 150 words a minute: 7.5 words of 1.3 tokens, a full stop, the end"""
THREADS = 2
ROUNDS = 7
UNGUARDED = ShortContext(limits=None)
TUNED = {"beam_size": 1, "without_timestamps": True, "condition_on_previous_text": False}
_PROMPT = 3
"""tokens that open a text with timestamps: start, language, task"""


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


def run() -> list[Figure]:
    """Measure; needs the extra full."""
    if any(find_spec(name) is None for name in ("faster_whisper", "whisper", "torch")):
        return []
    from benchmarks.whisper.shapes import BASE, TINY

    figures = []
    for name, size in (("tiny", TINY), ("base", BASE)):
        figures += _of_size(name, size)
    return figures


def _of_size(name: str, size: Dimensions) -> list[Figure]:
    from benchmarks.whisper.shapes import make_checkpoints

    with tempfile.TemporaryDirectory() as folder:
        checkpoints = make_checkpoints(Path(folder), size, quantization="int8", timestamps=False)
        short, default, tuned, openai_short, openai_default = ways = _ways(checkpoints)
        measure((openai_short, openai_default))
        measure((short, default, tuned))
    for way in ways:
        if way.tokens != short.tokens:
            raise RuntimeError(f"{name}: {way.name} gave {way.tokens} tokens and {short.name} {short.tokens}")
    pairs = ((short, default, 0.2), (short, tuned, 0.35), (openai_short, openai_default, 0.35))
    return [
        *(Figure(f"whisper {name}, {way.name}", way.ms, "ms", "lower") for way in ways),
        *(
            Figure(f"whisper {name}, {mine.name} / {other.name}", ratio(mine, other), "", "lower", target, other.ms)
            for mine, other, target in pairs
        ),
    ]


def measure(ways: Sequence[Way], rounds: int = ROUNDS) -> None:
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


def _ways(checkpoints: Checkpoints) -> list[Way]:
    """Short path and engine share one loaded model: two copies would push each other out of the processor's cache."""
    import faster_whisper
    import torch
    import whisper

    torch.set_num_threads(THREADS)
    sound = utterance()
    faster = faster_whisper.WhisperModel(
        str(checkpoints.ctranslate2), device="cpu", compute_type="int8", cpu_threads=THREADS
    )
    openai = whisper.load_model(str(checkpoints.openai), device="cpu")
    return [
        Way("short", _short(FasterWhisper(faster), sound)),
        Way("faster-whisper's default", _faster(faster, sound)),
        Way("faster-whisper tuned", _faster(faster, sound, **TUNED)),
        Way("openai-whisper short", _short(OpenAIWhisper(openai, "cpu", "float32"), sound)),
        Way("openai-whisper's default", _openai(openai, sound)),
    ]


def _short(backend: Backend, sound: Samples) -> Callable[[], int]:
    request = WindowRequest(window_frames(len(sound), UNGUARDED), TOKENS, "en")
    return lambda: len(transcribe_window(backend, sound, request, UNGUARDED).tokens)


def _faster(model: WhisperModel, sound: Samples, **settings: Any) -> Callable[[], int]:
    """faster-whisper as it is; CTranslate2 gives half of prompt and `max_new_tokens` together."""
    prompt = _PROMPT + 1 if settings.get("without_timestamps") else _PROMPT

    def call() -> int:
        segments, _ = model.transcribe(
            sound, language="en", temperature=0.0, max_new_tokens=2 * TOKENS - prompt, **settings
        )
        return sum(len(segment.tokens) for segment in segments)

    return call


def _openai(model: Whisper, sound: Samples) -> Callable[[], int]:
    """openai-whisper as it is: greedy, with timestamps."""

    def call() -> int:
        result = model.transcribe(sound, language="en", temperature=0.0, sample_len=TOKENS, fp16=False)
        return sum(len(segment["tokens"]) for segment in result["segments"])

    return call


def utterance() -> Samples:
    """[48000] of a buzz in syllables, with noise, float32."""
    t = np.arange(int(UTTERANCE_S * 16_000)) / 16_000
    buzz = 0.2 * np.sin(2 * np.pi * 150 * t) * (np.sin(2 * np.pi * 3 * t) > 0)
    noise = np.random.default_rng(1).normal(0.0, 0.01, len(t))
    return (buzz + noise).astype(np.float32)
