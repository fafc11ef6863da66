"""Whisper on a CPU: how long the end of an utterance waits for its text, against the engines as they are; the streaming
stage; memory; the guard.

Tiny and base shapes with random weights, 2 threads, at temperature 0; all sides give the same number of tokens. What
random weights hide: that a default setting may decode up to six times over, that real texts end by themselves, what
the short window does to the words, and that passes over real speech disagree. The guard is timed apart, as noise would
never pass it; how often it interferes `bench stt_speech` tells.
"""

from __future__ import annotations

import logging
import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.stt_parts import guard, lengths, memory, streaming
from benchmarks.stt_parts.engines import load_engines

logger = logging.getLogger(__name__)

BASE_LENGTH = lengths.Length(lengths.TARGET_S, 3)


def run() -> list[Figure]:
    """Measure; needs the extra full. About six minutes on two cores that others use too."""
    figures = guard.figures()
    missing = [name for name in ("faster_whisper", "whisper", "torch") if find_spec(name) is None]
    if missing:
        logger.warning("bench stt: only the guard is measured, as %s missing", " and ".join(missing))
        return figures
    return [*figures, *_tiny(), *_base()]


def _tiny() -> list[Figure]:
    from benchmarks.whisper.shapes import TINY, make_checkpoints

    with tempfile.TemporaryDirectory() as folder:
        checkpoints = make_checkpoints(Path(folder), TINY, quantization="int8", timestamps=False)
        figures = memory.figures("tiny", checkpoints)
        engines = load_engines(checkpoints)
        for length in lengths.LENGTHS:
            figures += lengths.figures("tiny", engines, length)
        for backend in engines.backends():
            figures += streaming.figures("tiny", backend)
    return figures


def _base() -> list[Figure]:
    from benchmarks.whisper.shapes import BASE, make_checkpoints

    with tempfile.TemporaryDirectory() as folder:
        checkpoints = make_checkpoints(Path(folder), BASE, quantization="int8", timestamps=False)
        figures = memory.figures("base", checkpoints)
        return figures + lengths.figures("base", load_engines(checkpoints), BASE_LENGTH)


if __name__ == "__main__":
    for figure in run():
        print(figure.line())
