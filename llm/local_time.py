"""Local wall time to instants and back, right across daylight saving. Instants are UTC seconds since 1970.

A local time that does not exist becomes the next one that does; one that exists twice is its first.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from core.utils.clock import Clock

SET_BACK_S = 2.0
"""less is a clock that is kept right, and no timer is late by it"""


class SetBack:
    """Notices that the wall clock was set back, by the clock that only goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = self._now()

    def seconds(self) -> float:
        """How far it was set back since the last call, or 0.0; a machine that slept only makes it later."""
        before, self._ahead = self._ahead, self._now()
        back_s = before - self._ahead
        return back_s if back_s > SET_BACK_S else 0.0

    def _now(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


class LocalTime:
    """The user's time zone: the clock's ZoneInfo where it has one, else the machine's own rules."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def now(self) -> float:
        """The current instant."""
        return self._clock.now().timestamp()

    @property
    def wall(self) -> datetime:
        """The current local time, without a zone."""
        return self.at(self.now)

    def at(self, instant: float) -> datetime:
        """The local time of an instant, without a zone."""
        return datetime.fromtimestamp(instant, self._zone()).replace(tzinfo=None)

    def instant(self, wall: datetime) -> float:
        """The instant of a local time given without a zone."""
        wall = wall.replace(fold=0)
        for _ in range(24 * 60):
            instant = wall.replace(tzinfo=self._zone()).timestamp()
            if self.at(instant).replace(fold=0) == wall:
                return instant
            wall += timedelta(minutes=1)
        return wall.replace(tzinfo=self._zone()).timestamp()

    def next(self, wall: time, weekdays: Collection[int] = (), after: float | None = None) -> float:
        """The first instant after `after` (default: now) at this local time.

        `weekdays` limits it to those days, 0 is Monday; none means any.
        """
        after = self.now if after is None else after
        day = self.at(after).date()
        for days in range(9):
            candidate = datetime.combine(day + timedelta(days=days), wall)
            if weekdays and candidate.weekday() not in weekdays:
                continue
            instant = self.instant(candidate)
            if instant > after:
                return instant
        raise ValueError(f"weekdays must be 0..6, got {sorted(weekdays)}")

    def next_day_of_month(self, wall: time, day: int, month: int = 0, after: float | None = None) -> float:
        """The first instant after `after` (default: now) at this local time on that day, 1 to 31, of a month.

        `month`: 1 to 12, 0 means every one. A month without that day has its last day instead.
        """
        after = self.now if after is None else after
        first = self.at(after).date().replace(day=1)
        for _ in range(14):
            if month in (0, first.month):
                last = monthrange(first.year, first.month)[1]
                instant = self.instant(datetime.combine(first.replace(day=min(day, last)), wall))
                if instant > after:
                    return instant
            first = (first + timedelta(days=31)).replace(day=1)
        raise ValueError(f"month must be 0..12 and day 1..31, got month {month}, day {day}")

    def _zone(self) -> tzinfo | None:
        """The clock's zone if it knows the rules of daylight saving; None means the machine's."""
        zone = self._clock.now().tzinfo
        return zone if isinstance(zone, ZoneInfo) or zone is UTC else None
