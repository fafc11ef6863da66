"""Bad input: a clear error with its cure, the right exit code, and nothing lost."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from audio.wav import write_wav
from tests.integration.program import ROOT, run, variables


def assert_fails(done: subprocess.CompletedProcess[str], code: int, said: str) -> None:
    """One plain line on stderr, no traceback, nothing on stdout."""
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def tone(folder: Path, seconds: float = 1.0, rate_hz: int = 16_000) -> np.ndarray:
    return (0.1 * np.sin(np.arange(int(seconds * rate_hz)) * 0.1)).astype(np.float32)


def fill(file: Path) -> None:
    """Leave no byte free on the file's disk."""
    with contextlib.suppress(OSError), open(file, "wb", buffering=0) as out:
        while True:
            out.write(bytes(1024))
    assert shutil.disk_usage(file.parent).free == 0


class TestRecordings:
    def test_missing(self, tmp_path: Path):
        assert_fails(run(tmp_path, "ask", str(tmp_path / "none.wav")), 1, "none.wav")

    def test_a_folder(self, tmp_path: Path):
        assert_fails(run(tmp_path, "ask", str(tmp_path)), 1, str(tmp_path))

    def test_empty(self, tmp_path: Path):
        (tmp_path / "empty.wav").touch()
        assert_fails(run(tmp_path, "ask", str(tmp_path / "empty.wav")), 1, "empty")

    def test_text(self, tmp_path: Path):
        (tmp_path / "text.wav").write_text("this is no sound at all, only words" * 20)
        assert_fails(run(tmp_path, "ask", str(tmp_path / "text.wav")), 1, "not a WAV")

    def test_a_truncated_header(self, tmp_path: Path):
        write_wav(tmp_path / "whole.wav", tone(tmp_path), 16_000)
        (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:30])
        assert_fails(run(tmp_path, "ask", str(tmp_path / "cut.wav")), 1, "cut.wav")

    def test_truncated_sound_is_used_as_far_as_it_goes(self, tmp_path: Path):
        write_wav(tmp_path / "whole.wav", tone(tmp_path), 16_000)
        (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:9000])
        assert_fails(run(tmp_path, "ask", str(tmp_path / "cut.wav")), 1, "nothing was understood")

    @pytest.mark.parametrize(("width", "rate_hz", "channels"), [(1, 8_000, 1), (3, 44_100, 1), (2, 96_000, 2)])
    def test_odd_formats_are_read(self, tmp_path: Path, width: int, rate_hz: int, channels: int):
        with wave.open(str(tmp_path / "odd.wav"), "wb") as file:
            file.setparams((channels, width, rate_hz, 0, "NONE", ""))
            file.writeframes(bytes(width * channels * rate_hz))
        assert_fails(run(tmp_path, "ask", str(tmp_path / "odd.wav")), 1, "nothing was understood")

    def test_two_hours_are_refused_by_ask_before_they_are_read(self, tmp_path: Path):
        with wave.open(str(tmp_path / "long.wav"), "wb") as file:
            file.setparams((1, 2, 8_000, 0, "NONE", ""))
            for _ in range(120):
                file.writeframes(bytes(2 * 8_000 * 60))
        assert_fails(run(tmp_path, "ask", str(tmp_path / "long.wav")), 1, "transcribe")

    def test_an_output_that_cannot_be_written(self, tmp_path: Path):
        assert_fails(run(tmp_path, "say", "hello", "--out", str(tmp_path / "no" / "folder.wav")), 1, "folder.wav")


class TestConfiguration:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--set", "vad.treshold=0.5", "chat"], "did you mean 'threshold'?"),
            (["--set", "vad.threshold=7", "chat"], "vad.threshold: 7"),
            (["--config", "/nowhere.yaml", "chat"], "/nowhere.yaml"),
            (["--set", "audio.backend=jack", "chat"], "audio.backend: 'jack'"),
            (["dance"], "invalid choice"),
            (["bench", "dancing"], "dancing"),
        ],
    )
    def test_bad_usage_ends_with_2(self, tmp_path: Path, arguments: list[str], said: str):
        done = run(tmp_path, *arguments, text="")
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_configuration_that_is_not_yaml(self, tmp_path: Path):
        (tmp_path / "mine.yaml").write_text("vad: [a: b: c]")
        assert_fails(
            run(tmp_path, "--config", str(tmp_path / "mine.yaml"), "chat", text=""), 2, "not valid YAML at line 1"
        )


