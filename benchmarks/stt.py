"""Whisper on a CPU: how long the end of an utterance waits for its text, against the engines as they are; the streaming
stage; memory; the guard. One thing alone: `python3 -m benchmarks.stt --only "tiny 3 s" "base 3 s"`.

Tiny and base shapes with random weights, 2 threads, at temperature 0; all sides give the same number of tokens. What
random weights hide: that a default setting may decode up to six times over, that real texts end by themselves, what
the short window does to the words, and that passes over real speech disagree: `bench stt_real` has real weights. The
guard is timed apart, as noise would never pass it; how often it interferes `bench stt_speech` tells. Where the time of
the short path goes: `--only "base parts of 3 s"`.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.stt_parts import guard, lengths, memory, parts, streaming
from benchmarks.stt_parts.engines import load_engines
from core.optimization.torch_settings import prepare_environment
from core.utils.whisper.faster import FasterWhisper

if TYPE_CHECKING:
    from benchmarks.whisper.shapes import Checkpoints

logger = logging.getLogger(__name__)

GUARD, MEMORY, SHARES = "guard", "memory", "parts of 3 s"
STREAMED = ("streaming faster-whisper", "streaming openai-whisper")
BASE_LENGTH = lengths.Length(lengths.TARGET_S, 9)
OF_TINY = (MEMORY, SHARES, *(length.name for length in lengths.LENGTHS), *STREAMED)
OF_BASE = (MEMORY, SHARES, BASE_LENGTH.name)
PARTS = (GUARD, *(f"tiny {part}" for part in OF_TINY), *(f"base {part}" for part in OF_BASE))
"""each ends within 100 s on two quiet cores"""
Measure = Callable[[], list[Figure]]


def run() -> list[Figure]:
    """Measure; needs the extra full. About six minutes on two cores that others use too."""
    return list(measured(PARTS))


def measured(only: Sequence[str]) -> Iterator[Figure]:
    """The figures of some of PARTS."""
    if GUARD in only:
        yield from guard.figures()
    missing = [name for name in ("faster_whisper", "whisper", "torch") if find_spec(name) is None]
    if missing:
        logger.warning("bench stt: only the guard is measured, as %s missing", " and ".join(missing))
        return
    for size in ("tiny", "base"):
        wanted = [part.removeprefix(f"{size} ") for part in only if part.startswith(size)]
        if wanted:
            yield from _of_size(size, wanted)


def _of_size(size: str, wanted: Sequence[str]) -> Iterator[Figure]:
    from benchmarks.whisper.shapes import BASE, TINY, make_checkpoints

    with tempfile.TemporaryDirectory() as folder:
        shape = TINY if size == "tiny" else BASE
        checkpoints = make_checkpoints(Path(folder), shape, quantization="int8", timestamps=False)
        if MEMORY in wanted:
            yield from memory.figures(size, checkpoints)
        loaded = _loaded(size, checkpoints) if set(wanted) != {MEMORY} else {}
        for name, measure in loaded.items():
            if name in wanted:
                yield from measure()


def _loaded(size: str, checkpoints: Checkpoints) -> dict[str, Measure]:
    """What is measured on engines in this process, by name."""
    engines = load_engines(checkpoints)
    every = lengths.LENGTHS if size == "tiny" else (BASE_LENGTH,)
    measures: dict[str, Measure] = {
        length.name: lambda length=length: lengths.figures(size, engines, length)  # type: ignore[misc]
        for length in every
    }
    for name, backend in zip(STREAMED, engines.backends(), strict=True):
        measures[name] = lambda backend=backend: streaming.figures(size, backend)  # type: ignore[misc]
    measures[SHARES] = lambda: parts.figures(size, FasterWhisper(engines.faster))
    return measures


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    prepare_environment(None, os.environ)  # as main.py does, for both sides
    for figure in measured(parser.parse_args().only):
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
