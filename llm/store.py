"""The one file that keeps notes, lists, timers and history: SQLite, mode 0600, safe from any thread.

What a method has returned from is on the disk. A file from a newer version is left untouched.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.utils.errors import DataError
from core.utils.paths import make_data_folder

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 4
BUSY_S = 5.0
"""how long another program that writes is waited for"""
MAKING_S = 10.0
"""at most, from a file's making to the first that is in it"""
_TABLES = {
    "entries": "id INTEGER PRIMARY KEY AUTOINCREMENT, list TEXT NOT NULL, text TEXT NOT NULL, created_at REAL NOT NULL",
    "schedule": (
        "id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, text TEXT NOT NULL, language TEXT NOT NULL,"
        " due_at REAL NOT NULL, first_due_at REAL NOT NULL, duration_s REAL NOT NULL, wall TEXT NOT NULL,"
        " weekdays TEXT NOT NULL, rings INTEGER NOT NULL, left_s REAL, every_s REAL NOT NULL DEFAULT 0,"
        " day INTEGER NOT NULL DEFAULT 0, month INTEGER NOT NULL DEFAULT 0, skipped TEXT NOT NULL DEFAULT ''"
    ),
    "turns": (
        "id INTEGER PRIMARY KEY AUTOINCREMENT, said_at REAL NOT NULL, user TEXT NOT NULL, reply TEXT NOT NULL,"
        " heard TEXT NOT NULL, language TEXT NOT NULL, call TEXT NOT NULL DEFAULT ''"
    ),
    "settings": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
}
_ADDED = {
    "schedule": {
        "left_s": "REAL",
        "every_s": "REAL NOT NULL DEFAULT 0",
        "day": "INTEGER NOT NULL DEFAULT 0",
        "month": "INTEGER NOT NULL DEFAULT 0",
        "skipped": "TEXT NOT NULL DEFAULT ''",
    },
    "turns": {"call": "TEXT NOT NULL DEFAULT ''"},
}
"""columns that files of earlier versions lack"""
_TABLES_THERE = "SELECT name FROM sqlite_schema WHERE type = 'table'"

Row = sqlite3.Row
Value = str | float | int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list such as "notes" or "shopping"."""

    id: int
    text: str


class Store:
    """`Store(path)` keeps its data in that file, `Store(None)` in memory. Every method may raise DataError."""

    def __init__(self, path: Path | None) -> None:
        self._name = str(path) if path else "memory"
        self._lock = threading.RLock()
        if path is not None:
            make_data_folder(path.parent)
        with self._explained():
            self._connection = self._open(path)

    def entries(self, list_name: str) -> list[Entry]:
        """The lines of a list, oldest first."""
        rows = self.query("SELECT id, text FROM entries WHERE list = ? ORDER BY id", (list_name,))
        return [Entry(row["id"], row["text"]) for row in rows]

    def list_names(self) -> list[str]:
        """The lists that have lines, the one that was begun first before the others."""
        return [row["list"] for row in self.query("SELECT list FROM entries GROUP BY list ORDER BY MIN(id)")]

    def add_entry(self, list_name: str, text: str) -> Entry:
        """Append a line."""
        identifier = self.execute(
            "INSERT INTO entries (list, text, created_at) VALUES (?, ?, ?)", (list_name, text, time.time())
        )
        return Entry(identifier, text)

    def put_entries(self, list_name: str, entries: Sequence[Entry]) -> None:
        """Put removed lines back where they were."""
        with self._explained(), self._connection as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO entries (id, list, text, created_at) VALUES (?, ?, ?, ?)",
                [(entry.id, list_name, entry.text, time.time()) for entry in entries],
            )

    def remove_entries(self, entries: Sequence[Entry]) -> None:
        """Remove these lines."""
        with self._explained(), self._connection as connection:
            connection.executemany("DELETE FROM entries WHERE id = ?", [(entry.id,) for entry in entries])

    def setting(self, name: str) -> str | None:
        """A value kept by `set_setting`, or None."""
        rows = self.query("SELECT value FROM settings WHERE name = ?", (name,))
        return rows[0]["value"] if rows else None

    def set_setting(self, name: str, value: str) -> None:
        """Keep a small value."""
        self.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """The rows of a SELECT."""
        with self._explained():
            return self._connection.execute(statement, values).fetchall()

    def execute(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Run one changing statement in a transaction of its own; returns the id of the row it inserted."""
        with self._explained(), self._connection as connection:
            return connection.execute(statement, values).lastrowid or 0

    def export(self) -> dict[str, list[dict[str, Any]]]:
        """All data as one JSON-ready document: table name to rows."""
        return {table: [dict(row) for row in self.query(f"SELECT * FROM {table}")] for table in _TABLES}

    def close(self) -> None:
        """Close the file; the store cannot be used after this."""
        with self._lock:
            self._connection.close()

    def _open(self, path: Path | None, alone: bool = False) -> sqlite3.Connection:
        """`alone` shares it with no other program, for which a full disk has no room: then what is kept can be read."""
        if path is None:
            connection = sqlite3.connect(":memory:", check_same_thread=False)
        else:
            if not alone and _became_empty(path):
                logger.error("%s: was empty; if there were notes or timers, restore a copy. A new one is begun", path)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)
            connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_S)
            if alone:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            self._prepare(connection)
        except (sqlite3.Error, DataError) as error:
            connection.close()
            if _code(error) == sqlite3.SQLITE_IOERR and path is not None and not alone:
                return self._open(path, alone=True)
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        connection.text_factory = _text
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise DataError(
                f"{self._name}: was written by a newer Merline (data version {version}, this one reads up to "
                f"{SCHEMA_VERSION}); update Merline, or set MERLINE_HOME to another folder"
            )
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        if version == SCHEMA_VERSION and {row["name"] for row in connection.execute(_TABLES_THERE)} >= _TABLES.keys():
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, columns in _TABLES.items():
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
                there = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
                for column, kind in _ADDED.get(table, {}).items():
                    if column not in there:
                        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Hold the lock, and turn SQLite's errors into ones that name the file and the cure."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise DataError(f"{self._name}: {_cure(error)}") from error
            except OSError as error:
                raise DataError(
                    f"{self._name}: cannot be opened ({error.strerror}); check its permissions or set MERLINE_HOME"
                ) from error


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Wait for another program that is about the same, as at two first starts; SQLite's own timeout does not count."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _became_empty(path: Path) -> bool:
    """Not where another program that starts at the same moment has just made it and writes to it next."""
    if not path.is_file():
        return False
    found = path.stat()
    return found.st_size == 0 and time.time() - found.st_mtime > MAKING_S


def _text(kept: bytes) -> str:
    """A damaged letter costs itself, not all that is kept beside it."""
    return kept.decode("utf-8", "replace")


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 where the error has none."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _cure(error: sqlite3.Error) -> str:
    code = _code(error)
    if code == sqlite3.SQLITE_FULL:
        return "could not be written, the disk is full; free some space and say it again"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return "is read-only; make it and its folder writable, or set MERLINE_HOME to another folder"
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return "is damaged or not a Merline data file; move it away and start again, or restore a copy"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "is in use by another program; close that one"
    return f"could not be used ({error}); check the disk"