class TestData:
    def test_a_folder_that_cannot_be_made(self, tmp_path: Path):
        (tmp_path / "file").touch()
        assert_fails(run(tmp_path / "file" / "home", "chat", text="hello\n"), 1, "MERLINE_HOME")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere, and has a test of its own")
    def test_a_read_only_folder(self, tmp_path: Path):
        tmp_path.chmod(0o500)
        assert_fails(run(tmp_path, "chat", text="hello\n"), 1, "read-only")

    @pytest.mark.skipif(os.geteuid() != 0, reason="a read-only disk is made with mount, which needs root")
    def test_a_read_only_disk_is_said_by_every_command_and_loses_nothing(self, tmp_path: Path):
        disk = tmp_path / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True).returncode != 0:
            pytest.skip("mount is not allowed here")
        try:
            (disk / "logs").mkdir()
            (disk / "logs" / "drivers.log").touch()
            run(disk, "chat", text="note: kept\n")
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            assert_fails(run(disk, "chat", text="note: lost\n"), 1, "read-only")
            assert_fails(run(disk, "talk", "--offline"), 1, "read-only")
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            assert "1 note: kept" in run(disk, "chat", text="read my notes\n").stdout
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    def test_a_file_from_a_newer_version_is_left_as_it_is(self, tmp_path: Path):
        run(tmp_path, "chat", text="note: keep me\n")
        file = tmp_path / "merline.db"
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 999")
        connection.close()
        before = file.read_bytes()
        assert_fails(run(tmp_path, "chat", text="read my notes\n"), 1, "newer")
        assert file.read_bytes() == before

    def test_a_damaged_file_is_named_and_kept(self, tmp_path: Path):
        (tmp_path / "merline.db").write_bytes(b"this is not a database" * 1000)
        assert_fails(run(tmp_path, "chat", text="hello\n"), 1, "merline.db")
        assert (tmp_path / "merline.db").read_bytes().startswith(b"this is not")

    @pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is made with mount, which needs root")
    def test_a_full_disk_is_said_and_costs_only_what_could_not_be_saved(self, tmp_path: Path):
        disk = tmp_path / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("mount is not allowed here")
        try:
            run(disk, "chat", "--set", "log.file=false", text="note: kept\n")
            fill(disk / "filler")
            full = run(disk, "chat", "--set", "log.file=false", text="note: lost\nread my notes\n")
            assert full.returncode == 0, full.stderr
            assert "Traceback" not in full.stderr
            assert "couldn't save" in full.stdout.splitlines()[0]
            assert "1 note: kept" in full.stdout.splitlines()[1]
            os.truncate(disk / "filler", (disk / "filler").stat().st_size - 80_000)
            lines = "".join(f"note: number {number} {'x' * 200}\n" for number in range(30))
            done = run(disk, "chat", "--set", "log.file=false", text=lines + "what is 2 plus 2\n")
            assert done.returncode == 0, done.stderr
            assert "Traceback" not in done.stderr
            assert "4" in done.stdout.splitlines()[-1]
            assert "save" in done.stdout
            (disk / "filler").unlink()
            assert "kept" in run(disk, "chat", text="read my notes\n").stdout
        finally:
            subprocess.run(["umount", str(disk)], check=True)


class TestStreams:
    @pytest.mark.skipif(shutil.which("sh") is None, reason="closes streams with a shell")
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
    @pytest.mark.parametrize(
        ("command", "said"),
        [
            (["chat"], "merline: the output cannot be written (No space left on device); make room on the disk"),
            (
                ["chat", "--set", "language=fr"],
                "merline: la sortie ne peut pas être écrite (No space left on device) ;",
            ),
            (["models", "list"], "merline: the output cannot be written"),
        ],
    )
    def test_output_on_a_full_disk_is_told(self, tmp_path: Path, command: list[str], said: str):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, str(ROOT / "main.py"), *command, "--offline"], input="what time is it\n", stdout=full,
                stderr=subprocess.PIPE, text=True, env=variables(tmp_path), timeout=60,
            )  # fmt: skip
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
    def test_a_closed_stream_is_no_reason_to_fail(self, tmp_path: Path, closed: str):
        """As a start from a menu or by another program may have it. The code is that for want of a microphone."""
        program = [sys.executable, str(ROOT / "main.py"), "talk", "--offline", "--set", "audio.input_device=nothing"]
        command = ["sh", "-c", f'exec "$0" "$@" {closed}', *program]
        done = subprocess.run(command, env=variables(tmp_path), capture_output=True, text=True, timeout=60)
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.skipif(shutil.which("sh") is None, reason="closes streams with a shell")
    def test_what_takes_the_place_of_a_closed_stream_is_there_for_other_programs_too(self):
        look = "import main, os; main.fill_streams(); print(os.get_inheritable(0))"
        command = ["sh", "-c", 'exec "$0" "$@" <&-', sys.executable, "-c", look]
        assert subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout == "True\n"

    def test_a_terminal_without_a_character_shows_a_question_mark(self, tmp_path: Path):
        done = run(tmp_path, "say", "--out", str(tmp_path / "é.wav"), "hello", PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert "UnicodeEncodeError" not in done.stderr
        assert "?.wav" in done.stdout


class TestOnesOwnData:
    def test_export_holds_all_and_erase_leaves_nothing(self, tmp_path: Path):
        home, out = tmp_path / "home", tmp_path / "mine.json"
        run(home, "chat", text="note: the secret word is abracadabra\nadd milk to my shopping list\n")
        (home / "recordings").mkdir()
        (home / "recordings" / "one").write_bytes(b"sound")
        (home / "turns.jsonl").write_text('{"turn": 1}\n')
        (home / "cache").mkdir()
        (home / "cache" / "one.entry").write_bytes(b"the grammar, with the words abracadabra of one's own skills")
        done = run(home, "data", "export", str(out))
        assert done.returncode == 0, done.stderr
        kept = json.loads(out.read_text())
        assert kept["turns"] == ['{"turn": 1}']
        typed = [turn["user"] for turn in kept["data"]["turns"]]
        assert typed == ["note: the secret word is abracadabra", "add milk to my shopping list"]
        assert base64.b64decode(kept["recordings"]["recordings/one"]) == b"sound"
        assert "abracadabra" in out.read_text()
        assert "milk" in out.read_text()
        assert out.stat().st_mode & 0o077 == 0
        assert run(home, "data", "erase").returncode == 2
        assert "abracadabra" in run(home, "chat", text="read my notes\n").stdout
        assert run(home, "data", "erase", "--yes").returncode == 0
        assert not (home / "recordings").exists()
        assert not (home / "turns.jsonl").exists()
        left = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
        assert b"abracadabra" not in left

    def test_what_is_kept_is_readable_by_its_owner_alone(self, tmp_path: Path):
        home = tmp_path / "home"
        run(home, "chat", text="note: private\n")
        open_to_others = [path for path in [home, *home.rglob("*")] if path.stat().st_mode & 0o077]
        assert open_to_others == []
