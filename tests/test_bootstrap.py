"""The real main.py, started as a person starts it, in small checkouts with packages made on the fly."""

from __future__ import annotations

import ast
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import main as entry
from core import bootstrap
from core.environment import failures, pip, requirements, system_packages, torch_index
from tests.checkouts import (  # noqa: F401
    BASE_PYTHON,
    PATIENCE_S,
    ROOT,
    Checkout,
    await_file,
    made,
    new_checkout,
    ready,
    waiting,
    wheels,
    write_wheel,
)

# ruff: noqa: F811


class TestFirstStart:
    def test_makes_the_environment_and_hands_over(
        self, made: tuple[Checkout, subprocess.CompletedProcess[str]]
    ) -> None:
        checkout, first = made
        assert first.returncode == 0, first.stderr
        assert first.stdout == f"reached {checkout.venv} 1.0 hello\n"
        assert "[1/1] tiny-one 1.0" in first.stderr
        assert "First start" in first.stderr
        assert "Installing 1 package" in first.stderr

    def test_exit_code_and_arguments_pass_through(self, ready: Checkout) -> None:
        assert ready.start("seven").returncode == 7

    def test_nothing_of_the_checkout_is_installed(
        self, made: tuple[Checkout, subprocess.CompletedProcess[str]]
    ) -> None:
        names = {path.name for path in made[0].packages.iterdir()}
        assert names.isdisjoint({"core", "llm", "stt", "tts", "audio", "small"})
        assert not any(
            name.startswith("small-") or (name.endswith((".egg-link", ".pth")) and "small" in name) for name in names
        )

    def test_offline_refuses_to_fetch(self, tmp_path: Path, wheels: Path) -> None:
        result = new_checkout(tmp_path / "new", wheels).start("--offline", "hello")
        assert result.returncode == 1
        assert "--offline" in result.stderr

    def test_help_needs_no_environment(self, tmp_path: Path, wheels: Path) -> None:
        checkout = new_checkout(tmp_path / "new", wheels)
        (checkout.folder / "core/app/cli.py").write_text("def main(arguments):\n    print('usage')\n    return 0\n")
        result = checkout.start("--help")
        assert (result.returncode, result.stdout) == (0, "usage\n")
        assert not checkout.venv.exists()


class TestLaterStart:
    def test_runs_no_pip_and_says_nothing(self, ready: Checkout) -> None:
        runs = ready.pip_runs()
        result = ready.start("again")
        assert result.stdout == f"reached {ready.venv} 1.0 again\n"
        assert (ready.pip_runs(), result.stderr) == (runs, "")

    def test_imports_nothing_heavy(self, ready: Checkout) -> None:
        code = "import sys, main; from core import bootstrap; bootstrap.prepare(); print(*sys.modules)"
        result = subprocess.run(
            [BASE_PYTHON, "-S", "-c", code], cwd=ready.folder, env=ready.environ(), capture_output=True, text=True
        )
        loaded = set(result.stdout.split())
        assert "core.environment.own" in loaded
        assert loaded.isdisjoint(
            {"subprocess", "tomllib", "json", "urllib.request", "dataclasses", "importlib.metadata"}
        )

    def test_a_comment_in_pyproject_changes_nothing(self, ready: Checkout) -> None:
        runs = ready.pip_runs()
        ready.declare("tiny-one >= 1, < 2", comment="# a remark\n")
        assert ready.start("again").stdout == f"reached {ready.venv} 1.0 again\n"
        assert ready.pip_runs() == runs

    def test_a_changed_requirement_is_installed_from_the_newest_release_that_need_not_be_compiled(
        self, ready: Checkout, tmp_path: Path
    ) -> None:
        """A fresh machine has no compiler; pocketsphinx's newest release has no wheel for Python 3.12."""
        ready.wheels = Path(shutil.copytree(ready.wheels, tmp_path / "extra"))
        (ready.wheels / "tiny_one-2.5.tar.gz").write_bytes(b"its build would fail")
        ready.declare("tiny-one>=2")
        result = ready.start("again")
        assert result.stdout == f"reached {ready.venv} 2.0 again\n"
        assert "tiny-one 2.0" in result.stderr

    def test_a_bound_that_is_met_already_runs_no_pip(self, ready: Checkout) -> None:
        runs = ready.pip_runs()
        ready.declare("tiny-one>=0.5,<2")
        assert ready.start("again").stdout == f"reached {ready.venv} 1.0 again\n"
        assert ready.pip_runs() == runs

    def test_a_package_that_has_gone_is_put_back(self, ready: Checkout) -> None:
        shutil.rmtree(next(ready.packages.glob("tiny_one-*")))
        (ready.packages / "tiny_one.py").unlink()
        first = ready.start("hello")
        assert first.returncode == 1
        assert "tiny_one has gone" in first.stderr
        assert ready.start("hello").stdout == f"reached {ready.venv} 1.0 hello\n"

    def test_test_adds_its_extra_and_runs_pytest(self, ready: Checkout) -> None:
        result = ready.start("test", "-k", "name", "tests/x.py")
        assert result.returncode == 5
        assert result.stdout == f"pytest ran with -k name tests/x.py in {ready.folder}\n"
        runs = ready.pip_runs()
        assert ready.start("test").returncode == 5
        assert ready.pip_runs() == runs


