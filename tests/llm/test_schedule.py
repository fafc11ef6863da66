"""Due times across daylight saving, suspension and restarts."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from skill_rig import PARIS, ZoneClock

from llm.local_time import LocalTime
from llm.schedule import ALARM_RINGS, Item, Schedule
from llm.store import Store


def paris(year: int, month: int, day: int, hour: int, minute: int = 0, fold: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=PARIS, fold=fold)


def make(clock: ZoneClock, store: Store | None = None) -> Schedule:
    return Schedule(store or Store(None), clock)


@pytest.mark.parametrize(
    ("start", "wall", "expected"),
    [
        # 2026-03-29 02:00 -> 03:00 and 2026-10-25 03:00 -> 02:00 in Paris.
        (paris(2026, 3, 28, 22), time(7, 30), paris(2026, 3, 29, 7, 30)),
        (paris(2026, 10, 24, 22), time(7, 30), paris(2026, 10, 25, 7, 30)),
        (paris(2026, 3, 28, 22), time(2, 30), paris(2026, 3, 29, 3, 0)),
        (paris(2026, 10, 24, 22), time(2, 30), paris(2026, 10, 25, 2, 30, fold=0)),
        (paris(2026, 10, 25, 2, 45, fold=0), time(2, 30), paris(2026, 10, 26, 2, 30)),
    ],
)
def test_the_next_local_time_is_right_across_daylight_saving(start: datetime, wall: time, expected: datetime) -> None:
    assert LocalTime(ZoneClock(start)).next(wall) == expected.timestamp()


def test_a_clock_that_is_set_back_leaves_timers_what_is_left_of_them() -> None:
    clock = ZoneClock(paris(2026, 11, 27, 20))
    schedule = make(clock)
    schedule.add(Item("timer", "", "en", schedule.now + 600, duration_s=600))
    waits = schedule.pause(schedule.add(Item("timer", "tea", "en", schedule.now + 300, duration_s=300)))
    schedule.add(Item("reminder", "stretch", "en", schedule.now + 900, every_s=3600))
    alarm_at = schedule.local.instant(datetime(2026, 11, 27, 21, 30))
    schedule.add(Item("alarm", "", "en", alarm_at))
    schedule.due()
    clock.advance(60)
    clock.suspend(-7200)
    assert schedule.due() == []
    found = {item.text or item.kind: item for item in schedule.items()}
    assert found["timer"].left(schedule.now) == pytest.approx(540)
    assert found["tea"].left(schedule.now) == waits.left_s
    assert found["stretch"].left(schedule.now) == pytest.approx(840)
    assert found["alarm"].due_at == alarm_at
    clock.advance(540)
    assert [item.kind for item in schedule.due()] == ["timer"]
    for seconds in (1.0, -1.0, 3600.0):  # kept right, and asleep
        clock.suspend(seconds)
        schedule.due()
    assert found["stretch"].due_at == next(item for item in schedule.items() if item.text == "stretch").due_at


def test_a_daily_alarm_stays_at_its_wall_time_across_both_changes() -> None:
    for start in (paris(2026, 3, 27, 12), paris(2026, 10, 23, 12)):
        clock = ZoneClock(start)
        schedule = make(clock)
        due_at = schedule.local.next(time(7, 30))
        schedule.add(Item("alarm", "", "en", due_at, wall=time(7, 30), weekdays=(0, 1, 2, 3, 4, 5, 6)))
        rung = []
        for _ in range(4 * 24 * 60):
            clock.advance(60)
            due = schedule.due()
            if due:
                rung.append(clock.now().replace(tzinfo=None))
                schedule.rung(due)
                schedule.dismiss()
        assert [(moment.hour, moment.minute) for moment in rung] == [(7, 30)] * 4


def test_an_alarm_in_the_hour_that_comes_twice_rings_once() -> None:
    clock = ZoneClock(paris(2026, 10, 24, 22))
    schedule = make(clock)
    item = Item("alarm", "", "en", schedule.local.next(time(2, 30)), wall=time(2, 30), weekdays=(0, 1, 2, 3, 4, 5, 6))
    schedule.add(item)
    rung = 0
    for _ in range(10 * 60):
        clock.advance(60)
        due = schedule.due()
        if due:
            rung += 1
            schedule.rung(due)
            schedule.dismiss()
    assert rung == 1


def test_weekdays_are_kept_and_the_soonest_comes_first() -> None:
    schedule = make(ZoneClock(paris(2026, 11, 21, 14)))
    monday = schedule.local.next(time(9), (0,))
    assert schedule.local.at(monday) == datetime(2026, 11, 23, 9)
    working = schedule.local.next(time(9), (0, 1, 2, 3, 4), after=monday)
    assert schedule.local.at(working) == datetime(2026, 11, 24, 9)
    with pytest.raises(ValueError, match="weekdays"):
        schedule.local.next(time(9), (9,))


def test_a_timer_is_right_after_the_machine_slept() -> None:
    clock = ZoneClock()
    schedule = make(clock)
    schedule.add(Item("timer", "tea", "en", schedule.now + 600, duration_s=600))
    clock.advance(60)
    assert schedule.due() == []
    clock.suspend(3600)
    assert [item.text for item in schedule.due()] == ["tea"]


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    clock = ZoneClock()
    store = Store(tmp_path / "merline.db")
    schedule = make(clock, store)
    added = [
        schedule.add(Item("timer", "tea", "en", schedule.now + 60, duration_s=60)),
        schedule.add(Item("reminder", "boire de l'eau", "fr", schedule.now + 120, wall=time(9, 5), weekdays=(0, 6))),
    ]
    store.close()
    store = Store(tmp_path / "merline.db")
    assert make(clock, store).items() == added
    store.close()


def test_an_alarm_rings_three_times_a_minute_apart() -> None:
    clock = ZoneClock()
    schedule = make(clock)
    schedule.add(Item("alarm", "", "en", schedule.now + 10))
    rings = []
    for second in range(600):
        clock.advance(1)
        due = schedule.due()
        if due:
            rings.append(second)
            schedule.rung(due)
    assert len(rings) == ALARM_RINGS
    assert rings == [9, 69, 129]
    assert schedule.items() == []


def test_a_dismissed_alarm_is_over_and_a_recurring_one_comes_again() -> None:
    clock = ZoneClock()
    schedule = make(clock)
    schedule.add(Item("alarm", "", "en", schedule.now))
    schedule.add(Item("alarm", "", "en", schedule.now, wall=time(14, 30), weekdays=(5,)))
    assert not schedule.dismiss()
    schedule.rung(schedule.due())
    assert schedule.dismiss()
    assert [schedule.local.at(item.due_at) for item in schedule.items()] == [datetime(2026, 11, 28, 14, 30)]


def test_snooze_rings_again_once_and_keeps_what_recurs() -> None:
    clock = ZoneClock()
    schedule = make(clock)
    schedule.add(Item("alarm", "", "en", schedule.now, wall=time(14, 30), weekdays=(5,)))
    schedule.rung(schedule.due())
    snoozed = schedule.snooze(300)
    assert [item.due_at - schedule.now for item in snoozed] == [300]
    assert len(schedule.items("alarm")) == 2
    assert schedule.snooze(300) == []
    clock.advance(300)
    assert [item.id for item in schedule.due()] == [snoozed[0].id]


def test_a_day_that_is_skipped_stays_silent_and_the_others_ring(tmp_path: Path) -> None:
    clock = ZoneClock()
    store = Store(tmp_path / "merline.db")
    schedule = make(clock, store)
    monday = date(2026, 11, 23)
    alarm = schedule.add(
        Item("alarm", "", "en", schedule.local.next(time(6, 30), range(5)), wall=time(6, 30), weekdays=tuple(range(5)))
    )
    alarm = schedule.skip(alarm, monday + timedelta(days=2))
    alarm = schedule.skip(alarm, monday)
    assert schedule.rings_on(alarm, monday + timedelta(days=1))
    assert not any(schedule.rings_on(alarm, monday + timedelta(days=days)) for days in (-1, 0, 2, 5))
    store.close()
    store = Store(tmp_path / "merline.db")
    schedule = make(clock, store)
    rung = []
    for _ in range(10 * 24 * 2):
        clock.advance(1800)
        if due := schedule.due():
            rung.append(schedule.local.wall.day)
            schedule.rung(due)
            schedule.dismiss()
    assert rung == [24, 26, 27, 30, 1]
    store.close()


@pytest.mark.parametrize(
    "damage",
    ["wall = '07:3'", "weekdays = 'x'", "kind = 'dance'", "language = 'xx'", "due_at = -1e300", "skipped = '2026-'"],
)
def test_a_damaged_item_costs_itself_alone(damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """It ended every conversation that looked for what is due."""
    store, clock = Store(None), ZoneClock(paris(2026, 11, 28, 7))
    schedule = make(clock, store)
    damaged = schedule.add(Item("alarm", "", "en", schedule.now + 60))
    kept = schedule.add(Item("timer", "tea", "en", schedule.now + 60, duration_s=60))
    store.execute(f"UPDATE schedule SET {damage} WHERE id = {damaged.id}")
    clock.advance(61)
    for _ in range(3):
        assert schedule.items() == schedule.due() == [kept]
    schedule.rung([kept])
    assert schedule.due() == []
    assert caplog.text.count("is damaged and left out") == 1
    assert store.query("SELECT id FROM schedule")[0]["id"] == damaged.id, "it is left for who can mend it"
