"""Main memory of a process that holds one Whisper: after loading, and at most while it hears 3 s and 30 s.

Each way has a process of its own; `python3 -m benchmarks.stt_parts.memory WAY MODEL` is one. All libraries count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.stt_parts.engines import (
    THREADS,
    UNGUARDED,
    buzz,
    faster_own,
    load_faster,
    load_openai,
    openai_own,
    tokens_said,
)
from core.messages import Samples
from core.optimization.process_memory import peak_resident_bytes, reset_peak, resident_bytes
from core.utils.whisper_compat import WhisperModel

if TYPE_CHECKING:
    from benchmarks.whisper.shapes import Checkpoints

ROOT = Path(__file__).resolve().parents[2]
HEARD_S = (3.0, 30.0)
LIMIT_S = 120
Hear = Callable[[Samples, int], int]


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes (10^6 bytes) that were resident."""

    loaded: float
    peaks: tuple[float, ...]
    """in the order of HEARD_S"""


def figures(size: str, checkpoints: Checkpoints) -> list[Figure]:
    """Of the project's model over both engines, with the unwrapped engine's as baseline."""
    found: list[Figure] = []
    for engine, path in (("faster-whisper", checkpoints.ctranslate2), ("openai-whisper", checkpoints.openai)):
        mine, own = (of_process(way, path) for way in (engine, f"{engine}-own"))
        name = f"{engine} {size} memory"
        found.append(Figure(f"{name}, loaded", mine.loaded, "MB", "lower", None, own.loaded))
        found += [
            Figure(f"{name}, most, {seconds:g} s short", peak, "MB", "lower", None, other)
            for seconds, peak, other in zip(HEARD_S, mine.peaks, own.peaks, strict=True)
        ]
        found.append(Figure(f"{name}, loaded / unwrapped", mine.loaded / own.loaded, "", "lower"))
        found.append(Figure(f"{name}, most, 3 s / unwrapped", mine.peaks[0] / own.peaks[0], "", "lower"))
    return found


def of_process(way: str, model: Path) -> Memory:
    """Start one and let it tell."""
    command = [sys.executable, "-m", "benchmarks.stt_parts.memory", way, str(model)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S)
    told = json.loads(done.stdout)
    return Memory(told["loaded"], tuple(told["peaks"]))


def measured(way: str, model: str) -> Memory:
    """Of this process, which should have done nothing else."""
    hear = _loaded(way, model)
    loaded = resident_bytes() / 1e6
    peaks = []
    for seconds in HEARD_S:
        # where the system cannot begin anew, the peak is that of all so far
        reset_peak()
        hear(buzz(seconds), tokens_said(seconds))
        peaks.append(peak_resident_bytes() / 1e6)
    return Memory(loaded, tuple(peaks))


def _loaded(way: str, model: str) -> Hear:
    if way == "faster-whisper-own":
        faster = load_faster(Path(model))
        return lambda sound, tokens: faster_own(faster, sound, tokens)()
    if way == "openai-whisper-own":
        openai = load_openai(Path(model))
        return lambda sound, tokens: openai_own(openai, sound, tokens)()
    compute_type = "int8" if way == "faster-whisper" else "float32"
    ours = WhisperModel(model, "cpu", compute_type, THREADS, way)
    return lambda sound, tokens: len(ours.transcribe_short(sound, "en", tokens, UNGUARDED).tokens)


if __name__ == "__main__":
    print(json.dumps(asdict(measured(sys.argv[1], sys.argv[2]))))
