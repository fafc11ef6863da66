"""Published Whisper weights, where they are here: what the short window costs in words and saves in time, what
streaming costs in words, whether French is heard as such, and what is heard where nobody speaks. One:
`python3 -m benchmarks.stt_real --only streaming`.

The recordings are those on which the short path's constants were chosen; what is held out says so. MERLINE_REAL names
the folder of tools/real_models.py (default build/real); needs sox, flite, espeak-ng and the recordings.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.corpora.speech import ASSETS
from benchmarks.figures import Figure
from benchmarks.stt_parts import real_language, real_silence, real_streaming, real_words
from core.optimization.torch_settings import prepare_environment

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("MERLINE_REAL", ROOT / "build" / "real"))
MODELS = ("faster-whisper-tiny.en", "faster-whisper-base")
PARTS = (*real_words.SETS, "time", "streaming", "language", "nothing said")
PROGRAMS = ("sox", "flite", "espeak-ng")


def run() -> list[Figure]:
    """Measure; about ten minutes on two cores."""
    return list(measured(PARTS, MODELS))


def measured(only: Sequence[str], models: Sequence[str]) -> Iterator[Figure]:
    """The figures of some of PARTS."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    missing += [] if find_spec("faster_whisper") else ["faster-whisper"]
    missing += [] if ASSETS.is_dir() else [str(ASSETS)]
    if missing:
        logger.warning("bench stt_real: skipped, needs %s", " and ".join(missing))
        return
    for name in models:
        if not (REAL / name).is_dir():
            logger.warning("bench stt_real: no %s (tools/real_models.py fetches it)", REAL / name)
            continue
        short = name.removeprefix("faster-whisper-")
        yield from real_words.figures(short, REAL / name, only)
        if "time" in only:
            yield from real_words.time_figures(short, REAL / name)
        if "streaming" in only:
            yield from real_streaming.figures(short, REAL / name)
        if "language" in only:
            yield from real_language.figures(short, REAL / name)
        if "nothing said" in only:
            yield from real_silence.figures(short, REAL / name)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, help="whose weights")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    prepare_environment(None, os.environ)  # as main.py does, for both sides
    for figure in measured(arguments.only, arguments.models):
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
