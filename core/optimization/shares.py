"""How processor cores are shared out among the stages that run at once, and how much is done at a time. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.optimization.catalogue import GB, STAGES, Stage
from core.optimization.plan import Device
from core.optimization.profile import Cpu

WEIGHTS: Mapping[Stage, int] = {"llm": 2, "tts": 1, "stt": 1}
"""the language model has the most to compute between a question's end and the first sound"""
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
    """Each gets one thread, then those engines that can use more get the cores that are left, by WEIGHTS.

    The sum is at most `cores`, or 4 where there are fewer. Largest remainders first, in the order of WEIGHTS.
    """
    spare = max(0, cores - CAPTURE_THREADS - len(STAGES))
    weights = {stage: weight for stage, weight in WEIGHTS.items() if scales[stage]}
    total = sum(weights.values())
    extra = dict.fromkeys(WEIGHTS, 0)
    for stage, weight in weights.items():
        extra[stage] = spare * weight // total
    by_remainder = sorted(weights, key=lambda stage: -(spare * weights[stage] % total))
    for stage in by_remainder[: spare - sum(extra.values())]:
        extra[stage] += 1
    return Shares(CAPTURE_THREADS, 1 + extra["stt"], 1 + extra["llm"], 1 + extra["tts"])


def batch_size(device: Device, free_bytes: int, threads: int) -> int:
    """By free memory: of the card, or of the machine; on a CPU at most two for each thread."""
    if device == "cuda":
        return _step(free_bytes, CARD_STEPS, LARGEST_CARD_BATCH)
    size = _step(free_bytes, MEMORY_STEPS, LARGEST_BATCH)
    return min(size, 2 * threads) if device == "cpu" else size


def _step(free_bytes: int, steps: tuple[tuple[float, int], ...], largest: int) -> int:
    return next((size for below, size in steps if free_bytes < below * GB), largest)