WAITING_VENV = """
import pathlib, time
signals = pathlib.Path({signals!r})
(signals / "started-1").touch()
while not (signals / "go").exists():
    time.sleep(0.02)
"""
"""stands for the standard library's venv: makes nothing"""


def without_ensurepip(checkout: Checkout) -> subprocess.CompletedProcess[str]:
    """A start by a Python that can make no virtual environment, where none can be installed."""
    (checkout.folder / "empty").mkdir()
    checkout.environment = {"PATH": str(checkout.folder / "empty")}  # no apt-get, no sudo
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n: None if n == 'ensurepip' else f(n)"
    driver = f"{hide}; import sys; sys.argv = ['main.py', 'hello']; import main; sys.exit(main.main())"
    return subprocess.run(
        [BASE_PYTHON, "-c", driver], cwd=checkout.folder, env=checkout.environ(), capture_output=True, text=True
    )


class TestInterrupted:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
    def test_in_the_middle_of_an_installation_the_next_start_goes_on(
        self, waiting: Checkout, tmp_path: Path, number: signal.Signals
    ) -> None:
        process = waiting.begin("hello")
        await_file(tmp_path / "started-1")
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=PATIENCE_S)
        if number is signal.SIGINT:
            assert process.returncode == 130
            assert "the next start goes on" in said
            assert "Traceback" not in said
        assert not (waiting.packages / "slow_one.py").exists()
        (tmp_path / "go").touch()
        result = waiting.start("hello")
        assert result.stdout == f"reached {waiting.venv} 1.0 hello\n", result.stderr
        assert (waiting.packages / "slow_one.py").exists()

    def test_only_the_starter_killed_its_pip_does_not_collide_with_the_next(
        self, waiting: Checkout, tmp_path: Path
    ) -> None:
        process = waiting.begin("hello")
        await_file(tmp_path / "started-1")
        process.kill()
        process.communicate()
        following = waiting.begin("hello")
        assert following.stderr is not None
        assert "waiting for it" in following.stderr.readline()
        (tmp_path / "go").touch()
        out, said = following.communicate(timeout=PATIENCE_S)
        assert out == f"reached {waiting.venv} 1.0 hello\n", said

    def test_a_package_half_unpacked_is_installed_again(self, ready: Checkout) -> None:
        ready.declare("tiny-one>=1,<2", "tiny-two")
        assert ready.start("hello").returncode == 0
        (ready.packages / "tiny_two" / "data.bin").write_bytes(b"x" * 100)
        (ready.venv / "merline-stamp").unlink()
        assert ready.start("hello").returncode == 0
        assert (ready.packages / "tiny_two" / "data.bin").stat().st_size == 5000

    def test_only_the_starter_killed_what_makes_the_venv_does_not_collide_with_the_next(
        self, tmp_path: Path, wheels: Path
    ) -> None:
        checkout = new_checkout(tmp_path / "new", wheels)
        (tmp_path / "venv.py").write_text(WAITING_VENV.format(signals=str(tmp_path)), encoding="utf-8")
        checkout.environment = {"PYTHONPATH": str(tmp_path)}
        process = checkout.begin("hello")
        await_file(tmp_path / "started-1")
        process.kill()
        process.communicate()
        following = checkout.begin("hello")
        assert following.stderr is not None
        assert "waiting for it" in following.stderr.readline()
        (tmp_path / "go").touch()
        assert "No virtual environment could be made" in following.communicate(timeout=PATIENCE_S)[1]

    def test_half_a_venv_is_not_used(self, ready: Checkout) -> None:
        (ready.venv / "merline-stamp").unlink()
        shutil.rmtree(ready.packages / "pip")
        assert "Remaking .venv" in without_ensurepip(ready).stderr

    def test_a_venv_whose_python_has_gone_is_not_used(self, ready: Checkout) -> None:
        python = ready.venv / "bin" / "python"
        python.unlink()
        python.symlink_to("/nowhere/python3")
        assert "Remaking .venv" in without_ensurepip(ready).stderr

    def test_a_venv_whose_python_became_a_newer_one_is_remade_in_one_start(
        self, ready: Checkout, tmp_path: Path, wheels: Path
    ) -> None:
        """As after an upgrade of Debian: the packages are those of a Python that is no longer there."""
        ready.wheels = tmp_path / "no-newer-pip"
        shutil.copytree(wheels, ready.wheels, ignore=shutil.ignore_patterns("pip-*"))
        ready.packages.parent.rename(ready.venv / "lib" / "python3.10")
        stamp = ready.venv / "merline-stamp"
        current = f"python {sys.version_info[0]}.{sys.version_info[1]}\n"
        text = stamp.read_text(encoding="utf-8")
        assert current in text
        stamp.write_text(text.replace(current, "python 3.10\n"), encoding="utf-8")
        result = ready.start("hello")
        assert "Remaking .venv" in result.stderr
        assert result.stdout == f"reached {ready.venv} 1.0 hello\n"

    def test_two_first_starts_at_once(self, waiting: Checkout, tmp_path: Path) -> None:
        first = waiting.begin("one")
        await_file(tmp_path / "started-1")
        second = waiting.begin("two")
        assert second.stderr is not None
        assert "Another start is setting up" in second.stderr.readline()
        (tmp_path / "go").touch()
        assert first.communicate(timeout=PATIENCE_S)[0] == f"reached {waiting.venv} 1.0 one\n"
        assert second.communicate(timeout=PATIENCE_S)[0] == f"reached {waiting.venv} 1.0 two\n"
        log = (waiting.folder / ".venv-state" / "pip.log").read_text(encoding="utf-8")
        assert log.count("Successfully installed") - log.count("Successfully installed tiny-one") == 1


