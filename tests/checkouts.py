"""Small checkouts for tests: the real main.py and bootstrap, a stub of the app, and packages made on the fly."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASE_PYTHON = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
PATIENCE_S = 400.0

CLI = """
import sys
def main(arguments):
    import tiny_one
    print("reached", sys.prefix, tiny_one.VERSION, *arguments)
    return 7 if arguments == ["seven"] else 0
"""
PROJECT = """
[project]
name = "small"
version = "0"
dependencies = [{default}]
[project.optional-dependencies]
test = ["pytest>=0.1"]
[tool.merline.disk-mb]
default = {disk_mb}
"""


def write_wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """A wheel with these files, by hand: a build back end would need the network."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content = {**files, f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": wheel.encode()}
    rows = []
    for path, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}\n")
    content[f"{info}/RECORD"] = ("".join(rows) + f"{info}/RECORD,,\n").encode()
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, data in content.items():
            archive.writestr(path, data)


def write_waiting_sdist(folder: Path, signals: Path) -> None:
    """A source package whose build says `started-1` (then -2) in `signals` and waits for `go` or `go-1` there."""
    backend = f"""
import pathlib, shutil, time
signals = pathlib.Path({str(signals)!r})
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    number = len(list(signals.glob("started-*"))) + 1
    (signals / f"started-{{number}}").touch()
    while not (signals / "go").exists() and not (signals / f"go-{{number}}").exists():
        time.sleep(0.02)
    name = "slow_one-1.0-py3-none-any.whl"
    shutil.copy(signals / name, wheel_directory)
    return name
"""
    parts = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "slow-one"\nversion = "1.0"\n',
        "backend.py": backend,
        "PKG-INFO": "Metadata-Version: 2.1\nName: slow-one\nVersion: 1.0\n",
    }
    with tarfile.open(folder / "slow_one-1.0.tar.gz", "w:gz") as archive:
        for name, text in parts.items():
            entry_info = tarfile.TarInfo(f"slow_one-1.0/{name}")
            entry_info.size = len(text.encode())
            archive.addfile(entry_info, io.BytesIO(text.encode()))
    write_wheel(signals, "slow_one", "1.0", {"slow_one.py": b""})


@dataclass
class Checkout:
    """A folder with the real main.py and bootstrap, a stub of the app, and a small pyproject.toml."""

    folder: Path
    wheels: Path
    environment: dict[str, str] = field(default_factory=dict)

    def declare(self, *default: str, disk_mb: int = 0, comment: str = "") -> None:
        names = ", ".join(f'"{name}"' for name in default)
        text = PROJECT.format(default=names, disk_mb=disk_mb) + comment
        (self.folder / "pyproject.toml").write_text(text, encoding="utf-8")

    def command(self, *arguments: str, python: Path = BASE_PYTHON) -> list[str]:
        return [str(python), str(self.folder / "main.py"), *arguments]

    def environ(self) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT")
        plain = {name: os.environ[name] for name in kept if name in os.environ}
        offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        return plain | offline | {"MERLINE_TORCH_INDEX": ""} | self.environment

    def start(self, *arguments: str, python: Path = BASE_PYTHON) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, python=python),
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    @property
    def packages(self) -> Path:
        return next((self.venv / "lib").glob("python3.*/site-packages"))

    def hurry(self) -> None:
        """Leave no pause between the attempts after a cut network."""
        module = self.folder / "core/environment/pip.py"
        text = module.read_text(encoding="utf-8")
        assert text.count("PAUSES_S = (1.0, 4.0)") == 1
        module.write_text(text.replace("PAUSES_S = (1.0, 4.0)", "PAUSES_S = (0.0, 0.0)"), encoding="utf-8")

    def pip_runs(self) -> int:
        log = self.folder / ".venv-state" / "pip.log"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return sum(line.startswith("$ ") for line in lines)


def await_file(path: Path) -> None:
    """Wait until another process has made `path`."""
    end_s = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end_s, f"{path} never came"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        write_wheel(folder, "tiny_one", version, {"tiny_one.py": f"VERSION = '{version}'\n".encode()})
    write_wheel(folder, "tiny_two", "1.0", {"tiny_two/__init__.py": b"", "tiny_two/data.bin": b"x" * 5000})
    runner = b"import os, sys\nprint('pytest ran with', *sys.argv[1:], 'in', os.getcwd())\nsys.exit(5)\n"
    write_wheel(folder, "pytest", "0.1", {"pytest/__init__.py": b"", "pytest/__main__.py": runner})
    write_pip(folder)
    return folder


def write_pip(folder: Path) -> None:
    """This environment's pip as a wheel, so that a first start brings its own up to date, as it does elsewhere."""
    try:
        found = metadata.distribution("pip")
    except metadata.PackageNotFoundError:
        return
    paths = [path for path in found.files or () if path.parts[0] == "pip" and path.suffix != ".pyc"]
    write_wheel(folder, "pip", found.version, {str(path): path.read_binary() for path in paths})


def link_tools(source: str, target: str) -> None:
    """Copy a file; pip's own, which nothing changes in place, only by name: hundreds of them in each environment."""
    tools = ("/site-packages/pip/", "/site-packages/setuptools/", "/site-packages/pkg_resources/")
    if any(tool in source for tool in tools):
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)


def new_checkout(folder: Path, wheels: Path) -> Checkout:
    for part in ("core/app", "core/utils"):
        (folder / part).mkdir(parents=True)
    shutil.copy(ROOT / "main.py", folder)
    for part in ("__init__", "bootstrap", "background", "utils/__init__", "utils/errors"):
        shutil.copy(ROOT / "core" / f"{part}.py", folder / "core" / f"{part}.py")
    shutil.copytree(
        ROOT / "core/environment", folder / "core/environment", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "core/app/__init__.py").touch()
    (folder / "core/app/cli.py").write_text(CLI, encoding="utf-8")
    checkout = Checkout(folder, wheels)
    checkout.declare("tiny-one>=1,<2")
    return checkout


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> tuple[Checkout, subprocess.CompletedProcess[str]]:
    """A checkout after its first start, and what that start said. Copied, never used."""
    checkout = new_checkout(tmp_path_factory.mktemp("made"), wheels)
    return checkout, checkout.start("hello")


@pytest.fixture
def ready(made: tuple[Checkout, subprocess.CompletedProcess[str]], tmp_path: Path, wheels: Path) -> Checkout:
    """A checkout of its own whose environment is made."""
    folder = tmp_path / "checkout"
    shutil.copytree(made[0].folder, folder, symlinks=True, copy_function=link_tools)
    return Checkout(folder, wheels)


@pytest.fixture
def waiting(ready: Checkout, tmp_path: Path) -> Checkout:
    """`ready`, which now also wants a package whose installation waits for the file `go`."""
    extra = tmp_path / "extra"
    shutil.copytree(ready.wheels, extra)
    write_waiting_sdist(extra, tmp_path)
    ready.wheels = extra
    ready.declare("tiny-one>=1,<2", "tiny-two", "slow-one")
    return ready
