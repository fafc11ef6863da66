"""The data file: durable, private, and clear about what is wrong with it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.utils.clock import SystemClock
from core.utils.config import MemoryConfig
from core.utils.errors import DataError
from llm.conversation import Conversation, Exchange
from llm.schedule import Schedule
from llm.store import SCHEMA_VERSION, Store

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import sys
from pathlib import Path
from llm.store import Store
store = Store(Path(sys.argv[1]))
for number in range(1000000):
    store.add_entry("notes", f"note {number}")
    print(number, flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "merline.db"


def test_entries_are_kept_in_order_and_come_back_where_they_were(file: Path) -> None:
    store = Store(file)
    first, second = store.add_entry("notes", "one"), store.add_entry("notes", "two")
    store.add_entry("shopping", "milk")
    store.remove_entries([first])
    store.close()
    store = Store(file)
    assert store.entries("notes") == [second]
    store.put_entries("notes", [first])
    assert [entry.text for entry in store.entries("notes")] == ["one", "two"]
    store.close()


def test_the_file_is_for_its_owner_alone(file: Path) -> None:
    store = Store(file)
    store.add_entry("notes", "secret")
    for path in file.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    store.close()


def test_what_was_acknowledged_survives_a_kill(file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    assert writer.stdout is not None
    acknowledged = -1
    for line in writer.stdout:
        acknowledged = int(line)
        if acknowledged >= 5:
            break
    os.kill(writer.pid, signal.SIGKILL)
    later = writer.stdout.read().split()
    acknowledged = max([acknowledged, *map(int, later)])
    writer.stdout.close()
    writer.wait()
    store = Store(file)
    kept = [entry.text for entry in store.entries("notes")]
    store.close()
    assert kept[: acknowledged + 1] == [f"note {number}" for number in range(acknowledged + 1)]


def test_a_newer_file_is_named_and_left_alone(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.execute("CREATE TABLE future (x)")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    with pytest.raises(DataError, match=r"merline\.db: was written by a newer Merline .* update Merline"):
        Store(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is a text, not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_damaged_file_is_named_and_left_alone(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"merline\.db: is damaged or not a Merline data file"):
        Store(file)
    assert file.read_bytes() == content


def fill(store: Store) -> None:
    for _ in range(100):
        store.add_entry("notes", "x" * 4000)


def test_an_empty_file_is_told_and_begun_anew(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As a machine leaves it that lost power; it looked like a first start."""
    Store(file).close()
    assert caplog.text == ""
    os.truncate(file, 0)
    os.utime(file, (0, 0))
    store = Store(file)
    assert store.entries("notes") == []
    store.close()
    assert "merline.db: was empty" in caplog.text


