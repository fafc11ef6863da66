"""The most memory a piece of work took, on the host and on the GPU."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from core.optimization.process_memory import peak_resident_bytes, reset_peak, resident_bytes

SAMPLING_S = 0.005
"""Where the system's own peak cannot be begun anew (macOS, Windows): a thread looks this often."""


@dataclass(slots=True)
class Peak:
    """Filled in when the work has ended."""

    begin_bytes: int
    """resident when it began"""
    host_bytes: int = 0
    """resident at most"""
    gpu_bytes: int | None = None
    """allocated by torch on the current card at most; None where torch used none"""

    @property
    def grown_bytes(self) -> int:
        """Host memory at most, above the beginning."""
        return self.host_bytes - self.begin_bytes


_open: list[Peak] = []
_lock = threading.Lock()


@contextlib.contextmanager
def track_peak() -> Iterator[Peak]:
    """Peaks may nest and overlap: the system and torch keep one each, and who begins anew hands it to those open."""
    peak = Peak(resident_bytes())
    with _lock:
        highest = peak_resident_bytes()
        exact = reset_peak()
        if exact:
            _hand_on(highest)
        _hand_on_gpu()
        _reset_gpu()
        _open.append(peak)
    try:
        with contextlib.nullcontext() if exact else _sampling(peak):
            yield peak
    finally:
        with _lock:
            if exact:
                _hand_on(peak_resident_bytes())
            _hand_on_gpu()
            _open[:] = [other for other in _open if other is not peak]


def _hand_on(highest_bytes: int) -> None:
    """Only with the lock."""
    for peak in _open:
        peak.host_bytes = max(peak.host_bytes, highest_bytes)


@contextlib.contextmanager
def _sampling(peak: Peak) -> Iterator[None]:
    ended = threading.Event()

    def look() -> None:
        while True:
            peak.host_bytes = max(peak.host_bytes, resident_bytes())
            if ended.wait(SAMPLING_S):
                return

    thread = threading.Thread(target=look, name="memory-peak", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=1.0)
        peak.host_bytes = max(peak.host_bytes, resident_bytes())


def _hand_on_gpu() -> None:
    """Only with the lock."""
    highest = _gpu_peak()
    if highest is not None:
        for peak in _open:
            peak.gpu_bytes = max(peak.gpu_bytes or 0, highest)


def _reset_gpu() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()


def _gpu_peak() -> int | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated())
