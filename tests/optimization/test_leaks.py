"""leak_guard catches what grows and passes what does not, on the real process.

Other tests' threads allocate meanwhile (the virtual sound card keeps 0.2 MB a second), hence the wide tolerance here.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Sequence

import pytest

from core.optimization import leak_guard
from core.optimization.leaks import MB, Reading, read_gauges, steady_growth
from core.utils.errors import MemoryLeakError, OptimizationError

TOLERANCE_MB = 10.0


def test_a_list_that_grows_with_each_run_is_caught():
    kept: list[bytes] = []

    @leak_guard(runs=20, tolerance_mb=TOLERANCE_MB)
    def work() -> None:
        kept.append(bytes(2_000_000))

    with pytest.raises(MemoryLeakError, match=r"grew by .* MB over 20 runs, \d+ kB a run"):
        work()


def test_work_that_keeps_nothing_passes_and_gives_its_result():
    runs: list[int] = []

    @leak_guard(runs=20, tolerance_mb=TOLERANCE_MB)
    def work(size: int) -> int:
        runs.append(size)
        return len(bytearray(size))

    assert work(5_000_000) == 5_000_000
    assert len(runs) == 23
    assert work.__name__ == "work"


def test_a_tensor_kept_is_caught_and_one_let_go_passes():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    kept = []

    @leak_guard(runs=12, tolerance_mb=TOLERANCE_MB)
    def leaks() -> None:
        kept.append(torch.zeros(1_000_000))

    @leak_guard(runs=12, tolerance_mb=TOLERANCE_MB)
    def clean() -> float:
        return float(torch.zeros(1_000_000).sum())

    assert clean() == 0.0
    with pytest.raises(MemoryLeakError):
        leaks()


def test_a_reference_cycle_is_no_leak():
    class Node:
        def __init__(self) -> None:
            self.me = self
            self.load = bytes(5_000_000)

    @leak_guard(runs=9, tolerance_mb=TOLERANCE_MB)
    def work() -> None:
        Node()

    work()
    assert issubclass(MemoryLeakError, OptimizationError)


def test_the_block_form_catches_it_at_the_end_of_the_block():
    kept: list[bytes] = []

    def work() -> None:
        with leak_guard(tolerance_mb=TOLERANCE_MB) as guard:
            for _ in range(15):
                kept.append(bytes(3_000_000))
                guard.check()

    with pytest.raises(MemoryLeakError, match="over 12 runs"):
        work()


def test_the_block_form_passes_and_can_be_used_again():
    guard = leak_guard(tolerance_mb=TOLERANCE_MB)
    for _ in range(2):
        with guard:
            for _ in range(10):
                bytes(300_000)
                guard.check()
    with pytest.raises(ZeroDivisionError), guard:
        _ = 1 / 0


def test_older_objects_are_not_walked_at_each_run_and_are_again_afterwards():
    asides: list[int] = []

    def gauges() -> tuple[Reading, ...]:
        asides.append(gc.get_freeze_count())
        return (Reading("nothing", 0),)

    gc.unfreeze()
    leak_guard(runs=6, gauges=gauges)(lambda: None)()
    assert len(asides) == 9
    assert all(count > 1000 for count in asides)
    assert gc.get_freeze_count() == 0
    with pytest.raises(ZeroDivisionError), leak_guard(gauges=gauges):
        _ = 1 / 0
    assert gc.get_freeze_count() == 0


def test_too_few_runs_tell_nothing_and_are_refused():
    with pytest.raises(ValueError, match="5 runs tell nothing"):
        leak_guard(runs=5)
    with pytest.raises(ValueError, match="called 2 times"):
        guarded([300.0, 300.0])


class Gauge:
    """Reads what it is given, run after run."""

    def __init__(self, held_mb: Sequence[float], name: str = "memory of cuda:0") -> None:
        self._left = list(held_mb)
        self._name = name

    def __call__(self) -> tuple[Reading, ...]:
        return (Reading(self._name, int(self._left.pop(0) * MB)),)


def guarded(held_mb: Sequence[float], tolerance_mb: float = 1.0) -> None:
    with leak_guard(tolerance_mb=tolerance_mb, gauges=Gauge(held_mb)) as guard:
        for _ in held_mb:
            guard.check()


WARM_UP = [100.0, 250.0, 300.0]


def test_gpu_memory_that_grows_is_named():
    with pytest.raises(MemoryLeakError, match=r"cuda:0 grew by 4\.00 MB over 12 runs, 333 kB a run"):
        guarded(WARM_UP + [300 + run / 3 for run in range(12)])


@pytest.mark.parametrize(
    "held_mb",
    [
        [300.0] * 12,
        [300.0] * 2 + [350.0] * 10,
        [300.0] * 6 + [350.0] * 6,
        [300.0] * 9 + [350.0] * 3,
        [300.0, 340.0, 320.0] * 4,
        [350.0 - run for run in range(12)],
        [300 + run / 100 for run in range(12)],
    ],
    ids=["flat", "one step early", "one step midway", "one step late", "saw", "falling", "within the tolerance"],
)
def test_what_is_no_leak_passes(held_mb: list[float]):
    guarded(WARM_UP + held_mb)
    assert steady_growth([int(held * MB) for held in held_mb]) <= MB


def test_a_leak_under_noise_is_found_and_noise_alone_is_not():
    noise = random.Random(0)
    for _ in range(200):
        rough = [300 + 6 * noise.random() ** 3 for _ in range(30)]
        guarded(WARM_UP + rough, tolerance_mb=2.0)
        with pytest.raises(MemoryLeakError):
            guarded(WARM_UP + [held + run for run, held in enumerate(rough)], tolerance_mb=2.0)


def test_the_gauges_of_this_machine_read_something():
    readings = read_gauges()
    assert readings[0].gauge == "resident memory"
    assert all(reading.held_bytes > 0 for reading in readings)
