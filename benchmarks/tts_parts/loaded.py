"""A sentence on a busy machine: two endless loops beside it, as other programs are.

Two processes hold the same voice with the faster settings and speak by turns: one as the app does, whose threads sleep
when they wait and which uses one thread for torch while the machine is crowded; one with OpenMP as it comes.
Run as `python3 -m benchmarks.tts_parts.loaded WAY VOICE BERT` it is one of them: a line in, seconds out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[2]
WAYS = ("ours", "plain OpenMP")
ROUNDS = 5
LOOPS = 2
LOOP = "while True: pass"


def figures(voice: Path, bert: Path) -> list[Figure]:
    """About twenty seconds. Medians: what a busy machine gives differs from moment to moment."""
    from benchmarks.tts_parts.engines import FASTER

    with ExitStack() as stack:
        speakers = {way: stack.enter_context(_speaking(way, voice, bert)) for way in WAYS}
        alone = _medians(speakers)
        for _ in range(LOOPS):
            stack.enter_context(_running([sys.executable, "-c", LOOP]))
        busy = _medians(speakers)
    ours, plain = WAYS
    what = f"melo sentence, {FASTER}"
    return [
        Figure(f"{what}, with {LOOPS} busy processes beside", busy[ours], "s", "lower", None, busy[plain]),
        Figure(
            f"{what}, with {LOOPS} busy processes beside / OpenMP as it comes",
            busy[ours] / busy[plain],
            "",
            "lower",
            1.0,
            1.0,
        ),
        Figure(f"{what}, alone / OpenMP as it comes", alone[ours] / alone[plain], "", "lower", None, 1.0),
    ]


def _medians(speakers: dict[str, subprocess.Popen[str]]) -> dict[str, float]:
    times: dict[str, list[float]] = {way: [] for way in speakers}
    for _ in range(ROUNDS):
        for way, speaker in speakers.items():
            assert speaker.stdin is not None
            assert speaker.stdout is not None
            speaker.stdin.write("\n")
            speaker.stdin.flush()
            times[way].append(float(speaker.stdout.readline()))
    return {way: sorted(seconds)[ROUNDS // 2] for way, seconds in times.items()}


@contextmanager
def _speaking(way: str, voice: Path, bert: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.tts_parts.loaded", way, str(voice), str(bert)]
    with _running(command) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is loaded
        yield process


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _speak(way: str, voice: Path, bert: Path) -> None:
    from core.optimization.torch_settings import WAITING, prepare_environment

    for name in WAITING:
        os.environ.pop(name, None)
    if way == WAYS[0]:
        prepare_environment(None, os.environ)
    import torch

    from benchmarks.tts_parts import speed
    from benchmarks.tts_parts.engines import Ours
    from core.optimization.plan import StagePlan

    torch.set_num_threads(speed.THREADS)
    plan = StagePlan("melo", None, "cpu", "float32", speed.THREADS, 0) if way == WAYS[0] else None
    engine = Ours(voice, bert, "int8", "reduced", plan)
    print(speed.speak(engine, [speed.text(speed.SENTENCE)]).whole_s, flush=True)
    for _ in sys.stdin:
        print(speed.speak(engine, [speed.text(speed.SENTENCE)]).whole_s, flush=True)


if __name__ == "__main__":
    _speak(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
