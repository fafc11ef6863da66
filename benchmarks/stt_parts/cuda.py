"""The end of an utterance of 3 s on an NVIDIA card in float16: ours on both engines, beside the engines as they are.

Random weights, all sides give the same number of tokens. `python3 -m benchmarks.stt_parts.cuda` measures this alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.stt_parts.engines import (
    TUNED,
    Way,
    buzz,
    faster_own,
    measure,
    openai_own,
    ratio,
    short_way,
    tokens_said,
)
from core.utils.errors import DeviceError
from core.utils.whisper.backend import LoadRequest
from core.utils.whisper.faster import FasterWhisper
from core.utils.whisper.faster_loader import FasterWhisperLoader
from core.utils.whisper.openai import OpenAIWhisper

if TYPE_CHECKING:
    from benchmarks.whisper.shapes import Checkpoints

SECONDS = 3.0
ROUNDS = 15


def figures() -> list[Figure]:
    """Half a minute; nothing where torch sees no card."""
    import torch

    from benchmarks.whisper.shapes import BASE, TINY, make_checkpoints

    if not torch.cuda.is_available():
        return []
    found = []
    for size, shape in (("tiny", TINY), ("base", BASE)):
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = make_checkpoints(Path(folder), shape, quantization="float16", timestamps=False)
            found += _of_openai(size, checkpoints) + _of_faster(size, checkpoints)
    return found


def _of_openai(size: str, checkpoints: Checkpoints) -> list[Figure]:
    import whisper

    sound, tokens = buzz(SECONDS), tokens_said(SECONDS)
    backend = OpenAIWhisper(checkpoints.openai, LoadRequest("at hand", "cuda", "float16"))
    backend.load()
    own = whisper.load_model(str(checkpoints.openai), device="cuda")
    short = short_way("openai-whisper short", backend, sound, tokens)
    default = Way("openai-whisper's default", openai_own(own, sound, tokens, fp16=True))
    measure((short, default), ROUNDS)
    return _figures(size, (short, default))


def _of_faster(size: str, checkpoints: Checkpoints) -> list[Figure]:
    sound, tokens = buzz(SECONDS), tokens_said(SECONDS)
    try:
        backend = FasterWhisperLoader().load(checkpoints.ctranslate2, LoadRequest("at hand", "cuda", "float16"))
    except DeviceError as error:
        print(f"faster-whisper is not measured: {error}")
        return []
    assert isinstance(backend, FasterWhisper)
    own = backend._model
    short = short_way("short", backend, sound, tokens)
    default = Way("faster-whisper's default", faster_own(own, sound, tokens))
    tuned = Way("faster-whisper tuned", faster_own(own, sound, tokens, **TUNED))
    measure((short, default, tuned), ROUNDS)
    return _figures(size, (short, default, tuned))


def _figures(size: str, ways: tuple[Way, ...]) -> list[Figure]:
    """Times of all, and the first one's as shares of the others'."""
    name, mine = f"whisper {size} on the card, {SECONDS:g} s", ways[0]
    if len({way.tokens for way in ways}) > 1:
        raise RuntimeError(f"{name}: {', '.join(f'{way.name} gave {way.tokens}' for way in ways)} tokens")
    return [
        *(Figure(f"{name}, {way.name}", way.ms, "ms", "lower") for way in ways),
        *(
            Figure(f"{name}, {mine.name} / {other.name}", ratio(mine, other), "", "lower", None, other.ms)
            for other in ways[1:]
        ),
    ]


if __name__ == "__main__":
    for figure in figures():
        print(figure.line(), flush=True)
