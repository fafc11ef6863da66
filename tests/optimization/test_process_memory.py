"""What this process holds, against psutil, and peaks."""

from __future__ import annotations

import mmap
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.optimization import peak, process_memory
from core.optimization.memory import MemoryOptimizer
from core.optimization.process_memory import allocated_bytes, peak_resident_bytes, reset_peak, resident_bytes
from core.utils.errors import InferenceError

MB = 1_000_000
ROOT = Path(__file__).resolve().parents[2]


def filled(megabytes: int) -> np.ndarray:
    return np.ones(megabytes * MB, dtype=np.uint8)


def fresh(megabytes: int) -> None:
    """Takes memory from the system and gives it back: malloc may have room left that earlier tests have filled."""
    with mmap.mmap(-1, megabytes * MB) as memory:
        for page in range(0, megabytes * MB, mmap.PAGESIZE):
            memory[page] = 1


def test_resident_memory_is_what_psutil_says():
    ours, theirs = resident_bytes(), psutil.Process().memory_info().rss
    assert ours == pytest.approx(theirs, rel=0.05)


ARENAS = """
import ctypes, sys, threading
from core.optimization.process_memory import share_arenas
if not hasattr(ctypes.CDLL(None), "malloc_info"):
    sys.exit("no glibc")
if sys.argv[2:]:
    assert share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
together = threading.Barrier(6)
def work():
    together.wait()
    libc.malloc(50_000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
print(open(sys.argv[1]).read().count("<heap nr="))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="arenas are glibc's")
def test_threads_can_be_made_to_share_their_memory(tmp_path: Path):
    def arenas(*how: str) -> int:
        made = subprocess.run(
            [sys.executable, "-c", ARENAS, str(tmp_path / "info"), *how], cwd=ROOT, capture_output=True, text=True
        )
        if "no glibc" in made.stderr:
            pytest.skip("the C library is not glibc")
        assert made.returncode == 0, made.stderr
        return int(made.stdout)

    assert arenas() > 2
    assert arenas("share") == 2


def test_malloc_sees_an_array_come_and_go():
    before = allocated_bytes()
    if before is None:
        pytest.skip("the C library is not glibc 2.33 or newer")
    array = filled(50)
    with_it = allocated_bytes()
    del array
    after = allocated_bytes()
    assert with_it is not None
    assert after is not None
    assert with_it - before > 49 * MB
    assert with_it - after > 49 * MB


def test_a_peak_begins_anew_where_the_system_can():
    filled(80)
    if not reset_peak():
        pytest.skip("this system keeps one peak for the life of a process")
    assert peak_resident_bytes() - resident_bytes() < 20 * MB


def test_the_peak_of_a_piece_of_work_and_not_of_what_came_before():
    fresh(150)
    with MemoryOptimizer().track_peak() as tracked:
        fresh(60)
    assert 55 * MB < tracked.grown_bytes < 100 * MB


def test_peaks_nest():
    with peak.track_peak() as outer:
        fresh(200)
        with peak.track_peak() as inner:
            fresh(40)
    assert outer.grown_bytes > 195 * MB
    assert 35 * MB < inner.grown_bytes < 80 * MB


class Card:
    """As much of torch as peaks touch; keeps one peak, which can be begun anew."""

    def __init__(self) -> None:
        self.cuda = self
        self.held = self.highest = 0

    def is_initialized(self) -> bool:
        return True

    def reset_peak_memory_stats(self) -> None:
        self.highest = self.held

    def max_memory_allocated(self) -> int:
        return self.highest

    def take(self, size: int) -> None:
        self.held += size
        self.highest = max(self.highest, self.held)


def test_a_peak_on_a_card_is_not_lost_to_one_inside_it(monkeypatch: pytest.MonkeyPatch):
    card = Card()
    monkeypatch.setitem(sys.modules, "torch", card)
    card.take(7 * MB)
    card.take(-7 * MB)
    with peak.track_peak() as outer:
        card.take(5 * MB)
        card.take(-5 * MB)
        with peak.track_peak() as inner:
            card.take(2 * MB)
    assert (outer.gpu_bytes, inner.gpu_bytes) == (5 * MB, 2 * MB)


def test_a_system_that_keeps_one_peak_is_sampled(monkeypatch: pytest.MonkeyPatch):
    looked, enough = [0], threading.Event()

    def resident() -> int:
        looked[0] += 1
        if looked[0] > 3:
            enough.set()
        return 500 if looked[0] == 3 else 100

    monkeypatch.setattr(peak, "reset_peak", lambda: False)
    monkeypatch.setattr(peak, "resident_bytes", resident)
    with peak.track_peak() as tracked:
        assert enough.wait(20)
    assert tracked.host_bytes == 500
    assert tracked.grown_bytes == 400


def test_an_error_in_the_work_still_ends_the_peak():
    def fail() -> None:
        fresh(60)
        raise InferenceError("wrong shape")

    with pytest.raises(InferenceError), peak.track_peak() as tracked:
        fail()
    assert tracked.grown_bytes > 55 * MB
    assert peak._open == []


def test_a_container_that_forbids_it_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(process_memory, "_CLEAR_REFS", tmp_path / "absent" / "clear_refs")
    assert reset_peak() is False
