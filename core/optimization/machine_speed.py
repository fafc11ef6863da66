"""What a machine can do, measured within about three seconds: main memory's bandwidth and matrix products a second.

Each figure is the best of several runs of a tenth of a second or more, so that a container's quota, which is dealt
out by the tenth of a second, is in it. How far the runs lie apart, and what other programs took of the processor
meanwhile, is kept with the figures: a disturbed measurement is no more than a lower bound. torch is never imported
here: the int8 figure comes from a process of its own.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.optimization.catalogue import TORCH_BYTES
from core.optimization.host import Host
from core.optimization.profile import MachineProfile, Speed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MIB = 1 << 20
GEMM_SIDE = 1024
RUN_S = 0.1
RUNS = 6
FILL_S = 0.5
"""filling fresh memory may cost more than reading it does: what is not filled by then is not read"""
SMALLEST_BYTES = 64 * MIB
LARGEST_BYTES = 1024 * MIB
ASSUMED_CACHE_BYTES = 32 * MIB
INT8_TIMEOUT_S = 60.0
INT8_LEAST_BYTES = 2 * TORCH_BYTES
"""loading torch into less might have the system end a program, and not that one"""
PROJECT_FOLDER = Path(__file__).resolve().parents[2]


def measure_speed(profile: MachineProfile, host: Host) -> Speed:
    """Measure this machine. Takes at most an eighth of the available memory, and one thread a usable core."""
    threads = max(1, math.floor(profile.cpu.usable_cores))
    available = profile.memory.available_bytes
    before = ProcessorTime.read(host)
    bandwidth, fp32 = measure_bandwidth(_array_bytes(host, available), threads), measure_fp32()
    int8 = _measure_int8(available)
    return Speed(
        bandwidth_gb_s=bandwidth.best / 1e9,
        gemm_fp32_gflops=fp32.best / 1e9,
        gemm_int8_gops=int8.best / 1e9 if int8 else None,
        spread=max(rate.spread for rate in (bandwidth, fp32, int8) if rate),
        others=ProcessorTime.read(host).others_since(before),
    )


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of work a second."""

    best: float
    spread: float
    """by how much of the best run the middle one fell behind it: one slow run alone says nothing"""


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds that the processors of this process have had, and have worked, since the system started.

    All zero where the system does not tell. Source: proc(5), /proc/stat.
    """

    passed_s: float = 0.0
    worked_s: float = 0.0
    """for anybody; time that a hypervisor gave to other machines counts as such"""
    mine_s: float = 0.0
    """for this process and those it waited for"""

    @classmethod
    def read(cls, host: Host) -> ProcessorTime:
        """Now."""
        passed = idle = 0
        for line in (host.text("/proc/stat") or "").splitlines():
            name, *fields = line.split()
            if not (name.startswith("cpu") and name[3:].isdigit() and len(fields) >= 8):
                continue
            if host.affinity is None or int(name[3:]) in host.affinity:
                ticks = [int(field) for field in fields[:8]]  # user, nice, system, idle, iowait, irq, softirq, steal
                passed, idle = passed + sum(ticks), idle + ticks[3] + ticks[4]
        if not passed:
            return cls()
        tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        return cls(passed * tick_s, (passed - idle) * tick_s, sum(os.times()[:4]))

    def others_since(self, before: ProcessorTime) -> float:
        """Share of the time since `before` that went to other programs."""
        passed_s = self.passed_s - before.passed_s
        theirs_s = self.worked_s - before.worked_s - (self.mine_s - before.mine_s)
        return min(max(theirs_s / passed_s, 0.0), 1.0) if passed_s > 0 else 0.0


def measure_rate(work: Callable[[], object], amount: float) -> Rate:
    """`amount` of the unit of work a second, in RUNS runs of at least RUN_S each."""
    work()
    rates = []
    for _ in range(RUNS):
        times, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < RUN_S:
            work()
            times += 1
        rates.append(times * amount / elapsed)
    return Rate(max(rates), 1.0 - statistics.median(rates) / max(rates))


def measure_bandwidth(size: int, threads: int) -> Rate:
    """Bytes a second that `threads` threads read together from an array of `size` bytes or what of it could be filled.

    The maximum, not the sum: summing floats keeps the adder busier than the memory.
    """
    import numpy as np

    parts = np.array_split(np.empty(max(size // 4, threads), np.float32), threads)
    deadline = time.perf_counter() + FILL_S
    with ThreadPoolExecutor(threads) as pool:
        filled = list(pool.map(lambda part: _fill(part, deadline), parts))
        return measure_rate(lambda: list(pool.map(np.max, filled)), float(sum(part.nbytes for part in filled)))


def _fill(part: NDArray[np.float32], deadline: float) -> NDArray[np.float32]:
    step = 4 * MIB
    for start in range(0, part.size, step):
        if start and time.perf_counter() > deadline:
            return part[:start]
        part[start : start + step] = 1.0
    return part


def _array_bytes(host: Host, available: int) -> int:
    """Three times the last cache, where memory allows it."""
    wanted = max(SMALLEST_BYTES, min(LARGEST_BYTES, 3 * _last_cache_bytes(host)))
    return min(wanted, max(4 * MIB, available // 8))


def _last_cache_bytes(host: Host) -> int:
    sizes = (host.word(f"/sys/devices/system/cpu/cpu0/cache/index{level}/size") or "" for level in range(5))
    known = [int(size[:-1]) * 1024 for size in sizes if size.endswith("K") and size[:-1].isdigit()]
    return max(known, default=ASSUMED_CACHE_BYTES)


def measure_fp32() -> Rate:
    """Floating-point operations a second of a square product: torch's if it is loaded already, else numpy's."""
    operations = 2.0 * GEMM_SIDE**3
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        square = torch.ones(GEMM_SIDE, GEMM_SIDE)
        return measure_rate(lambda: torch.mm(square, square), operations)
    import numpy as np

    matrix = np.ones((GEMM_SIDE, GEMM_SIDE), np.float32)
    return measure_rate(lambda: np.matmul(matrix, matrix), operations)


def int8_rate(torch: Any) -> Rate:
    """Operations a second of torch's int8 product, int32 accumulators."""
    square = torch.ones(GEMM_SIDE, GEMM_SIDE, dtype=torch.int8)
    return measure_rate(lambda: torch._int_mm(square, square), 2.0 * GEMM_SIDE**3)


def _measure_int8(available: int) -> Rate | None:
    torch = sys.modules.get("torch")
    if torch is not None:
        try:
            return int8_rate(torch)
        except (RuntimeError, AttributeError, NotImplementedError) as error:
            logger.info("no int8 rate: torch has no such kernel here (%s)", error)
            return None
    if importlib.util.find_spec("torch") is None or available < INT8_LEAST_BYTES:
        return None
    return _measure_int8_apart()


def _measure_int8_apart() -> Rate | None:
    """In a process of its own, so that torch's memory is not kept here and its threads can still be set."""
    code = "import torch; from core.optimization.machine_speed import int8_rate; "
    code += "rate = int8_rate(torch); print(rate.best, rate.spread)"
    try:
        done = subprocess.run(
            (sys.executable, "-c", code),
            cwd=PROJECT_FOLDER,
            capture_output=True,
            text=True,
            timeout=INT8_TIMEOUT_S,
            check=True,
        )
        best, spread = done.stdout.split()
        return Rate(float(best), float(spread))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        logger.info("no int8 rate: the measurement apart failed (%s)", error)
        return None
