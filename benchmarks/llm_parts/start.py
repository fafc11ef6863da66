"""How long a start takes, and how much memory loading takes, each in a process of its own.

`python3 -m benchmarks.llm_parts.start PRECISION PACKED_FOLDER|-` is one such process. Imports are not counted. The file
lies in the system's memory already, as after any earlier start that day: a disk's own speed is not in the figure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.llm_parts.engines import PRECISIONS, THREADS
from benchmarks.llm_parts.qwen import kept_folder, prompt_tokens, qwen_folder

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
START_TARGET_S = 2.0
PEAK_TARGET = 1.25
PROMPT_TOKENS = 8
LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Started:
    """One process."""

    load_s: float
    first_token_s: float
    """after loading: whatever was put off until then is in it"""
    model_bytes: int
    peak_bytes: int
    """resident above what was before loading, at most"""


def figures() -> Iterator[Figure]:
    """Starts from packed weights, and the peak of loading in every precision from the checkpoint."""
    folder = qwen_folder()
    packed = kept_folder("packed")
    for precision in ("int4", "int8"):
        of_process(folder, precision, packed)
        starts = [of_process(folder, precision, packed) for _ in range(ROUNDS)]
        best = min(starts, key=lambda one: one.load_s + one.first_token_s)
        name = f"start of {precision} from packed weights"
        target = START_TARGET_S if precision == "int4" else None
        yield Figure(f"{name}: loaded", best.load_s, "s", "lower")
        yield Figure(f"{name}: first token", best.load_s + best.first_token_s, "s", "lower", target)
        yield from _peak(f"{precision}, packed before", best)
    for precision in PRECISIONS:
        yield from _peak(precision, of_process(folder, precision, None))


def _peak(name: str, started: Started) -> Iterator[Figure]:
    size = started.model_bytes
    yield Figure(
        f"loading {name}: peak / size", started.peak_bytes / size, "x", "lower", PEAK_TARGET, round(size / 1e6)
    )


def of_process(folder: Path, precision: str, packed: Path | None) -> Started:
    """Start one and let it tell."""
    command = [sys.executable, "-m", "benchmarks.llm_parts.start", str(folder), precision, str(packed or "-")]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S)
    return Started(**json.loads(done.stdout.splitlines()[-1]))


def measured(folder: Path, precision: Any, packed: Path | None) -> Started:
    """Of this process, which should have done nothing else."""
    import torch

    from core.models.generation import generate_step
    from core.models.loading import LoadOptions, load_model
    from core.optimization.process_memory import peak_resident_bytes, reset_peak, resident_bytes

    if precision in ("int8", "int4"):
        import numba  # noqa: F401 - an import, and so not counted
    torch.set_num_threads(THREADS)
    reset_peak()
    before, began = resident_bytes(), time.perf_counter()
    model = load_model(folder, LoadOptions(precision=precision, packed_cache=packed))[0]
    load_s = time.perf_counter() - began
    peak = peak_resident_bytes() - before
    began = time.perf_counter()
    next(generate_step(prompt_tokens(PROMPT_TOKENS), model, max_tokens=1))
    return Started(load_s, time.perf_counter() - began, _bytes_of(model), peak)


def _bytes_of(model: Any) -> int:
    """Every tensor once."""
    tensors = {one.data_ptr(): one for one in (*model.parameters(), *model.buffers())}
    return sum(one.numel() * one.element_size() for one in tensors.values())


if __name__ == "__main__":
    kept = None if sys.argv[3] == "-" else Path(sys.argv[3])
    print(json.dumps(asdict(measured(Path(sys.argv[1]), sys.argv[2], kept))))
