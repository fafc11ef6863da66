"""What becomes due, and the row of the data file in which it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal, get_args

from core.messages import Language
from llm.store import Row

Kind = Literal["timer", "alarm", "reminder"]
COLUMNS = (
    "kind, text, language, due_at, first_due_at, duration_s, wall, weekdays, rings, left_s, every_s, day, month,"
    " skipped"
)
"""of a row, but its id"""
MARKS = ", ".join("?" * (COLUMNS.count(",") + 1))


@dataclass(frozen=True, slots=True)
class Item:
    """Something that becomes due."""

    kind: Kind
    text: str
    """a timer's name or a reminder's text; may be empty"""
    language: Language
    due_at: float
    """UTC seconds at which it rings next"""
    first_due_at: float = 0.0
    """UTC seconds at which this occurrence was due, before snoozing and repeated rings"""
    duration_s: float = 0.0
    """of a timer"""
    wall: time | None = None
    """local time of what recurs"""
    weekdays: tuple[int, ...] = ()
    """days of what recurs; 0 is Monday"""
    rings: int = 0
    left_s: float | None = None
    """of a timer that is paused: what was left of it"""
    every_s: float = 0.0
    """of what recurs after so many seconds again"""
    day: int = 0
    """of the month, of what recurs every month, or every year in `month`; a shorter month has its last day instead"""
    month: int = 0
    skipped: tuple[date, ...] = ()
    """days to come on which what recurs does not ring"""
    id: int = 0

    @property
    def recurs(self) -> bool:
        return bool(self.weekdays or self.every_s or self.day)

    def left(self, now: float) -> float:
        """Seconds until it rings, or from which it will go on."""
        return self.due_at - now if self.left_s is None else self.left_s


def written_days(item: Item) -> str:
    """Those it skips, as its row has them."""
    return " ".join(day.isoformat() for day in item.skipped)


def values(item: Item) -> tuple[str | float | int | None, ...]:
    """Of COLUMNS, in their order."""
    wall = item.wall.isoformat() if item.wall else ""
    weekdays = "".join(str(day) for day in item.weekdays)
    return (
        item.kind,
        item.text,
        item.language,
        item.due_at,
        item.first_due_at,
        item.duration_s,
        wall,
        weekdays,
        item.rings,
        item.left_s,
        item.every_s,
        item.day,
        item.month,
        written_days(item),
    )


def read_item(row: Row) -> Item:
    """Raises ValueError, TypeError, OverflowError or OSError for values that nobody has set."""
    if row["kind"] not in get_args(Kind) or row["language"] not in get_args(Language):
        raise ValueError(f"{row['kind']!r} in {row['language']!r}")
    for at in (row["due_at"], row["first_due_at"]):
        datetime.fromtimestamp(at, UTC)
    return Item(
        kind=row["kind"],
        text=row["text"],
        language=row["language"],
        due_at=row["due_at"],
        first_due_at=row["first_due_at"],
        duration_s=row["duration_s"],
        wall=time.fromisoformat(row["wall"]) if row["wall"] else None,
        weekdays=tuple(int(day) for day in row["weekdays"]),
        rings=row["rings"],
        left_s=row["left_s"],
        every_s=row["every_s"],
        day=row["day"],
        month=row["month"],
        skipped=tuple(map(date.fromisoformat, row["skipped"].split())),
        id=row["id"],
    )
