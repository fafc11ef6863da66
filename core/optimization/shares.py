"""How processor cores are shared out among the stages that run at once, and how much is done at a time. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.optimization.catalogue import GB, STAGES, Stage
from core.optimization.plan import Device
from core.optimization.profile import Cpu

SHARING: tuple[Stage, ...] = ("tts", "stt")
"""stages between whose engines the spare cores are divided, who gets an odd one first"""
CAPTURE_THREADS = 1

MEMORY_STEPS = ((0.5, 1), (1.5, 2), (4.0, 4))
CARD_STEPS = ((4.0, 4), (8.0, 8), (16.0, 16))
"""below so many free gigabytes, a batch of so many"""
LARGEST_BATCH = 8
LARGEST_CARD_BATCH = 32


@dataclass(frozen=True, slots=True)
class Shares:
    """Threads for each that runs at the same time; at least one each."""

    capture: int
    stt: int
    llm: int
    tts: int


def heavy_threads(cpu: Cpu) -> int:
    """Threads for a stage that has the machine to itself: the usable physical cores, at least 1.

    Work is dealt out evenly, so the slowest core sets the pace: where cores differ, the fast ones alone are taken,
    unless the slow ones are twice as many.
    """
    usable = max(1, math.floor(cpu.usable_cores))
    fast = cpu.performance_cores
    if not fast or fast >= usable or usable - fast >= 2 * fast:
        return usable
    return fast


def share_threads(cores: int, scales: Mapping[Stage, bool]) -> Shares:
    """Every core for the language model, where its engine can use them; the others get one each and divide the rest.

    The language model has the most to compute between a question's end and the first sound, and its threads share out
    their work in pieces and wait for none that is late: where another stage holds a core, they lose nothing by asking
    for it (core.models.thread_team). Other engines deal out their work evenly, so theirs do not exceed `cores`, or 4.
    """
    spare = max(0, cores - CAPTURE_THREADS - len(STAGES))
    sharing = [stage for stage in SHARING if scales[stage]]
    extra = dict.fromkeys(SHARING, 0)
    for number, stage in enumerate(sharing):
        extra[stage] = (spare + len(sharing) - 1 - number) // len(sharing)
    return Shares(CAPTURE_THREADS, 1 + extra["stt"], cores if scales["llm"] else 1, 1 + extra["tts"])


def batch_size(device: Device, free_bytes: int, threads: int) -> int:
    """By free memory: of the card, or of the machine; on a CPU at most two for each thread."""
    if device == "cuda":
        return _step(free_bytes, CARD_STEPS, LARGEST_CARD_BATCH)
    size = _step(free_bytes, MEMORY_STEPS, LARGEST_BATCH)
    return min(size, 2 * threads) if device == "cpu" else size


def _step(free_bytes: int, steps: tuple[tuple[float, int], ...], largest: int) -> int:
    return next((size for below, size in steps if free_bytes < below * GB), largest)
