"""The child that adds the `full` extra while the app runs: real processes in small checkouts, no network."""
# ruff: noqa: F811

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.checkouts import (  # noqa: F401
    PATIENCE_S,
    Checkout,
    await_file,
    made,
    ready,
    waiting,
    wheels,
    write_wheel,
)

APP = """
import sys, time, tiny_one
from dataclasses import asdict
from core import background

def main(arguments):
    install = background.start_full_install(enabled="--no" not in arguments, offline="--offline" in arguments)
    if install is None:
        print("nothing to do", background.full_installed(), tiny_one.VERSION)
        return 0
    print("started-1", install._process.pid, flush=True)
    if "--leave" in arguments:
        sys.stdin.readline()
        install.close()
        return 0
    while not (progress := install.progress()).finished:
        time.sleep(0.02)
    install.close()
    print(progress.state, background.full_installed(), progress.message)
    return 0
"""


@pytest.fixture
def app(waiting: Checkout, tmp_path: Path) -> Checkout:
    """A checkout whose full extra is tiny-two and slow-one; slow-one is built at once."""
    (tmp_path / "go").touch()
    declare_full(waiting, "tiny-two", "slow-one")
    (waiting.folder / "core/app/cli.py").write_text(APP, encoding="utf-8")
    return waiting


def declare_full(checkout: Checkout, *full: str) -> None:
    checkout.declare("tiny-one>=1")
    names = ", ".join(f'"{name}"' for name in full)
    pyproject = checkout.folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    marker = "[project.optional-dependencies]\n"
    pyproject.write_text(text.replace(marker, f"{marker}full = [{names}]\n"), encoding="utf-8")


def leave_running(checkout: Checkout) -> tuple[subprocess.Popen[str], int]:
    """Start the app so that it waits; gives it and its child's process id."""
    process = subprocess.Popen(
        checkout.command("--leave"),
        env=checkout.environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline().split()[1])


def group_of(child: int) -> list[psutil.Process]:
    """The child and its pip."""
    found = psutil.Process(child)
    return [found, *found.children(recursive=True)]


def test_adds_the_packages_at_once_and_signs(app: Checkout) -> None:
    assert app.start().stdout.splitlines()[-1] == "done True "
    assert (app.packages / "tiny_two" / "data.bin").stat().st_size == 5000
    assert (app.packages / "slow_one.py").exists()
    runs = app.pip_runs()
    assert app.start().stdout == "nothing to do True 1.0\n"
    assert app.pip_runs() == runs


@pytest.mark.parametrize("argument", ["--no", "--offline"])
def test_not_wanted_is_not_done(app: Checkout, argument: str) -> None:
    assert app.start().returncode == 0
    shutil.rmtree(app.packages / "tiny_two")
    stamp = app.venv / "merline-stamp"
    lines = stamp.read_text(encoding="utf-8").splitlines(keepends=True)
    stamp.write_text("".join(line for line in lines if not line.startswith("full")), encoding="utf-8")
    assert app.start(argument).stdout == "nothing to do False 1.0\n"
    assert not (app.packages / "tiny_two").exists()


@pytest.mark.parametrize("ending", ["close", "kill"])
def test_ends_with_the_app_and_goes_on_at_the_next_start(app: Checkout, tmp_path: Path, ending: str) -> None:
    (tmp_path / "go").unlink()
    process, child = leave_running(app)
    await_file(tmp_path / "started-1")
    family = group_of(child)
    assert len(family) > 1
    if ending == "close":
        process.communicate("\n", timeout=PATIENCE_S)
    else:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    assert not (app.packages / "slow_one.py").exists()
    (tmp_path / "go").touch()
    assert app.start().stdout.splitlines()[-1] == "done True "
    assert (app.packages / "slow_one.py").exists()


def test_loaded_packages_keep_their_version(app: Checkout) -> None:
    """tiny-one 2.0 is on offer and allowed; 1.0 is installed, and stays."""
    app.start()
    assert (app.packages / "tiny_one.py").read_text() == "VERSION = '1.0'\n"


def test_a_change_of_a_loaded_package_waits_for_the_next_start(app: Checkout) -> None:
    declare_full(app, "tiny-two", "tiny-one>=2")
    assert app.start().stdout.splitlines()[-1] == "next-start False "
    assert (app.packages / "tiny_one.py").read_text() == "VERSION = '1.0'\n"
    following = app.start()
    assert "Putting in the full engines" in following.stderr
    assert following.stdout == "nothing to do True 2.0\n"
    assert app.start().stderr == ""


def test_a_failure_is_told_and_tried_again_later(app: Checkout) -> None:
    declare_full(app, "no-such-thing")
    last = app.start().stdout.splitlines()[-1]
    assert last.startswith("failed False The package index has nothing for no-such-thing")
    assert app.start().stdout == "nothing to do False 1.0\n", "too soon for another try"
    failures = app.folder / ".venv-state" / "full" / "failures.json"
    note = json.loads(failures.read_text(encoding="utf-8"))
    failures.write_text(json.dumps(note | {"at_s": time.time() - 700}), encoding="utf-8")
    assert app.start().stdout.splitlines()[-1].startswith("failed")
    assert json.loads(failures.read_text(encoding="utf-8"))["count"] == 2


def test_what_is_unpacked_is_not_fetched_again(app: Checkout, tmp_path: Path) -> None:
    parts = [f"part-{number}" for number in range(7)]  # more than one batch
    for part in parts:
        name = part.replace("-", "_")
        write_wheel(app.wheels, name, "1.0", {f"{name}.py": b""})
    declare_full(app, *parts, "slow-one")
    (tmp_path / "go").unlink()
    (tmp_path / "go-1").touch()  # let the plan be made
    process, child = leave_running(app)
    await_file(tmp_path / "started-2")
    family = group_of(child)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    log = app.folder / ".venv-state" / "full" / "pip.log"
    log.unlink()
    (tmp_path / "go").touch()
    assert app.start().stdout.splitlines()[-1] == "done True "
    said = log.read_text(encoding="utf-8")
    assert "slow_one" in said
    assert "part_0" not in said
    assert all((app.packages / f"part_{number}.py").exists() for number in range(7))
