"""The program ends with its exit code and without a crash, whatever its threads are doing."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.app.ending import leave

ROOT = Path(__file__).resolve().parents[2]

COMPUTING = """
import sys, threading
import numpy as np
from core.app.ending import leave

begun = threading.Event()

def compute():
    square = np.ones((300, 300))
    while True:
        square = np.tanh(square @ square)
        begun.set()

for number in range(2):
    threading.Thread(target=compute, name=f"merline-compute-{number}", daemon=True).start()
begun.wait(30)
print("said before the end")
leave(130)
sys.exit(130)
"""


def test_a_thread_that_goes_on_computing_costs_neither_the_code_nor_what_was_said() -> None:
    done = subprocess.run([sys.executable, "-c", COMPUTING], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stdout == "said before the end\n"
    assert "terminate called" not in done.stderr
    assert "still computes" in done.stderr


NOT_TAKEN_APART = """
import atexit, sys
from core.app.ending import leave

class Large:
    def __del__(self):
        print("taken apart, as a module's content is")

sys.modules["large"] = large = type(sys)("large")
large.content = Large()
del large
atexit.register(print, "closed")
sys.stdout.write("said, ")
leave(130)
"""


def test_the_interpreter_is_not_taken_apart_but_what_closes_at_the_end_does() -> None:
    """With torch that takes 0.6 s, and 3.4 s where four loops run beside it on two cores."""
    done = subprocess.run([sys.executable, "-c", NOT_TAKEN_APART], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "said, closed\n", "")


def ends(code: int) -> int:
    """In place of ending this process."""
    return code + 1000


def test_whoever_still_computes_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.app.ending.LEAVE_S", 0.05)
    go = threading.Event()
    threads = [threading.Thread(target=go.wait, args=(30,), name=f"merline-{n}", daemon=True) for n in range(2)]
    for thread in threads:
        thread.start()
    assert leave(130, ends) == 1130
    go.set()
    for thread in threads:
        thread.join(10)


def test_a_thread_that_ends_soon_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {thread for thread in threading.enumerate() if thread.daemon}
    ended = []
    thread = threading.Thread(target=lambda: ended.append(True), name="merline-x", daemon=True)
    thread.start()
    monkeypatch.setattr(threading, "enumerate", lambda: [thread, threading.main_thread()])
    assert leave(0, ends) == 1000
    assert ended == [True]
    assert thread not in before


def test_a_server_that_does_not_answer_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait, args=(30,), name="merline-hub", daemon=True)
    thread.start()
    monkeypatch.setattr(threading, "enumerate", lambda: [thread])
    assert leave(3, ends) == 1003
    go.set()
    thread.join(10)


def test_threads_of_kernels_that_wait_for_a_job_are_told_that_none_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="needs numba (the extra full)")
    from core.models.thread_team import ThreadTeam

    team, before = ThreadTeam(), set(threading.enumerate())
    monkeypatch.setattr("core.models.thread_team.TEAM", team)
    team.run(lambda thread: None, 3)
    waiting = set(threading.enumerate()) - before
    assert len(waiting) == 2
    monkeypatch.setattr(threading, "enumerate", lambda: [*waiting])
    assert leave(0, ends) == 1000
    assert not any(thread.is_alive() for thread in waiting)