class TestFailure:
    def test_no_network(self, ready: Checkout) -> None:
        ready.declare("tiny-one>=3")
        ready.hurry()
        ready.environment = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
        result = ready.start("hello")
        assert (result.returncode, result.stdout) == (1, "")
        assert "Check the network" in result.stderr
        assert result.stderr.count("The network was cut; trying again") == len(pip.PAUSES_S)
        assert "Traceback" not in result.stderr
        ready.declare("tiny-one>=1,<2")  # what was installed still is, and is believed
        runs = ready.pip_runs()
        assert ready.start("hello").returncode == 0
        assert ready.pip_runs() == runs

    def test_a_connection_cut_in_the_middle_of_a_file(self, ready: Checkout, breaking_index: str) -> None:
        ready.declare("tiny-one>=2")
        ready.hurry()
        ready.environment = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": breaking_index, "PIP_FIND_LINKS": "/nowhere"}
        # a recent pip goes on with a file by itself, for a while: here it may not
        ready.environment |= {"PIP_RETRIES": "0", "PIP_RESUME_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
        result = ready.start("hello")
        assert "The network was cut; trying again" in result.stderr
        assert result.stdout == f"reached {ready.venv} 2.0 hello\n"

    def test_no_such_version(self, ready: Checkout) -> None:
        ready.declare("tiny-one>=3")
        result = ready.start("hello")
        assert result.returncode == 1
        assert "tiny-one>=3" in result.stderr
        assert "trying again" not in result.stderr

    def test_too_little_room_is_said_before_anything_is_done(self, tmp_path: Path, wheels: Path) -> None:
        checkout = new_checkout(tmp_path / "new", wheels)
        checkout.declare("tiny-one", disk_mb=10**9)
        result = checkout.start("hello")
        assert result.returncode == 1
        assert "need about 1000000000 MB" in result.stderr
        assert not checkout.venv.exists()

    def test_the_disk_fills_up(self, ready: Checkout, tmp_path: Path, small_disk: Path) -> None:
        extra = Path(shutil.copytree(ready.wheels, tmp_path / "extra"))
        write_wheel(extra, "large_one", "1.0", {"large_one.bin": bytes(50_000_000)})
        checkout = Checkout(Path(shutil.copytree(ready.folder, small_disk / "new", symlinks=True)), extra)
        assert shutil.disk_usage(small_disk).free > 5_000_000, "room to begin"
        checkout.declare("tiny-one>=1,<2", "large-one")
        result = checkout.start("hello")
        assert result.returncode == 1
        assert "The disk is full" in result.stderr
        assert "Traceback" not in result.stderr
        subprocess.run(["mount", "-o", "remount,size=400m", str(small_disk)], check=True)
        assert checkout.start("hello").stdout == f"reached {checkout.venv} 1.0 hello\n"

    def test_a_quota_that_is_used_up_is_a_full_disk(self, tmp_path: Path) -> None:
        said = "ERROR: Could not install packages due to an OSError: [Errno 122] Disk quota exceeded"
        error = failures.explain_failure(said, tmp_path, tmp_path)
        assert error.kind == "disk"
        assert "a quota" in str(error)

    def test_pyproject_that_is_not_toml(self, ready: Checkout) -> None:
        (ready.folder / "pyproject.toml").write_text("[project\n", encoding="utf-8")
        result = ready.start("hello")
        assert result.returncode == 1
        assert "pyproject.toml cannot be used" in result.stderr


class TestAnotherUser:
    """Someone who may read the checkout, but not all that its owner's first start has made in it."""

    @pytest.mark.parametrize("closed", [".venv", ".venv/bin", ".venv/merline-stamp", ".venv-state"])
    def test_what_may_not_be_read_is_named_with_the_cure(self, ready: Checkout, closed: str) -> None:
        (ready.folder / closed).chmod(0o000)
        anyone = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        if anyone and not shutil.which(anyone[0]):
            pytest.skip("root reads everything, and setpriv is not here to forbid it")
        command = [*anyone, *ready.command("hello")]
        result = subprocess.run(command, env=ready.environ(), capture_output=True, text=True, timeout=PATIENCE_S)
        named = ready.folder / closed.split("/")[0]
        assert result.returncode == 1, result.stderr
        assert result.stderr.startswith(f"merline: {named} may not be read by you")
        assert f"chmod -R a+rX {named}" in result.stderr
        assert "Traceback" not in result.stderr


class _BreakingIndex(BaseHTTPRequestHandler):
    """An index of tiny-one 2.0 that sends half of the wheel the first time it is asked."""

    wheel = b""
    asked = 0

    def do_GET(self) -> None:
        content = b'<a href="/tiny_one-2.0-py3-none-any.whl">tiny_one-2.0-py3-none-any.whl</a>'
        if self.path.endswith(".whl"):
            content = self.wheel
            type(self).asked += 1
        self.send_response(200 if "tiny" in self.path else 404)
        self.send_header("Content-Type", "text/html" if "simple" in self.path else "application/zip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = self.path.endswith(".whl") and self.asked == 1
        self.wfile.write(content[: len(content) // 2] if half else content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def breaking_index(wheels: Path) -> Iterator[str]:
    _BreakingIndex.wheel = (wheels / "tiny_one-2.0-py3-none-any.whl").read_bytes()
    _BreakingIndex.asked = 0
    with serving(_BreakingIndex) as address:
        yield f"{address}/simple"


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 60 MB; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(folder)], capture_output=True
    )
    if not mounted or mounted.returncode != 0:
        pytest.skip("no small disk could be mounted: that takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# What pip 26 said on a fresh Debian 12 behind a proxy whose certificate that machine did not know.
REFUSED = """
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by \
'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed \
certificate in certificate chain (_ssl.c:992)'))': /simple/numpy/
ERROR: Could not find a version that satisfies the requirement numpy>=2.3 (from versions: none)
ERROR: No matching distribution found for numpy>=2.3
""".replace("\\\n", "")


def test_a_certificate_that_is_not_accepted_is_told_while_it_lasts_and_named_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "said").write_text(REFUSED, encoding="utf-8")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncat {tmp_path}/said\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    steps: list[pip.Step] = []
    with pytest.raises(failures.InstallError, match="PIP_CERT=") as caught:
        pip.plan(pip.Pip(python, tmp_path / "work"), ["numpy>=2.3"], steps.append)
    assert caught.value.kind == "certificate"
    assert "certificate is not accepted" in steps[-1].trouble


def test_on_windows_ctrl_c_is_left_to_the_program_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    class Running:
        """Ends as it likes, after a Ctrl-C that came to both."""

        def __init__(self, command: list[str]) -> None:
            self.waits = 0

        def wait(self) -> int:
            self.waits += 1
            if self.waits == 1:
                raise KeyboardInterrupt
            return 7

    monkeypatch.setattr(bootstrap, "os", types.SimpleNamespace(name="nt"))
    monkeypatch.setattr(subprocess, "Popen", Running)
    assert bootstrap._become("python.exe", ["main.py"]) == 7


class TestActiveEnvironment:
    @pytest.fixture
    def active(self, tmp_path: Path, wheels: Path) -> Path:
        """The Python of a virtual environment that holds tiny-one 1.0."""
        folder = tmp_path / "active"
        subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", folder], check=True)
        target = next((folder / "lib").glob("python3.*/site-packages"))
        zipfile.ZipFile(wheels / "tiny_one-1.0-py3-none-any.whl").extractall(target)
        return folder / "bin" / "python"

    def test_is_used_when_it_satisfies(self, tmp_path: Path, wheels: Path, active: Path) -> None:
        checkout = new_checkout(tmp_path / "new", wheels)
        for _ in range(2):
            result = checkout.start("hello", python=active)
            assert result.stdout == f"reached {active.parents[1]} 1.0 hello\n"
            assert result.stderr == ""
        assert not checkout.venv.exists()

    def test_is_left_when_it_does_not_satisfy(self, ready: Checkout, active: Path) -> None:
        ready.declare("tiny-one>=1,<2", "tiny-two")
        assert ready.start("hello").returncode == 0
        result = ready.start("hello", python=active)
        assert result.stdout == f"reached {ready.venv} 1.0 hello\n"
        assert (
            result.stderr == f"The active environment {active.parents[1]} lacks tiny-two: using {ready.venv} instead.\n"
        )
        assert ready.start("hello", python=active).stderr == ""

    @pytest.mark.parametrize(("conda", "active"), [("", False), ("elsewhere", False), ("here", True)])
    def test_conda_counts_where_this_is_its_python(
        self, conda: str, active: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here = str(tmp_path / "here")
        monkeypatch.setattr(sys, "prefix", here)
        monkeypatch.setattr(sys, "base_prefix", here)
        monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / conda) if conda else "")
        assert bootstrap.active_environment() is active

    def test_is_left_when_what_its_packages_need_is_missing(self, ready: Checkout, active: Path) -> None:
        """tiny-one is there and needs a module that is not, as when somebody uninstalled a dependency."""
        module = next(active.parents[1].rglob("tiny_one.py"))
        module.write_text("import no_such_module", encoding="utf-8")
        first = ready.start("hello", python=active)
        assert first.returncode == 1
        assert first.stderr == (
            f"merline: the package no_such_module is missing from {active.parents[1]}; "
            f"start again and {ready.venv} is used instead\n"
        )
        assert ready.start("hello", python=active).stdout == f"reached {ready.venv} 1.0 hello\n"

    def test_a_change_in_it_is_noticed(self, ready: Checkout, active: Path) -> None:
        assert "active" in ready.start("hello", python=active).stdout
        for file in active.parents[1].rglob("tiny_one*"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        assert ready.start("hello", python=active).stdout == f"reached {ready.venv} 1.0 hello\n"


class TestPythonVersion:
    @pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
    def test_fits(self, version: tuple[int, int]) -> None:
        assert entry.fits(version)

    @pytest.mark.parametrize("version", [(2, 7), (3, 8), (3, 10), (3, 14), (4, 0)])
    def test_does_not_fit(self, version: tuple[int, int]) -> None:
        assert not entry.fits(version)

    @pytest.mark.parametrize(
        ("system", "release", "cure", "start"),
        [
            ("debian", "12", "sudo apt install python3.11 python3.11-venv", "python3.11"),
            ("ubuntu", "24.04", "sudo apt install python3.12 python3.12-venv", "python3.12"),
            ("fedora", "42", "sudo dnf install python3.12", "python3.12"),
            ("darwin", "", "brew install python@3.13", "python3.13"),
            ("win32", "", "winget install Python.Python.3.13", "py -3.13"),
            ("haiku", "5", "python.org", "python3.12"),
        ],
    )
    def test_message_names_the_version_the_cure_and_the_next_step(
        self, system: str, release: str, cure: str, start: str
    ) -> None:
        text = entry.version_message((3, 8, 18), system, release)
        assert "3.8" in text
        assert cure in text
        assert text.endswith(f": {start} main.py")

    def test_main_has_nothing_newer_than_python_2_7(self) -> None:
        """So that an old Python says what it needs instead of a syntax error."""
        text = (ROOT / "main.py").read_text(encoding="ascii")
        newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.YieldFrom, ast.Starred)
        found = [node for node in ast.walk(ast.parse(text, feature_version=(3, 6))) if isinstance(node, newer)]
        assert [ast.unparse(node) for node in found] == ["*own"], "one, in a call, where 2.7 has it too"
        assert "DEVNULL" not in text
        assert "shutil" not in text

    def old_python(self, ready: Checkout, code: str) -> subprocess.CompletedProcess[str]:
        """main.py as it would run under Python 3.8: only the number is changed."""
        driver = f"import sys; sys.version_info = (3, 8, 18); sys.argv = ['main.py', 'hello']; import main; {code}"
        return subprocess.run(
            [BASE_PYTHON, "-c", driver], cwd=ready.folder, env=ready.environ(), capture_output=True, text=True
        )

    def test_goes_on_with_one_that_fits(self, ready: Checkout) -> None:
        result = self.old_python(ready, "sys.exit(main.main())")
        assert "This is Python 3.8" in result.stderr
        assert result.stdout == f"reached {ready.venv} 1.0 hello\n"

    def test_names_the_cure_where_none_fits(self, ready: Checkout) -> None:
        shutil.rmtree(ready.venv)
        ready.environment = {"PATH": str(ready.folder)}
        result = self.old_python(ready, "sys.exit(main.main())")
        assert result.returncode == 1
        assert "Merline needs Python 3.11, 3.12 or 3.13; this one is 3.8" in result.stderr


FETCH = """echo "0 upgraded, 2 newly installed, 0 to remove and 5 not upgraded."
echo "Get:1 http://mirror.invalid/debian bookworm/main amd64 libportaudio2 amd64 19.6.0-1.2 [65.0 kB]"
"""


class TestSystemPackages:
    @pytest.mark.parametrize(
        ("release", "command"),
        [
            ("ID=debian\n", "sudo apt-get update && sudo apt-get install -y libportaudio2"),
            ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "sudo apt-get update && sudo apt-get install -y libportaudio2"),
            ("ID=fedora\n", "sudo dnf install -y portaudio"),
            ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install -y portaudio"),
            ("ID=manjaro\nID_LIKE=arch\n", "sudo pacman -S --noconfirm portaudio"),
            ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "sudo zypper install -y libportaudio2"),
            ("ID=alpine\n", "sudo apk add portaudio"),
            ("ID=other\n", "install PortAudio, the sound library (libportaudio2 on Debian)"),
        ],
    )
    def test_the_command_for_each_distribution(self, release: str, command: str) -> None:
        assert system_packages.install_command(system_packages.PORTAUDIO, release=release).startswith(command)

    def test_one_command_for_all_that_is_missing(self) -> None:
        command = system_packages.install_command(
            system_packages.VENV, system_packages.PORTAUDIO, release="ID=ubuntu\n"
        )
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        assert command == f"sudo apt-get update && sudo apt-get install -y python{version}-venv libportaudio2"

    @pytest.fixture
    def fake_apt(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A PATH with an apt-get that knows no package before its first `update`, and a sudo that asks nothing."""
        log = tmp_path / "apt.log"
        scripts = {
            "apt-get": f'echo "$@" >> {log}\ncase "$*" in *update*) exit 0;; esac\n'
            f'grep -q update {log} || {{ echo "E: Unable to locate package"; exit 100; }}\n{FETCH}',
            "sudo": 'shift\nexec "$@"\n',
        }
        for name, body in scripts.items():
            script = tmp_path / name
            script.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin:$PATH\n{body}", encoding="utf-8")
            script.chmod(0o755)
        (tmp_path / "env").symlink_to("/usr/bin/env")
        (tmp_path / "true").symlink_to("/bin/true")
        monkeypatch.setenv("PATH", str(tmp_path))
        return log

    def test_installs_by_apt_without_asking_and_refreshes_stale_lists(self, fake_apt: Path) -> None:
        said: list[str] = []
        assert system_packages.provide(system_packages.PORTAUDIO, said.append)
        calls = fake_apt.read_text(encoding="utf-8").splitlines()
        assert [("update" in call, call.endswith("libportaudio2")) for call in calls] == [
            (False, True),
            (True, False),
            (False, True),
        ]
        assert "libportaudio2" in said[0]
        assert "  [1/2] libportaudio2  65.0 kB" in said

    def test_says_why_apt_could_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_apt: Path) -> None:
        script = tmp_path / "apt-get"
        script.write_text("#!/bin/sh\necho 'E: Could not get lock'\nexit 100\n", encoding="utf-8")
        said: list[str] = []
        assert not system_packages.provide(system_packages.PORTAUDIO, said.append)
        assert said[-1].endswith("apt-get could not: Could not get lock")

    def test_does_nothing_without_apt(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert not system_packages.provide(system_packages.PORTAUDIO, lambda text: None)

    def test_a_python_without_venv_names_its_package(self, tmp_path: Path, wheels: Path) -> None:
        checkout = new_checkout(tmp_path / "new", wheels)
        result = without_ensurepip(checkout)
        assert result.returncode == 1
        assert "venv module" in result.stderr
        assert f"python{sys.version_info[0]}.{sys.version_info[1]}-venv" in result.stderr
        assert not checkout.venv.exists()


class TestRequirements:
    @pytest.mark.parametrize(
        ("version", "clause", "fits"),
        [
            ("1.10", ">=1.9", True),
            ("1.10", "<1.9", False),
            ("2.13.0+cpu", "==2.13.0", True),
            ("2.13.1", "==2.13.*", True),
            ("2.14", "==2.13.*", False),
            ("1.0rc1", ">=1.0", False),
            ("1.0.post1", ">=1.0", True),
            ("2.5", "~=2.2", True),
            ("3.0", "~=2.2", False),
            ("2.0", "!=2.0", False),
            ("1.0", ">=one", True),
            ("1.0", "nonsense", False),
        ],
    )
    def test_version_clauses(self, version: str, clause: str, fits: bool) -> None:
        assert requirements.version_fits(version, clause) is fits

    def test_the_owner_s_ten_packages_are_declared(self) -> None:
        declared = requirements.read_declared(ROOT / "pyproject.toml")
        everything = [*declared.default, *(name for names in declared.extras.values() for name in names)]
        names = {pip.normalise(requirement.split("[")[0].split("=")[0].split(">")[0]) for requirement in everything}
        ten = {"torch", "faster-whisper", "openai-whisper", "sounddevice", "pyaudio"}
        ten |= {"webrtcvad-wheels", "transformers", "melotts", "numpy", "pytest"}
        assert ten <= names
        assert "torch==2.13.0" in declared.extras["full"]

    def test_the_running_environment_is_recognised(self) -> None:
        folders = [folder for folder in sys.path if folder.endswith("-packages")]
        assert requirements.unmet(["pytest>=1", "No_Such.Thing"], folders) == ["No_Such.Thing"]


class _Index(BaseHTTPRequestHandler):
    release = threading.Event()

    def do_GET(self) -> None:
        if self.path.startswith("/slow/"):
            self.release.wait(30)
        self.send_response(404 if self.path.startswith("/absent/") else 200)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(b"x")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class TestTorchIndex:
    @pytest.fixture
    def server(self) -> Iterator[str]:
        _Index.release.clear()
        with serving(_Index) as address:
            yield address
            _Index.release.set()

    def test_one_that_answers_is_preferred(self, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(torch_index.OVERRIDE, f"{server}/cpu")
        assert torch_index.torch_index_options("linux", nvidia=False) == ("--extra-index-url", f"{server}/cpu")
        assert torch_index.torch_index_options("win32", nvidia=False) == ("--extra-index-url", f"{server}/cpu")

    def test_not_with_a_gpu_and_not_on_a_mac(self, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(torch_index.OVERRIDE, f"{server}/cpu")
        assert torch_index.torch_index_options("linux", nvidia=True) == ()
        assert torch_index.torch_index_options("darwin", nvidia=False) == ()

    def test_one_that_is_slow_absent_or_dead_is_not(self, server: str) -> None:
        assert not torch_index.answers(f"{server}/slow", within_s=0.2)
        assert not torch_index.answers(f"{server}/absent")
        assert not torch_index.answers("http://127.0.0.1:9/cpu")

    def test_an_empty_override_asks_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(torch_index.OVERRIDE, "")
        assert torch_index.torch_index_options("linux", nvidia=False) == ()
