"""Where the time of faster-whisper's short path goes: what stands between the end of 3 s of sound and its text.

With GOMP_SPINCOUNT=8000 in the environment, OpenMP's threads wait as before: they sleep at once in a crowd of threads.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure
from benchmarks.stt_parts.engines import Way, buzz, measure, tokens_said
from core.utils.whisper.faster import FasterWhisper
from core.utils.whisper.short_context import ShortContext, window_frames

SECONDS = 3.0
ROUNDS = 9


def figures(size: str, backend: FasterWhisper) -> list[Figure]:
    """Milliseconds of each part, by itself; the silence's share is what the first and each further token take more."""
    sound, tokens = buzz(SECONDS), tokens_said(SECONDS)
    frames = window_frames(len(sound), ShortContext())
    mel = backend._features(sound, frames)
    short = backend._model.encode(mel)
    long = backend._before_silence(short)
    parts = {
        "mel frames": _part(lambda: backend._features(sound, frames)),
        "encoder": _part(lambda: backend._model.encode(mel)),
        "silence put behind": _part(lambda: backend._before_silence(short)),
        "first token": _part(lambda: _generate(backend, short, 1)),
        f"all {tokens} tokens": _part(lambda: _generate(backend, short, tokens)),
        "first token before silence": _part(lambda: _generate(backend, long, 1)),
        f"all {tokens} tokens before silence": _part(lambda: _generate(backend, long, tokens)),
    }
    ways = [Way(name, call) for name, call in parts.items()]
    measure(ways, ROUNDS)
    name = f"whisper {size}, {SECONDS:g} s, parts"
    found = [Figure(f"{name}: {way.name}", way.ms, "ms", "lower") for way in ways]
    for behind, (first, every) in (("", ways[3:5]), (" before silence", ways[5:7])):
        each = statistics.median(b - a for a, b in zip(first.seconds, every.seconds, strict=True)) / (tokens - 1)
        found.append(Figure(f"{name}: each further token{behind}", 1000 * each, "ms", "lower"))
    return found


def _part(call: Callable[[], Any]) -> Callable[[], int]:
    def counted() -> int:
        call()
        return 1

    return counted


def _generate(backend: FasterWhisper, encoded: Any, tokens: int) -> Any:
    """Greedily, as FasterWhisper.decode_window asks for it."""
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import get_suppressed_tokens

    model = backend._model
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, "transcribe", "en")
    prompt = model.get_prompt(tokenizer, [], without_timestamps=True)
    return model.model.generate(
        encoded,
        [prompt],
        beam_size=1,
        max_length=max(2 * tokens, tokens + len(prompt) - 1),
        return_scores=True,
        return_no_speech_prob=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
    )
