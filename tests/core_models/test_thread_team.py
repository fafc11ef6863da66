"""Work that several threads claim in pieces is done once, whoever comes when."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs numba (the extra full)")

from core.models.thread_team import COUNTERS, ThreadTeam, await_all, claim, finish  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@numba.njit(nogil=True)
def count_pieces(counters, pieces, done):
    piece = claim(counters)
    while piece < pieces:
        done[piece] += 1
        finish(counters)
        piece = claim(counters)
    await_all(counters, pieces)


def test_every_piece_is_done_once_by_the_time_the_caller_is_through():
    team = ThreadTeam()
    for _ in range(200):
        counters, done = np.zeros(COUNTERS, np.int64), np.zeros(50, np.int64)
        team.run(lambda thread, c=counters, d=done: count_pieces(c.ctypes.data, 50, d), 4)
        assert done.tolist() == [1] * 50


def test_a_thread_that_comes_late_is_not_waited_for_and_finds_nothing_left():
    team, may_begin, came = ThreadTeam(), threading.Event(), threading.Event()
    counters, done = np.zeros(COUNTERS, np.int64), np.zeros(20, np.int64)

    def job(thread: int) -> None:
        if thread:
            may_begin.wait(20)
        count_pieces(counters.ctypes.data, 20, done)
        if thread:
            came.set()

    team.run(job, 2)
    assert done.tolist() == [1] * 20
    may_begin.set()
    assert came.wait(20)
    assert done.tolist() == [1] * 20


@numba.njit(nogil=True)
def take_one(counters):
    return claim(counters)


@numba.njit(nogil=True)
def give_one_back(counters):
    finish(counters)


@numba.njit(nogil=True)
def naps_until_done(counters, pieces):
    await_all(counters, pieces)


def test_a_piece_that_a_thread_holds_is_waited_for_however_long_it_takes():
    counters = np.zeros(COUNTERS, np.int64)
    assert take_one(counters.ctypes.data) == 0
    naps_until_done(counters.ctypes.data, 0)  # compiled
    waiting = threading.Thread(target=naps_until_done, args=(counters.ctypes.data, 1))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    give_one_back(counters.ctypes.data)
    waiting.join(20)
    assert not waiting.is_alive()


def test_one_thread_makes_no_other():
    before = threading.active_count()
    ThreadTeam().run(lambda thread: None, 1)
    assert threading.active_count() == before


def test_a_closed_team_has_ended_its_threads_and_the_caller_works_alone():
    team, seen = ThreadTeam(), set()
    before = threading.active_count()
    team.run(lambda thread: None, 3)
    assert threading.active_count() == before + 2
    team.close()
    team.close()
    assert threading.active_count() == before
    team.run(seen.add, 3)
    assert seen == {0}


def test_a_dismissed_team_is_not_waited_for_and_finishes_its_job():
    team, began, go, done = ThreadTeam(), threading.Event(), threading.Event(), []

    def job(thread: int) -> None:
        began.set() if thread else began.wait(60)
        if thread and go.wait(60):
            done.append(thread)

    team.run(job, 2)
    team.dismiss()
    assert done == []
    go.set()
    team.close()
    assert done == [1]


def test_a_process_may_end_while_a_thread_is_in_its_job():
    pytest.importorskip("torch", reason="needs torch (the extra full)")
    code = (
        "import threading, torch; from core.models.thread_team import TEAM\n"
        "began, numbers = threading.Event(), torch.rand(20_000)\n"
        "def job(thread):\n"
        "    began.set() if thread else began.wait()\n"
        "    for _ in range(2000 if thread else 0): numbers.sort()\n"
        "TEAM.run(job, 2)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
