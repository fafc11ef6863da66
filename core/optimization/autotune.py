"""cuDNN's own choice of kernels, kept only where it was measured faster: it tunes again for every new shape."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_ROUNDS = 15
_WARM_UPS = 3
_GAIN = 0.98
"""Less than 2 % faster is noise."""


@dataclass(frozen=True, slots=True)
class Autotuning:
    """Medians over the rounds, plain and tuned in turn."""

    kept: bool
    plain_s: float
    tuned_s: float


def measure_autotuning(torch: Any, run: Callable[[], object], clock: Callable[[], float]) -> Autotuning:
    """Time `run`, which waits for the device, with and without cudnn.benchmark; leaves the switch on where it pays."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark
    times: dict[bool, list[float]] = {False: [], True: []}
    kept = before
    try:
        for switch in (False, True):
            cudnn.benchmark = switch
            for _ in range(_WARM_UPS):
                run()
        for _ in range(_ROUNDS):
            for switch, taken in times.items():
                cudnn.benchmark = switch
                began = clock()
                run()
                taken.append(clock() - began)
        plain_s, tuned_s = (statistics.median(times[switch]) for switch in (False, True))
        kept = tuned_s < _GAIN * plain_s
    finally:
        cudnn.benchmark = kept
    return Autotuning(kept, plain_s, tuned_s)