def test_a_file_that_another_first_start_is_making_is_no_lost_one(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.touch()
    Store(file).close()
    assert caplog.text == ""


def test_a_first_start_waits_for_another_one_that_makes_the_file(file: Path) -> None:
    """SQLite gives up at once where two make the file's log."""
    other = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    made = threading.Timer(0.3, other.execute, ("COMMIT",))
    made.start()
    Store(file).close()
    made.join()
    other.close()


def test_a_table_that_has_gone_costs_itself_alone(file: Path) -> None:
    store = Store(file)
    store.add_entry("notes", "kept")
    store.execute("DROP TABLE schedule")
    store.close()
    store = Store(file)
    assert Schedule(store, SystemClock()).items() == []
    assert [entry.text for entry in store.entries("notes")] == ["kept"]
    store.close()


def test_a_damaged_letter_costs_itself_alone(file: Path) -> None:
    store = Store(file)
    store.add_entry("notes", "call Dave")
    store.execute("UPDATE entries SET text = CAST(x'63616c6cff44617665' AS TEXT)")
    store.add_entry("notes", "buy stamps")
    assert [entry.text for entry in store.entries("notes")] == ["call\ufffdDave", "buy stamps"]
    store.close()


def test_a_full_disk_is_said_plainly_and_nothing_kept_is_lost(file: Path) -> None:
    store = Store(file)
    store.add_entry("notes", "kept")
    pages = store.query("PRAGMA page_count")[0][0]
    store.query(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(DataError, match="disk is full; free some space"):
        fill(store)
    kept = store.entries("notes")
    store.query("PRAGMA max_page_count = 100000")
    store.add_entry("notes", "after")
    assert [entry.text for entry in store.entries("notes")] == [*(entry.text for entry in kept), "after"]
    assert kept[0].text == "kept"
    store.close()


READ_WHERE_NOTHING_CAN_BE_WRITTEN = """
import resource, sys
from pathlib import Path
from core.utils.errors import DataError
from llm.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
store = Store(Path(sys.argv[1]))
print([entry.text for entry in store.entries("notes")])
try:
    store.add_entry("notes", "lost")
except DataError:
    print("told")
"""


def test_what_was_kept_is_read_where_the_disk_is_full_from_the_start(file: Path) -> None:
    store = Store(file)
    store.add_entry("notes", "kept")
    store.close()
    command = [sys.executable, "-c", READ_WHERE_NOTHING_CAN_BE_WRITTEN, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split("\n") == ["['kept']", "told", ""], done.stderr


def test_a_read_only_file_is_said_plainly(file: Path) -> None:
    store = Store(file)
    store.add_entry("notes", "kept")
    store.query("PRAGMA query_only = ON")
    with pytest.raises(DataError, match="is read-only; make it"):
        store.add_entry("notes", "lost")
    assert [entry.text for entry in store.entries("notes")] == ["kept"]
    store.close()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write to any folder")
def test_a_read_only_folder_is_said_plainly(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    with pytest.raises(DataError, match="read-only"):
        Store(folder / "merline.db")


def test_a_folder_in_the_way_is_said_plainly(file: Path) -> None:
    file.mkdir()
    with pytest.raises(DataError, match="cannot be opened"):
        Store(file)


def test_export_holds_everything(file: Path) -> None:
    store = Store(file)
    store.add_entry("notes", "a-secret-word")
    store.set_setting("language", "fr")
    document = json.loads(json.dumps(store.export()))
    assert document["entries"][0]["text"] == "a-secret-word"
    assert document["settings"] == [{"name": "language", "value": "fr"}]
    assert set(document) == {"entries", "schedule", "turns", "settings"}
    store.close()


def test_many_threads_write_at_once(file: Path) -> None:
    store = Store(file)

    def write(name: int) -> None:
        for number in range(20):
            store.add_entry("notes", f"{name}-{number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({entry.text for entry in store.entries("notes")}) == 80
    store.close()


def test_a_file_of_the_version_before_is_read_and_goes_on(file: Path) -> None:
    before = sqlite3.connect(file)
    before.execute(
        "CREATE TABLE schedule (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, text TEXT NOT NULL,"
        " language TEXT NOT NULL, due_at REAL NOT NULL, first_due_at REAL NOT NULL, duration_s REAL NOT NULL,"
        " wall TEXT NOT NULL, weekdays TEXT NOT NULL, rings INTEGER NOT NULL)"
    )
    before.execute("INSERT INTO schedule VALUES (7, 'reminder', 'call Bob', 'en', 50.0, 50.0, 0, '09:00:00', '05', 0)")
    before.execute("PRAGMA user_version = 1")
    before.commit()
    before.close()
    for _ in range(2):
        store = Store(file)
        schedule = Schedule(store, SystemClock())
        (kept,) = schedule.items("reminder")
        assert (kept.text, kept.weekdays, kept.left_s, kept.every_s, kept.skipped) == (
            "call Bob",
            (0, 5),
            None,
            0.0,
            (),
        )
        store.close()


def test_the_turns_of_a_file_of_version_2_are_kept_and_later_ones_hold_their_calls(file: Path) -> None:
    before = sqlite3.connect(file)
    before.execute(
        "CREATE TABLE turns (id INTEGER PRIMARY KEY AUTOINCREMENT, said_at REAL NOT NULL, user TEXT NOT NULL,"
        " reply TEXT NOT NULL, heard TEXT NOT NULL, language TEXT NOT NULL)"
    )
    old = (7, 50.0, "fünf Minuten ⏰", "Timer set for 5 minutes.", "Timer set", "en")
    before.execute("INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?)", old)
    before.execute("PRAGMA user_version = 2")
    before.commit()
    before.close()
    store = Store(file)
    conversation = Conversation(MemoryConfig(), store)
    conversation.add(Exchange(1, "nine more", ("Timer set for 9 minutes.",), "en", call='{"name": "SetTimer"}'))
    store.close()
    store = Store(file)
    kept, new = store.export()["turns"]
    assert tuple(kept.values()) == (*old, "")
    assert (new["id"], new["user"], new["call"]) == (8, "nine more", '{"name": "SetTimer"}')
    store.close()
