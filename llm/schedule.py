"""Timers, alarms and reminders: kept in the store, found when due. Knows nothing of speech.

Due times are instants of the wall clock, so they hold across a restart and a suspended machine; what recurs keeps
its local wall time, so an alarm at 07:30 stays there when daylight saving changes.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from core.utils.clock import Clock
from llm.local_time import LocalTime, SetBack
from llm.schedule_item import COLUMNS, MARKS, Item, Kind, read_item, values, written_days
from llm.store import Row, Store

__all__ = ["ALARM_RINGS", "Item", "Kind", "Schedule"]

logger = logging.getLogger(__name__)

ALARM_RINGS = 3
RING_AGAIN_S = 60.0
MISSED_S = 600.0
"""An alarm this late is told once instead of rung."""


class Schedule:
    """What will ring. Safe from any thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self.local = LocalTime(clock)
        self._set_back = SetBack(clock)
        self._last_rung: tuple[Item, ...] = ()
        self._lock = threading.RLock()
        self._dismissed_at = -math.inf
        self._damaged: set[int] = set()
        """told already"""
        self._over: frozenset[int] = frozenset()
        """has rung for good, and is not removed yet"""

    @property
    def now(self) -> float:
        """UTC seconds."""
        return self.local.now

    def add(self, item: Item) -> Item:
        """Keep an item; the one returned has its id. Raises DataError."""
        item = replace(item, first_due_at=item.first_due_at or item.due_at)
        identifier = self._store.execute(f"INSERT INTO schedule ({COLUMNS}) VALUES ({MARKS})", values(item))
        return replace(item, id=identifier)

    def restore(self, items: Sequence[Item]) -> None:
        """Put removed items back as they were."""
        for item in items:
            self._store.execute(
                f"INSERT OR REPLACE INTO schedule (id, {COLUMNS}) VALUES (?, {MARKS})", (item.id, *values(item))
            )

    def remove(self, items: Sequence[Item]) -> None:
        """Forget items."""
        for item in items:
            self._store.execute("DELETE FROM schedule WHERE id = ?", (item.id,))

    def items(self, kind: Kind | None = None) -> list[Item]:
        """Everything that will ring, the soonest first."""
        found = self._items(self._store.query("SELECT * FROM schedule ORDER BY due_at, id"))
        return [item for item in found if (kind is None or item.kind == kind) and item.id not in self._over]

    def due(self) -> list[Item]:
        """What should ring now. What counts seconds keeps those left where the clock was set back meanwhile."""
        self._follow_clock()
        rows = self._store.query(
            "SELECT * FROM schedule WHERE due_at <= ? AND left_s IS NULL ORDER BY due_at, id", (self.now,)
        )
        return self._items(rows)

    def _items(self, rows: Sequence[Row]) -> list[Item]:
        """Those that can be read. A damaged one stays where it is and costs itself alone."""
        found = []
        for row in rows:
            try:
                found.append(read_item(row))
            except (ValueError, TypeError, OverflowError, OSError) as error:
                if row["id"] not in self._damaged:
                    logger.error(
                        "item %s of the timers, alarms and reminders is damaged and left out: %s", row["id"], error
                    )
                self._damaged.add(row["id"])
        return found

    def _follow_clock(self) -> None:
        back_s = self._set_back.seconds()
        if not back_s:
            return
        with self._lock:
            for item in self.items():
                if item.kind == "timer" or item.every_s:
                    due_at, first_due_at = item.due_at - back_s, item.first_due_at - back_s
                    self._move(replace(item, due_at=due_at, first_due_at=first_due_at))

    def leave_out(self, items: Sequence[Item]) -> None:
        """These were heard: what does not ring again is over, though `rung` may fail while the disk is full."""
        self._over = frozenset(item.id for item in items if item.kind != "alarm" and not item.recurs)

    def rung(self, items: Sequence[Item], announced_at: float | None = None) -> None:
        """These were heard: timers and reminders are done, alarms ring again until dismissed or rung three times.

        A dismissal since `announced_at` (UTC seconds) counts for them too. Raises DataError, and may be called again.
        """
        with self._lock:
            self._last_rung = tuple(items)
            dismissed = announced_at is not None and self._dismissed_at >= announced_at
            for item in items:
                rings = item.rings + 1
                missed = self.now - item.first_due_at > MISSED_S
                if item.kind == "alarm" and rings < ALARM_RINGS and not (missed or dismissed):
                    self._move(replace(item, rings=rings, due_at=self.now + RING_AGAIN_S))
                else:
                    self._finish(item)
            self._over = frozenset()

    def dismiss(self) -> bool:
        """End alarms that are ringing; True when there was one."""
        with self._lock:
            self._dismissed_at = self.now
            ringing = [item for item in self.items("alarm") if item.rings > 0]
            for item in ringing:
                self._finish(item)
            return bool(ringing)

    def snooze(self, seconds: float) -> list[Item]:
        """What rang last rings again after `seconds`; returns what was snoozed."""
        with self._lock:
            rung, self._last_rung = self._last_rung, ()
            due_at = self.now + seconds
            current = {item.id for item in self.items()}
            for item in rung:
                if item.recurs and item.id in current:
                    self._finish(item)
                elif item.id in current:
                    self.remove([item])
            once = [_only_once(item, due_at) for item in rung]
            return [self.add(item) for item in once]

    def extend(self, item: Item, seconds: float) -> Item:
        """Let an item ring that much later."""
        with self._lock:
            due_at = item.due_at + seconds
            left_s = None if item.left_s is None else item.left_s + seconds
            later = replace(
                item, due_at=due_at, first_due_at=due_at, duration_s=item.duration_s + seconds, left_s=left_s
            )
            self._move(later)
            return later

    def rings_on(self, item: Item, day: date) -> bool:
        """Whether an item rings on a day to come."""
        first = self.local.at(item.due_at).date()
        return day == first or (day > first and day.weekday() in item.weekdays and day not in item.skipped)

    def skip(self, item: Item, day: date) -> Item:
        """Let what recurs leave out a day on which it would ring."""
        with self._lock:
            today = self.local.wall.date()
            skipping = replace(item, skipped=(*(one for one in item.skipped if one >= today), day))
            if self.local.at(item.due_at).date() == day:
                due_at = self._next(skipping) or item.due_at
                skipping = replace(skipping, due_at=due_at, first_due_at=due_at, rings=0)
            self._move(skipping)
            return skipping

    def pause(self, item: Item) -> Item:
        """Let an item wait until it is resumed."""
        with self._lock:
            paused = replace(item, left_s=max(0.0, item.left(self.now)))
            self._move(paused)
            return paused

    def resume(self, item: Item) -> Item:
        """Let a paused item go on from what was left."""
        return self._run(item, item.left(self.now))

    def restart(self, item: Item) -> Item:
        """Let a timer begin anew, paused or not."""
        return self._run(item, item.duration_s)

    def _run(self, item: Item, seconds: float) -> Item:
        with self._lock:
            due_at = self.now + seconds
            later = replace(item, due_at=due_at, first_due_at=due_at, left_s=None)
            self._move(later)
            return later

    def _finish(self, item: Item) -> None:
        due_at = self._next(item)
        if due_at is not None:
            self._move(replace(item, due_at=due_at, first_due_at=due_at, rings=0))
        else:
            self.remove([item])

    def _next(self, item: Item) -> float | None:
        """When an item that is done becomes due again, on a day that it does not skip."""
        due_at = self._after(item, max(self.now, item.first_due_at))
        while due_at is not None and self.local.at(due_at).date() in item.skipped:
            due_at = self._after(item, due_at)
        return due_at

    def _after(self, item: Item, after: float) -> float | None:
        if item.every_s:
            return item.first_due_at + (math.floor((after - item.first_due_at) / item.every_s) + 1) * item.every_s
        if item.wall is None:
            return None
        if item.day:
            return self.local.next_day_of_month(item.wall, item.day, item.month, after=after)
        return self.local.next(item.wall, item.weekdays, after=after) if item.weekdays else None

    def _move(self, item: Item) -> None:
        self._store.execute(
            "UPDATE schedule SET due_at = ?, first_due_at = ?, duration_s = ?, rings = ?, left_s = ?, skipped = ?"
            " WHERE id = ?",
            (item.due_at, item.first_due_at, item.duration_s, item.rings, item.left_s, written_days(item), item.id),
        )


def _only_once(item: Item, due_at: float) -> Item:
    return replace(
        item, due_at=due_at, first_due_at=due_at, rings=0, wall=None, weekdays=(), every_s=0.0, day=0, month=0,
        skipped=(),
    )  # fmt: skip
