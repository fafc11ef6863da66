"""The record of past turns as JSON lines in the data folder, readable by the user alone, the latest ones only.

A full disk or a damaged line costs records, never a turn. Words are kept only where the conversation may be.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.app.assistant import EngineNames
from core.turns import TurnRecord
from core.utils.errors import DataError
from core.utils.waterfall import PARTS, Waterfall

logger = logging.getLogger(__name__)

FILE = "turns.jsonl"
KEPT = 1000
"""turns; the file is cut back to so many once it holds twice as many"""
MOST_BYTES = 8_000_000
"""of the file's end are looked at: twice as many turns take a megabyte; one that somebody else made may be larger"""
LONGEST_MS = 1e9
"""of a part of a turn; 11 days"""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """One turn as it is kept."""

    at: str
    """ISO time of its end"""
    turn: int
    engines: EngineNames
    waterfall_ms: Waterfall
    transcript: str = ""
    reply: str = ""
    failed: str = ""
    """the stage that lost it"""


def past_turn(record: TurnRecord, at: datetime, engines: EngineNames, words: bool) -> PastTurn:
    """A finished turn as it is kept, with what was said or without."""
    return PastTurn(
        at.isoformat(timespec="milliseconds"),
        record.turn,
        engines,
        record.waterfall_ms,
        record.transcript if words else "",
        record.reply if words else "",
        record.failed,
    )


class TurnFile:
    """`keep(record)` appends one turn; any thread. `words` says whether what was said is kept too."""

    def __init__(
        self, path: Path, now: Callable[[], datetime], engines: Callable[[], EngineNames], words: bool
    ) -> None:
        self._path = path
        self._now = now
        self._engines = engines
        self._words = words
        self._lines = _count_lines(path)
        self._failed = False

    def keep(self, record: TurnRecord) -> None:
        """Write it down. What cannot be written is reported once."""
        past = past_turn(record, self._now(), self._engines(), self._words)
        try:
            if self._lines >= 2 * KEPT:
                self._cut_back()
            begin = "\n" if _broke_off(self._path) else ""
            with open(self._path, "a", encoding="utf-8", opener=_private) as out:
                out.write(f"{begin}{json.dumps(asdict(past), ensure_ascii=False)}\n")
            self._lines += 1
            self._failed = False
        except OSError as error:
            if not self._failed:
                logger.warning("%s: turns are not recorded (%s)", self._path, error.strerror)
            self._failed = True

    def _cut_back(self) -> None:
        lines = _lines(self._path)[-KEPT:]
        partial = self._path.with_name(self._path.name + ".part")
        with open(partial, "w", encoding="utf-8", opener=_private) as out:
            out.writelines(f"{line}\n" for line in lines)
        os.replace(partial, self._path)
        self._lines = len(lines)


def read_turns(path: Path) -> list[PastTurn]:
    """The latest that can be read, `2 * KEPT` at most, the oldest first; damaged lines are left out.

    Raises DataError for an unreadable file.
    """
    if not path.exists():
        return []
    try:
        found = _lines(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); move it away, and the next turn begins a new one"
        ) from error
    turns = []
    for behind, line in zip(range(len(found), 0, -1), found, strict=True):
        try:
            turns.append(_from_json(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            logger.warning("%s: line %d from its end is damaged (%s) and left out", path, behind, error)
    return turns


def _from_json(plain: dict[str, Any]) -> PastTurn:
    parts = {name: _milliseconds(plain["waterfall_ms"].get(name)) for name in PARTS}
    engines = EngineNames(**{name: str(plain["engines"][name]) for name in EngineNames.__slots__})
    words = {name: str(plain.get(name, "")) for name in ("transcript", "reply", "failed")}
    for word in words.values():
        word.encode()  # half of a surrogate pair cannot be printed: a ValueError
    return PastTurn(str(plain["at"]), int(plain["turn"]), engines, Waterfall(**parts), **words)


def _milliseconds(length: float | str | None) -> float | None:
    """Raises ValueError for what is no length of time."""
    if length is None:
        return None
    found = float(length)
    if not abs(found) <= LONGEST_MS:
        raise ValueError(f"{found} ms")
    return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lines(path: Path) -> list[str]:
    """The latest, `2 * KEPT` at most. Not by splitlines, which also divides at characters that a reply may hold."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
    if size > MOST_BYTES:
        del lines[0]  # it began before
    if lines and not lines[-1]:
        del lines[-1]
    return lines[-2 * KEPT :]


def _broke_off(path: Path) -> bool:
    """Whether the last line was not written to its end, as when the disk was full."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with open(path, "rb") as written:
        written.seek(-1, os.SEEK_END)
        return written.read(1) != b"\n"


def _count_lines(path: Path) -> int:
    """As many as make `keep` cut a large file back; 0 for one that cannot be read, which `keep` then tells."""
    try:
        return 2 * KEPT if path.stat().st_size > MOST_BYTES else len(_lines(path))
    except OSError:
        return 0
