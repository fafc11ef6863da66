"""Work that several threads claim in pieces is done once, whoever comes when."""

from __future__ import annotations

import threading

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs numba (the extra full)")

from core.models.thread_team import COUNTERS, ThreadTeam, await_all, claim, finish  # noqa: E402


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


def test_one_thread_makes_no_other():
    before = threading.active_count()
    ThreadTeam().run(lambda thread: None, 1)
    assert threading.active_count() == before
