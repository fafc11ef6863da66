"""`main.py models` as the user runs it, against a hub on this machine: whole, killed, offline, dead, refused."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.utils.model_store import MANIFEST, PARTS
from tests.hub_server import Fault, HubServer, SilentServer
from tests.integration.program import Program, run

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `full`)")

NAME = "whisper-tiny"
REPOSITORY = "Systran/faster-whisper-tiny"
MODEL_BYTES = 3_000_000
HELD_BYTES = 1_000_000
PATIENCE_S = 120.0
"""how long a busy machine may take for what is not about time"""
FILES = {
    "config.json": b"{}",
    "model.bin": random.Random(2).randbytes(MODEL_BYTES),
    "tokenizer.json": b'{"version": "1.0"}',
    "vocabulary.txt": b"a\nb\n",
}


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer({REPOSITORY: FILES}) as running:
        yield running


def models(home: Path, *arguments: str, endpoint: str = "http://127.0.0.1:9"):
    return run(home, "models", *arguments, HF_ENDPOINT=endpoint, NO_PROXY="127.0.0.1")


def listed(home: Path) -> dict[str, dict[str, object]]:
    done = models(home, "list", "--json")
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["models"]}


def wait_for_bytes(folder: Path, size_bytes: int) -> None:
    """Until a part holds that many; its process has no line to print at that moment."""
    deadline_s = time.monotonic() + PATIENCE_S
    while sum(path.stat().st_size for path in folder.glob("*")) < size_bytes:
        assert time.monotonic() < deadline_s, "the download did not get there"
        threading.Event().wait(0.02)


def test_what_nothing_here_can_read_is_said_before_it_is_fetched(tmp_path: Path, server: HubServer):
    """A machine with openai-whisper alone, where the hub's folders are for faster-whisper."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['faster_whisper'] = None\n")
    environment = {"HF_ENDPOINT": server.endpoint, "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(tmp_path)}
    done = run(tmp_path, "models", "download", NAME, **environment)
    assert done.returncode == 0, done.stderr
    assert f"{NAME}: faster-whisper, which alone reads it, is not installed" in done.stderr
    assert "extra 'full'" in done.stderr
    assert "openai-whisper takes a .pt file" in done.stderr


def test_list_download_use_remove(tmp_path: Path, server: HubServer):
    assert listed(tmp_path)[NAME]["state"] == "absent"
    done = models(tmp_path, "download", NAME, endpoint=server.endpoint)
    assert done.returncode == 0, done.stderr
    first, *progress, last = done.stdout.splitlines()
    assert first == f"{NAME}: 3.0 MB, from {REPOSITORY}, licence MIT"
    assert progress
    assert all(line.startswith(f"{NAME}: ") and " of 3.0 MB" in line for line in progress)
    assert last == f"{NAME}: complete and verified, in {tmp_path / 'models' / NAME}"
    folder = tmp_path / "models" / NAME
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST} == FILES

    again = models(tmp_path, "download", NAME, "--offline")
    assert (again.returncode, again.stdout) == (0, f"{NAME}: is here already, complete\n")
    assert (listed(tmp_path)[NAME]["state"], listed(tmp_path)["whisper-base"]["state"]) == ("complete", "absent")
    assert f"{NAME}" in models(tmp_path).stdout

    with open(folder / "model.bin", "r+b") as file:
        file.write(bytes(16))
    mended = models(tmp_path, "download", NAME, endpoint=server.endpoint)
    assert mended.stdout.startswith(f"{NAME}: model.bin was damaged on the disk")
    assert (mended.returncode, (folder / "model.bin").read_bytes()) == (0, FILES["model.bin"])

    refused = models(tmp_path, "remove", NAME)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    removed = models(tmp_path, "remove", NAME, "--yes")
    assert (removed.returncode, folder.exists()) == (0, False)
    assert listed(tmp_path)[NAME]["state"] == "absent"


def test_killed_in_the_middle_of_a_file_it_goes_on_with_a_range(tmp_path: Path, server: HubServer):
    server.faults["model.bin"] = [Fault(hold_at=HELD_BYTES)]
    environment = {"HF_ENDPOINT": server.endpoint, "NO_PROXY": "127.0.0.1"}
    with Program(tmp_path, ["models", "download", NAME], environment) as program:
        wait_for_bytes(tmp_path / "models" / NAME / PARTS, HELD_BYTES)
        program.process.kill()
        program.process.wait(10)
    row = listed(tmp_path)[NAME]
    assert row["state"] == "partial"
    done = models(tmp_path, "download", NAME, endpoint=server.endpoint)
    assert done.returncode == 0, done.stderr
    assert "1.0 MB of it is here" in done.stdout.splitlines()[0]
    assert server.ranges("model.bin") == [None, f"bytes={HELD_BYTES}-"]
    assert (tmp_path / "models" / NAME / "model.bin").read_bytes() == FILES["model.bin"]
    assert listed(tmp_path)[NAME]["state"] == "complete"


def test_ctrl_c_leaves_what_was_fetched(tmp_path: Path, server: HubServer):
    server.faults["model.bin"] = [Fault(hold_at=HELD_BYTES)]
    environment = {"HF_ENDPOINT": server.endpoint, "NO_PROXY": "127.0.0.1"}
    with Program(tmp_path, ["models", "download", NAME], environment) as program:
        wait_for_bytes(tmp_path / "models" / NAME / PARTS, HELD_BYTES)
        second = models(tmp_path, "download", NAME, endpoint=server.endpoint)
        assert second.returncode == 1
        assert f"process {program.process.pid} is downloading" in second.stderr
        assert program.interrupt(PATIENCE_S) == 130
        program.wait_for("interrupted; the same command goes on from there", PATIENCE_S)
    assert models(tmp_path, "download", NAME, endpoint=server.endpoint).returncode == 0
    assert server.ranges("model.bin")[-1] == f"bytes={HELD_BYTES}-"


def test_a_dead_network_and_offline_end_with_the_cure(tmp_path: Path):
    with SilentServer() as endpoint:
        silent = models(tmp_path, "download", NAME, endpoint=endpoint)
    dead = models(tmp_path, "download", NAME, endpoint=endpoint)
    for done in (silent, dead):
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{endpoint} does not answer" in done.stderr
        assert "check the network" in done.stderr
    offline = models(tmp_path, "download", NAME, "--offline", endpoint=endpoint)
    assert offline.returncode == 1
    assert "--offline forbids fetching; start once without it" in offline.stderr


def test_without_a_name_it_takes_one_that_suits_the_machine(tmp_path: Path):
    done = models(tmp_path, "download", "--offline")
    assert done.returncode == 1
    assert "Systran/faster-whisper-" in done.stderr


def test_a_damaged_file_is_named(tmp_path: Path, server: HubServer):
    server.faults["model.bin"] = [Fault(corrupt=True)] * 2
    done = models(tmp_path, "download", NAME, endpoint=server.endpoint)
    assert done.returncode == 1
    assert "model.bin: came damaged twice" in done.stderr
    assert listed(tmp_path)[NAME]["state"] == "partial"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["download", "wisper-tiny"], 1, "did you mean 'whisper-tiny'"),
        (["remove", "../models", "--yes"], 1, "not a model's name but a path"),
        (["remove", "whisper-base", "--yes"], 1, "no such model on this machine"),
        (["remove"], 2, "give the name of one model"),
        (["list", NAME], 2, "takes no name"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], code: int, message: str):
    done = models(tmp_path, *arguments)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
