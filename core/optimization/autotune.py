"""cuDNN's own choice of kernels, kept only where it was measured faster: it tunes again for every new shape.

torch keeps the kernel of each shape per thread, and looks there first whatever cudnn.benchmark says (its
ATen/native/cudnn/Conv_v8.cpp): the two ways are compared in a thread each, or the second would get the first one's.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    """Time `run`, which waits for the device, with and without cudnn.benchmark; leaves the switch on where it pays.

    Call it before the model has run: a thread that has met a shape keeps the kernel it was given then.
    """
    cudnn = torch.backends.cudnn
    kept = cudnn.benchmark

    def timed(switch: bool) -> float:
        cudnn.benchmark = switch
        began_s = clock()
        run()
        return clock() - began_s

    try:
        with ThreadPoolExecutor(1) as plain, ThreadPoolExecutor(1) as tuned:
            threads = {False: plain, True: tuned}
            times: dict[bool, list[float]] = {switch: [] for switch in threads}
            for _ in range(_WARM_UPS + _ROUNDS):
                for switch, thread in threads.items():
                    times[switch].append(thread.submit(timed, switch).result())
        plain_s, tuned_s = (statistics.median(times[switch][_WARM_UPS:]) for switch in (False, True))
        kept = tuned_s < _GAIN * plain_s
    finally:
        cudnn.benchmark = kept
    return Autotuning(kept, plain_s, tuned_s)
