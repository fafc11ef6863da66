"""The commands of this package: see its docstring."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_MODULE = "benchmarks.whisper.training"
_KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "20000000000",
    "MALLOC_TOP_PAD_": "500000000",
}
"""glibc gives large blocks back to the system after every operation: training took twice as long"""
_MODELS = Path(__file__).resolve().parents[3] / "tests" / "models"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if chosen.command == "train" else logging.ERROR, format="%(asctime)s %(message)s"
    )
    chosen.folder.mkdir(parents=True, exist_ok=True)
    match chosen.command:
        case "make":
            from benchmarks.whisper.training.shards import make_speech

            make_speech(chosen.folder, range(chosen.first, chosen.shards), chosen.processes, chosen.minutes)
        case "train":
            _keep_memory()
            _train(chosen)
        case "export":
            from benchmarks.whisper.training.export import export

            print(export(chosen.folder, chosen.models))
        case _:
            from benchmarks.whisper.training.measure import report
            from benchmarks.whisper.training.shards import make_held_out

            make_held_out(chosen.folder)
            for line in report(chosen.folder, chosen.models):
                print(line, flush=True)
    return 0


def _train(chosen: argparse.Namespace) -> None:
    import torch

    from benchmarks.whisper.training.train import TrainConfig, train

    device = chosen.device
    if device == "auto":
        device = "cuda" if torch.cuda.device_count() else "cpu"  # asked so, no context is made, which no fork survives
    train(
        TrainConfig(
            chosen.folder,
            chosen.steps,
            chosen.minutes,
            chosen.rate,
            ending=chosen.ending,
            processes=chosen.processes,
            full=chosen.full,
            begin=chosen.begin,
            device=device,
            frames=round(100 * (chosen.seconds or (100 if device == "cpu" else 1500))),
            score_every_s=60.0 * chosen.score_minutes,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python3 -m {_MODULE}", description=sys.modules[_MODULE].__doc__)
    parser.add_argument("command", choices=("make", "train", "export", "evaluate"))
    parser.add_argument("--folder", type=Path, default=Path("/tmp/whisper-training"), help="for speech and checkpoints")
    parser.add_argument("--models", type=Path, default=_MODELS, help="export, evaluate: where the weights are")
    parser.add_argument("--first", type=int, default=0, help="make: number of the first file")
    parser.add_argument("--shards", type=int, default=60, help="make: up to this number")
    parser.add_argument("--steps", type=int, default=9000, help="train: up to this step")
    parser.add_argument(
        "--minutes", type=float, default=1e9, help="train: for so long, pauses counted; make: begin no file later"
    )
    parser.add_argument("--rate", type=float, default=3e-3, help="train: of learning, before it falls")
    parser.add_argument(
        "--ending", type=float, default=0.4, help="train: share of the steps or minutes in which it falls"
    )
    parser.add_argument(
        "--processes", type=int, default=2, help="make: that speak; train: that learn on a CPU, or plan for a card"
    )
    parser.add_argument("--device", default="auto", help="train: cpu, cuda, or auto, a card where there is one")
    parser.add_argument("--seconds", type=float, help="train: of sound in a step of a process (cpu 100, card 1500)")
    parser.add_argument("--score-minutes", type=float, default=15.0, help="train: between two held-out error rates")
    parser.add_argument("--begin", type=Path, help="train: a small.pt to begin from, where there is no checkpoint")
    parser.add_argument("--full", type=float, default=0.005, help="train: share of windows of 30 s")
    return parser


def _keep_memory() -> None:
    """Start this program again with an allocator that keeps its memory, unless that is so."""
    if any(name not in os.environ for name in _KEEP_MEMORY):
        os.execve(sys.executable, [sys.executable, "-m", _MODULE, *sys.argv[1:]], {**_KEEP_MEMORY, **os.environ})


if __name__ == "__main__":
    sys.exit(main())
