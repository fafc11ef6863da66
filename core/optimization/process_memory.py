"""How much memory this process holds and held at most, read from the system. Loads neither torch nor psutil."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_STATM = Path("/proc/self/statm")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""Sets VmHWM back to what is resident now: proc(5)."""
_M_ARENA_MAX = -8
"""mallopt(3)"""
_ARENAS = 2


def resident_bytes() -> int:
    """Main memory that this process holds now."""
    if sys.platform == "linux":
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "darwin":
        return _mac_resident_bytes()
    return _windows_counters().working_set


def peak_resident_bytes() -> int:
    """The most it held since it began, or on Linux since `reset_peak`."""
    if sys.platform == "linux":
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return resident_bytes()
    if sys.platform == "win32":
        return _windows_counters().peak_working_set
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def reset_peak() -> bool:
    """Begin a new peak at what is held now; False where the system cannot (macOS, Windows, some containers)."""
    if sys.platform != "linux":
        return False
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def allocated_bytes() -> int | None:
    """Bytes handed out by the C library's malloc, numpy's and torch's among them; None where it is not glibc >= 2.33.

    Finer than resident memory: freed memory that malloc keeps does not count.
    """
    if sys.platform != "linux":
        return None
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if ask is None:
        return None
    ask.restype = _MallInfo
    info = ask()
    return int(info.uordblks + info.hblkhd)


def share_arenas() -> bool:
    """Have all threads but the main one take memory from one arena; False where malloc is not glibc's.

    Each thread has its own otherwise, which keeps the most that the thread has ever needed: with the seventeen of the
    embedded engines 5 MB more, and it grows for longer; with the full engines more each time that they go and
    come back. To be called before they begin. Threads that all allocate at once wait for each other.
    """
    limit = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return limit is not None and limit(_M_ARENA_MAX, _ARENAS) == 1


def trim_heap() -> None:
    """Have glibc return to the system what is free, 100 MB and more after loading; other C libraries do so anyway."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


class _MallInfo(ctypes.Structure):
    """struct mallinfo2 of malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def _mac_resident_bytes() -> int:
    """proc_pidinfo with PROC_PIDTASKINFO (4): the second of its 64-bit fields is the resident size."""
    buffer = (ctypes.c_uint64 * 12)()
    size = ctypes.CDLL("/usr/lib/libproc.dylib").proc_pidinfo(os.getpid(), 4, 0, buffer, ctypes.sizeof(buffer))
    if size < 16:
        raise OSError("proc_pidinfo: the system did not tell this process's memory")
    return int(buffer[1])


class _Counters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of psapi.h."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        *((f"other_{index}", ctypes.c_size_t) for index in range(6)),
    ]
    working_set: int
    peak_working_set: int


def _windows_counters() -> _Counters:
    counters = _Counters()
    counters.size = ctypes.sizeof(counters)
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    if not kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size):
        raise OSError("K32GetProcessMemoryInfo: the system did not tell this process's memory")
    return counters
