"""DiskCache: what comes back is what was put or nothing, whatever happens to the process, its files or the disk."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from core.optimization.disk_cache import ABANDONED_S, DiskCache, DiskCacheConfig
from core.optimization.disk_entry import MAGIC, DamagedEntryError, decode_entry, encode_entry
from tests.fakes import VirtualClock

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and pipes of POSIX")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def disk(tmp_path: Path, clock: VirtualClock) -> DiskCache:
    return DiskCache(DiskCacheConfig(tmp_path / "cache"), clock)


def only_file(disk: DiskCache) -> Path:
    (path,) = disk.config.folder.iterdir()
    return path


def use_in_order(disk: DiskCache, keys: str) -> None:
    """Sets the times of use apart, which the file system's clock may not do."""
    for second, key in enumerate(keys):
        os.utime(disk._path(key), (1_700_000_000 + second,) * 2)


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=10,
)
ARRAYS = np_st.arrays(
    st.one_of(
        np_st.floating_dtypes(), np_st.integer_dtypes(), np_st.boolean_dtypes(), np_st.unicode_string_dtypes(max_len=5)
    ),
    np_st.array_shapes(min_dims=0, max_dims=3, max_side=4),
)


class TestEntries:
    @given(st.text(max_size=20), st.one_of(st.binary(), PLAIN))
    def test_plain_values_come_back_as_they_were(self, key: str, value: object):
        raw = encode_entry(key, value, 12.5)
        assert raw is not None
        entry = decode_entry(raw, key)
        assert (repr(entry.value), entry.kept_at_s) == (repr(value), 12.5)

    @given(ARRAYS)
    def test_arrays_come_back_as_they_were(self, array: np.ndarray):
        raw = encode_entry("key", array, 0.0)
        assert raw is not None
        found = decode_entry(raw, "key").value
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())

    @pytest.mark.parametrize(
        "value",
        [
            (1, 2),
            {1: "a"},
            {"a": {1, 2}},
            float("inf"),
            np.float32(1),
            np.array([object()]),
            bytearray(b"a"),
            object(),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_what_would_come_back_as_something_else_is_not_kept(self, value: object):
        assert encode_entry("key", value, 0.0) is None

    def test_a_circle_is_not_kept(self):
        circle: list[object] = []
        circle.append(circle)
        assert encode_entry("key", circle, 0.0) is None

    @given(st.data())
    def test_any_damage_is_noticed(self, data: st.DataObject):
        raw = encode_entry("key", np.arange(5), 1.0)
        assert raw is not None
        at = data.draw(st.integers(0, len(raw) - 1))
        flipped = bytearray(raw)
        flipped[at] ^= data.draw(st.integers(1, 255))
        for damaged in (bytes(flipped), raw[:at], raw + b"\0"):
            with pytest.raises(DamagedEntryError):
                decode_entry(damaged, "key")

    def test_another_keys_entry_is_noticed(self):
        raw = encode_entry("one", b"value", 1.0)
        assert raw is not None
        with pytest.raises(DamagedEntryError, match="another key"):
            decode_entry(raw, "two")


class TestFiles:
    def test_what_was_put_is_found_by_another(self, disk: DiskCache, clock: VirtualClock):
        assert disk.put("a", {"text": "bonjour", "tokens": [1, 2]})
        clock.advance(3.0)
        found = DiskCache(disk.config, clock).get("a")
        assert found is not None
        assert (found.value, found.age_s) == ({"text": "bonjour", "tokens": [1, 2]}, 3.0)
        assert disk.get("b") is None

    def test_the_age_is_checked_and_never_negative(self, disk: DiskCache, clock: VirtualClock):
        disk.put("a", b"one")
        clock.advance(-100.0)
        found = disk.get("a")
        assert found is not None
        assert found.age_s == 0.0
        clock.advance(110.0)
        assert disk.get("a", max_age_s=10.0) is None
        assert list(disk.config.folder.iterdir()) == []

    def test_a_value_that_is_not_kept_removes_the_older_one(self, disk: DiskCache):
        disk.put("a", b"one")
        assert not disk.put("a", ("a", "tuple"))
        assert disk.get("a") is None
        assert disk.statistics().not_kept == 1

    @posix
    def test_only_the_user_may_read(self, tmp_path: Path):
        folder = tmp_path / "cache"
        folder.mkdir(mode=0o755)
        disk = DiskCache(DiskCacheConfig(folder))
        disk.put("a", b"one")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(only_file(disk).stat().st_mode) == 0o600

    @pytest.mark.parametrize("damage", ["cut", "empty", "changed", "foreign"])
    def test_a_damaged_file_is_dropped_and_counted(self, disk: DiskCache, damage: str):
        disk.put("a", np.arange(100))
        path = only_file(disk)
        raw = path.read_bytes()
        changed = {"cut": raw[:-1], "empty": b"", "changed": raw[:-1] + b"\xff", "foreign": MAGIC + b"hello"}
        path.write_bytes(changed[damage])
        assert disk.get("a") is None
        assert not path.exists()
        assert disk.statistics().dropped == 1
        assert disk.put("a", b"again")
        assert disk.get("a") is not None

    @posix
    @pytest.mark.parametrize("kind", ["link", "pipe"])
    def test_a_link_or_a_pipe_in_its_place_is_dropped(self, disk: DiskCache, tmp_path: Path, kind: str):
        disk.put("a", b"one")
        path = only_file(disk)
        elsewhere = path.rename(tmp_path / "elsewhere")
        path.symlink_to(elsewhere) if kind == "link" else os.mkfifo(path)
        assert disk.get("a") is None
        assert not path.is_symlink()
        assert not path.exists()
        assert elsewhere.exists()
        assert disk.statistics().dropped == 1

    def test_a_file_larger_than_the_cache_is_not_read(self, disk: DiskCache):
        disk.put("a", b"one")
        with only_file(disk).open("ab") as file:
            file.truncate(disk.config.max_bytes + 1)
        assert disk.get("a") is None
        assert disk.statistics().dropped == 1

    def test_foreign_files_are_left_alone(self, disk: DiskCache):
        note = disk.config.folder / "note.txt"
        note.write_text("mine")
        disk.put("a", b"one")
        disk.clear()
        assert list(disk.config.folder.iterdir()) == [note]


class TestBound:
    def total(self, disk: DiskCache) -> int:
        return sum(path.stat().st_size for path in disk.config.folder.iterdir())

    def test_the_least_recently_used_file_goes_first(self, tmp_path: Path, clock: VirtualClock):
        disk = DiskCache(DiskCacheConfig(tmp_path, max_bytes=5_000), clock)
        for key in "abcd":
            disk.put(key, bytes(1_000))
        use_in_order(disk, "abcd")
        assert disk.get("a") is not None
        disk.put("e", bytes(1_000))
        held = {key for key in "abcde" if disk._path(key).exists()}
        assert held == {"a", "c", "d", "e"}
        assert disk.statistics().evicted == 1

    def test_it_is_never_passed(self, tmp_path: Path, clock: VirtualClock):
        disk = DiskCache(DiskCacheConfig(tmp_path, max_bytes=20_000), clock)
        for number in range(200):
            disk.put(str(number % 37), bytes(37 * number % 3_000))
            assert self.total(disk) <= 20_000
        assert not disk.put("large", bytes(20_000))

    def test_what_others_left_counts(self, tmp_path: Path, clock: VirtualClock):
        config = DiskCacheConfig(tmp_path, max_bytes=100_000)
        for number in range(50):
            DiskCache(config, clock).put(str(number), bytes(1_000))
        small = DiskCache(DiskCacheConfig(tmp_path, max_bytes=10_000), clock)
        assert self.total(small) <= 10_000

    def test_making_room_leaves_another_writers_unfinished_file_alone(self, tmp_path: Path, clock: VirtualClock):
        disk = DiskCache(DiskCacheConfig(tmp_path, max_bytes=5_000), clock)
        unfinished = tmp_path / "other.partial"
        unfinished.write_bytes(bytes(1_000))
        for number in range(20):
            assert disk.put(str(number), bytes(1_000))
            os.utime(disk._path(str(number)))
        assert unfinished.exists()
        assert self.total(disk) <= 5_000

    def test_unfinished_files_of_a_crashed_writer_are_swept(self, disk: DiskCache, clock: VirtualClock):
        old, fresh = (disk.config.folder / f"{name}.partial" for name in ("old", "fresh"))
        for path in (old, fresh):
            path.write_bytes(b"half")
        long_ago = old.stat().st_mtime - 2 * ABANDONED_S
        os.utime(old, (long_ago, long_ago))
        DiskCache(disk.config, clock)
        assert not old.exists()
        assert fresh.exists()


def on_small_file_system(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs `code`, with a `disk` at hand, where `folder` is a file system of 128 KiB that nobody else sees."""
    mount = f"mount -t tmpfs -o size=128k none '{folder}'"
    shell = ["unshare", "-rm", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*shell, mount], capture_output=True, timeout=30).returncode:
        pytest.skip("a small file system needs Linux and its user namespaces (unshare -rm)")
    begin = (
        "import logging, os, subprocess, sys; from pathlib import Path\n"
        "from core.optimization.disk_cache import DiskCache, DiskCacheConfig\n"
        "logging.basicConfig(format='%(levelname)s %(message)s')\n"
        "disk = DiskCache(DiskCacheConfig(Path(sys.argv[1]) / 'cache'))\n"
    )
    run = f'{mount} && exec "$0" -c "$1" \'{folder}\''
    done = subprocess.run(
        [*shell, run, sys.executable, begin + code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done


class TestTrouble:
    def test_a_folder_that_cannot_be_made(self, tmp_path: Path, caplog: pytest.LogCaptureFixture):
        (tmp_path / "file").write_bytes(b"")
        with caplog.at_level(logging.WARNING):
            disk = DiskCache(DiskCacheConfig(tmp_path / "file" / "cache"))
            assert not disk.put("a", b"one")
            assert disk.get("a") is None
            disk.remove("a")
            disk.clear()
        assert not disk.statistics().available
        assert len(caplog.records) == 1
        assert "switched off until the next start" in caplog.text

    def test_a_folder_that_vanished(self, disk: DiskCache, caplog: pytest.LogCaptureFixture):
        disk.config.folder.rmdir()
        with caplog.at_level(logging.WARNING):
            assert not disk.put("a", b"one")
            assert not disk.put("b", b"two")
        assert len(caplog.records) == 1
        assert not disk.statistics().available

    def test_a_full_disk(self, tmp_path: Path):
        done = on_small_file_system(
            tmp_path,
            "kept = [disk.put(str(n), os.urandom(20_000)) for n in range(20)]\n"
            "left = [path.name for path in disk.config.folder.iterdir() if path.suffix == '.partial']\n"
            "print(kept.index(False), any(kept[kept.index(False):]), left, disk.statistics().available)\n",
        )
        first_refused, *rest = done.stdout.split()
        assert 3 <= int(first_refused) <= 6
        assert rest == ["False", "[]", "False"]
        assert done.stderr.count("WARNING") == 1
        assert "No space left on device" in done.stderr

    def test_a_disk_that_became_read_only(self, tmp_path: Path):
        done = on_small_file_system(
            tmp_path,
            "before = disk.put('a', b'one')\n"
            "subprocess.run(['mount', '-o', 'remount,ro', sys.argv[1]], check=True)\n"
            "print(disk.get('a').value, before, disk.put('b', b'two'), disk.put('c', b'three'))\n",
        )
        assert done.stdout.split() == ["b'one'", "True", "False", "False"]
        assert done.stderr.count("WARNING") == 1
        assert "Read-only file system" in done.stderr

    @posix
    def test_a_write_the_system_cuts_short(self, tmp_path: Path):
        """Everywhere, unlike a full disk: the system refuses files beyond a size (EFBIG)."""
        code = (
            "import resource, signal, sys; from pathlib import Path\n"
            "from core.optimization.disk_cache import DiskCache, DiskCacheConfig\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "disk = DiskCache(DiskCacheConfig(Path(sys.argv[1])))\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))\n"
            "print(disk.put('a', bytes(1_000)), disk.put('b', bytes(9_000)), disk.put('c', b''))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.split() == ["True", "False", "False"], done.stderr
        assert "switched off" in done.stderr
        assert [path.suffix for path in tmp_path.iterdir()] == [".entry"]


WRITER = """
import sys
from pathlib import Path
import numpy as np
from core.optimization.disk_cache import DiskCache, DiskCacheConfig
disk = DiskCache(DiskCacheConfig(Path(sys.argv[1]), max_bytes=int(sys.argv[2])))
print("begun", flush=True)
number = 0
while True:
    value = np.full(5_000 + number % 7 * 1_000, number, np.int64)
    assert disk.put(str(number % 40), value), "the tier went off"
    found = disk.get(str(number % 40))
    assert found is None or len(set(found.value.tolist())) == 1, "a value of two writers"
    number += 1
    print(number, flush=True)
"""


def start_writer(folder: Path, max_bytes: int = 3_000_000) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(max_bytes)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(writer: subprocess.Popen[str]) -> str:
    """Ends it in the middle of whatever it does; gives what it said on stderr."""
    writer.kill()
    errors = writer.communicate(timeout=30)[1]
    assert writer.returncode == -signal.SIGKILL
    return errors


def read_everything(folder: Path) -> int:
    """How many entries are there; every one is whole."""
    disk = DiskCache(DiskCacheConfig(folder, max_bytes=3_000_000))
    whole = 0
    for number in range(40):
        found = disk.get(str(number))
        if found is not None:
            assert isinstance(found.value, np.ndarray)
            value = int(found.value[0])
            assert value % 40 == number
            np.testing.assert_array_equal(found.value, np.full(5_000 + value % 7 * 1_000, value))
            whole += 1
    facts = disk.statistics()
    assert (facts.dropped, facts.available) == (0, True)
    return whole


@posix
class TestProcesses:
    def test_killed_in_the_middle_of_writing(self, tmp_path: Path):
        for round_number in range(4):
            writer = start_writer(tmp_path)
            assert writer.stdout is not None
            for _ in range(40 + 13 * round_number):
                writer.stdout.readline()
            assert kill(writer) == ""
            assert read_everything(tmp_path) > 30

    def test_two_at_once(self, tmp_path: Path):
        writers = [start_writer(tmp_path, 1_500_000) for _ in range(2)]
        for writer in writers:
            assert writer.stdout is not None
            for _ in range(150):
                assert writer.stdout.readline(), "the writer ended by itself"
        read_everything(tmp_path)
        assert [kill(writer) for writer in writers] == ["", ""]
        assert read_everything(tmp_path) > 10
