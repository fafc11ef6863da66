"""Threads that wait for work: a numba function runs in several at once and shares its work out itself.

Work is claimed in pieces from counters in memory, so a thread that comes late, because the machine is busy, costs
nothing: the others have done its part, and it finds every piece taken. Nobody waits for a thread that holds no piece.
"""

from __future__ import annotations

import atexit
import platform
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models.simd import at, call, operation

COUNTERS = 16
"""int64 a shared piece of work takes in the memory that `claim` counts in: two cache lines"""
_SPINS = 16_000
"""looks at a counter before the thread sleeps: most of a millisecond, as long as the largest pieces take"""
_NAP_US = 50
_DOUBLINGS = 4
"""of a nap: the longest is 0.8 ms. A thread that slept gets a processor soon when it wakes; one that offers its own
by sched_yield, as was done here before, waits on a busy machine until all others had theirs, at every operation"""
_I64 = ir.IntType(64)
_IS_X86 = platform.machine().lower() in ("x86_64", "amd64")
_IS_WINDOWS = sys.platform == "win32"
_yield_processor = types.ExternalFunction("SwitchToThread" if _IS_WINDOWS else "sched_yield", types.int32())
_usleep = types.ExternalFunction("usleep", types.int32(types.uint32))


@intrinsic
def claim(typing: Any, counters: Any) -> Any:
    """The number of the next piece of work, from 0; beyond the last one there is none left."""

    def build(b: ir.IRBuilder, a: Any) -> Any:
        return b.atomic_rmw("add", at(b, a[0], _I64), ir.Constant(_I64, 1), "seq_cst")

    return operation(types.int64(types.int64), build)


@intrinsic
def finish(typing: Any, counters: Any) -> Any:
    """One claimed piece is done."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        done = at(b, b.add(a[0], ir.Constant(_I64, 64)), _I64)
        b.atomic_rmw("add", done, ir.Constant(_I64, 1), "seq_cst")

    return operation(types.void(types.int64), build)


@intrinsic
def _finished(typing: Any, counters: Any) -> Any:
    def build(b: ir.IRBuilder, a: Any) -> Any:
        return b.load_atomic(at(b, b.add(a[0], ir.Constant(_I64, 64)), _I64), "seq_cst", 8)

    return operation(types.int64(types.int64), build)


@intrinsic
def _pause(typing):
    """Tell the processor that this is a waiting loop, where it can be told."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        if _IS_X86:
            call(b, "llvm.x86.sse2.pause", ir.VoidType())

    return operation(types.void(), build)


@numba.njit(nogil=True, cache=True)
def await_all(counters, pieces):
    """Wait until that many pieces are done."""
    spins = 0
    while _finished(counters) < pieces:
        spins += 1
        _pause()
        if spins > _SPINS:
            if _IS_WINDOWS:  # it sleeps for a millisecond at the least
                _yield_processor()
            else:
                _usleep(_NAP_US << min(spins - _SPINS - 1, _DOUBLINGS))


Job = Callable[[int], object]


class ThreadTeam:
    """Threads 1, 2 ... that join the caller's, thread 0, in a job. Made when needed; `close` ends them."""

    def __init__(self) -> None:
        self._inboxes: list[queue.SimpleQueue[Job | None]] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, job: Job, threads: int) -> None:
        """Call job(0) here and job(1), ... elsewhere; return when job(0) does. After `close`, only job(0).

        job(0) must not return before the whole work is done; the others may begin late, even after that.
        """
        with self._lock:
            for inbox in self._members(threads - 1):
                while not inbox.empty():
                    try:
                        inbox.get_nowait()  # a job that its thread has not even begun is done by now
                    except queue.Empty:
                        break
                inbox.put(job)
        job(0)

    def dismiss(self) -> None:
        """Let the threads end, each after the job it is in, without waiting for that."""
        with self._lock:
            self._closed = True
            for inbox in self._inboxes:
                inbox.put(None)
            self._inboxes = []

    def close(self) -> None:
        """End the threads, each after the job it is in. They must be gone before the interpreter is.

        Python stops a thread that comes back from a kernel during the interpreter's end by unwinding its stack,
        and C++ code on that stack (torch's) then ends the process with SIGABRT.
        """
        self.dismiss()
        with self._lock:
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.join()

    def _members(self, count: int) -> list[queue.SimpleQueue[Job | None]]:
        while len(self._inboxes) < count and not self._closed:
            inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
            self._inboxes.append(inbox)
            number = len(self._inboxes)
            thread = threading.Thread(target=_work, args=(inbox, number), name=f"kernels-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self._inboxes[:count]


def _work(inbox: queue.SimpleQueue[Job | None], number: int) -> None:
    while (job := inbox.get()) is not None:
        job(number)
        del job  # it holds the work's memory


TEAM = ThreadTeam()
"""the one of this process"""
atexit.register(TEAM.close)
