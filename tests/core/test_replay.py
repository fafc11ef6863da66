"""The clock of a recording that is worked through: work that takes longer than a frame stays late, as it does aloud."""

from __future__ import annotations

from datetime import datetime

import pytest

from core.app.replay import ReplayClock


class WorkClock:
    """Time passes by `work`."""

    def __init__(self) -> None:
        self.worked_s = 100.0

    def monotonic(self) -> float:
        return self.worked_s

    def now(self) -> datetime:
        return datetime(2026, 11, 27)

    def work(self, seconds: float) -> None:
        self.worked_s += seconds


def test_work_in_a_pause_is_late_until_the_recording_has_caught_up():
    work = WorkClock()
    clock = ReplayClock(work)
    clock.frame_ended(101.0)
    work.work(5.0)
    clock.frame_ended(101.02)
    assert clock.monotonic() == pytest.approx(106.0), "five seconds of thinking were forgotten at the next frame"
    clock.frame_ended(108.0)
    work.work(0.01)
    assert clock.monotonic() == pytest.approx(108.01)


def test_loading_the_engines_is_no_part_of_the_wait():
    work = WorkClock()
    clock = ReplayClock(work)
    work.work(30.0)
    clock.frame_ended(100.02)
    assert clock.monotonic() == pytest.approx(100.02)
