"""How long a start takes, and how much memory loading takes, each in a process of its own.

`python3 -m benchmarks.llm_parts.start WHAT FOLDER PRECISION [PACKED_FOLDER]` is one such; WHAT is time or memory.
A start's time is that of loading and of the first token, compiled kernels fetched from the disk included, imports not.
The weights lie in the system's memory already, as after any earlier start that day: a disk's own speed is not in it.
Memory is what loading adds, at most, to a process that has loaded another model before and so has all libraries.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.llm_parts.engines import PRECISIONS, THREADS
from benchmarks.llm_parts.qwen import SHAPE, kept_folder, prompt_tokens, qwen_folder, write_model

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
START_TARGET_S = 2.0
PEAK_TARGET = 1.25
PROMPT_TOKENS = 8
LIMIT_S = 600
MINIATURE = {
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 128,
    "vocab_size": 512,
}


@dataclass(frozen=True, slots=True)
class Started:
    """One process's time."""

    load_s: float
    first_token_s: float
    """after loading: whatever was put off until then is in it"""


@dataclass(frozen=True, slots=True)
class Held:
    """One process's memory."""

    model_bytes: int
    peak_bytes: int
    """resident above what was before loading, at most"""


def figures() -> Iterator[Figure]:
    """Starts from packed weights, and the peak of loading in every precision from the checkpoint."""
    folder, packed = str(qwen_folder()), str(kept_folder("packed"))
    for precision in ("int4", "int8"):
        starts = [Started(**of_process("time", folder, precision, packed)) for _ in range(ROUNDS + 1)][1:]
        best = min(starts, key=lambda one: one.load_s + one.first_token_s)
        name = f"start of {precision} from packed weights"
        target = START_TARGET_S if precision == "int4" else None
        yield Figure(f"{name}: loaded", best.load_s, "s", "lower")
        yield Figure(f"{name}: first token", best.load_s + best.first_token_s, "s", "lower", target)
        yield _peak(f"{precision}, packed before", Held(**of_process("memory", folder, precision, packed)))
    for precision in PRECISIONS:
        yield _peak(precision, Held(**of_process("memory", folder, precision)))


def _peak(name: str, held: Held) -> Figure:
    size = held.model_bytes
    return Figure(f"loading {name}: peak / size", held.peak_bytes / size, "x", "lower", PEAK_TARGET, round(size / 1e6))


def of_process(*arguments: str) -> dict[str, Any]:
    """Start one and let it tell."""
    command = [sys.executable, "-m", "benchmarks.llm_parts.start", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def time_of(folder: Path, options: Any) -> Started:
    """Of this process, which should have done nothing else."""
    from core.models.generation import generate_step
    from core.models.loading import load_model

    began = time.perf_counter()
    model = load_model(folder, options)[0]
    load_s = time.perf_counter() - began
    began = time.perf_counter()
    next(generate_step(prompt_tokens(PROMPT_TOKENS), model, max_tokens=1))
    return Started(load_s, time.perf_counter() - began)


def memory_of(folder: Path, options: Any) -> Held:
    """Of this process, which should have done nothing else."""
    from core.models.generation import generate_step
    from core.models.loading import load_model
    from core.optimization.process_memory import peak_resident_bytes, reset_peak, resident_bytes

    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name), SHAPE | MINIATURE)
        small = load_model(Path(name), replace(options, packed_cache=None))[0]
        next(generate_step([3, 4, 5], small, max_tokens=1))
    reset_peak()
    before = resident_bytes()
    model = load_model(folder, options)[0]
    tensors = {one.data_ptr(): one for one in (*model.parameters(), *model.buffers())}
    return Held(sum(one.nbytes for one in tensors.values()), peak_resident_bytes() - before)


def main(what: str, folder: str, precision: Any, packed: str | None = None) -> None:
    """One measurement, told as JSON in the last line."""
    import numba  # noqa: F401 - an import, and so not counted
    import torch

    from core.models.loading import LoadOptions

    torch.set_num_threads(THREADS)
    options = LoadOptions(precision=precision, packed_cache=Path(packed) if packed else None)
    measure = time_of if what == "time" else memory_of
    print(json.dumps(asdict(measure(Path(folder), options))))


if __name__ == "__main__":
    main(*sys.argv[1:])
