"""Drives pip: what a list of requirements still needs, and its installation with progress and plain-English failures.

Standard library only. Leaves pip's own configuration (indexes, certificates, proxies) alone.
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from core.environment.failures import InstallError, certificate_refused, explain_failure

Phase = Literal["resolving", "downloading", "building", "installing"]

PAUSES_S = (1.0, 4.0)  # between the attempts after a cut network; pip itself retries each file as well
_TICK_S = 0.25
BYTE_COUNTING_PIP = (24, 1)  # the first to know `--progress-bar raw`


@dataclass(frozen=True, slots=True)
class Package:
    """One distribution to install. `size_bytes` is 0 until it is known."""

    name: str
    version: str
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Where an installation stands: package `done` of `total` (0: not known yet), bytes of the file in hand.

    `trouble` says why it does not get on, while it does not.
    """

    phase: Phase
    package: str
    done: int
    total: int
    bytes_done: int = 0
    bytes_total: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Pip:
    """The pip of one environment, the folder for its working files, and options that every call gets."""

    python: Path
    work: Path
    options: tuple[str, ...] = ()
    keep_open: tuple[int, ...] = ()  # descriptors the child inherits: a lock it holds on to if we are killed
    counts_bytes: bool = True  # whether it knows `--progress-bar raw`

    def command(self, *arguments: str) -> list[str]:
        """`install` with this pip's options: a release that need not be compiled comes before a newer one that must."""
        bar = "raw" if self.counts_bytes else "off"
        return ["install", "--prefer-binary", "--progress-bar", bar, *self.options, *arguments]


Report = Callable[[Step], None]


def normalise(name: str) -> str:
    """The registry's one spelling of a name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def run_pip(pip: Pip, arguments: Sequence[str], on_line: Callable[[str], None], on_tick: Callable[[], None]) -> None:
    """Run `pip ARGUMENTS`, handing over each line it says; `on_tick` four times a second. Raises InstallError."""
    pip.work.mkdir(parents=True, exist_ok=True)
    scratch = pip.work / "tmp"  # on the same disk as the environment: /tmp is often small, and in memory
    scratch.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1"}
    environment |= {"TMPDIR": str(scratch), "PYTHONIOENCODING": "utf-8"}
    command = [str(pip.python), "-m", "pip", *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=environment,
        pass_fds=pip.keep_open if os.name == "posix" else (),
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as said:
            for line in said:
                lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, name="pip output", daemon=True).start()
    tail: deque[str] = deque(maxlen=400)
    try:
        with (pip.work / "pip.log").open("a", encoding="utf-8", buffering=1) as log:
            log.write(f"\n$ {' '.join(command)}\n")
            while True:
                try:
                    line = lines.get(timeout=_TICK_S)
                except queue.Empty:
                    on_tick()
                    continue
                if line is None:
                    break
                if not line.startswith("Progress "):
                    tail.append(line)
                    log.write(line + "\n")
                on_line(line)
        code = process.wait()
    finally:
        _end(process)
    if code != 0:
        raise explain_failure("\n".join(tail), pip.python.parent, pip.work)


def _end(process: subprocess.Popen[str]) -> None:
    """Make sure that no pip outlives us: asked first, because pip tidies up after itself."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def persist(attempt: Callable[[], None], tell: Callable[[str], None]) -> None:
    """Run `attempt`, and again after a pause when the network was what failed. Raises the last InstallError."""
    for pause_s in PAUSES_S:
        try:
            return attempt()
        except InstallError as error:
            if error.kind != "network":
                raise
            tell(f"The network was cut; trying again in {pause_s:.0f} s.")
            time.sleep(pause_s)
    return attempt()


def plan(pip: Pip, requirements: Iterable[str], report: Report, extra: Sequence[str] = ()) -> list[Package]:
    """What is missing for these requirements, dependencies included; nothing is installed. Raises InstallError."""
    pip.work.mkdir(parents=True, exist_ok=True)
    wanted = pip.work / "wanted.txt"
    answer = pip.work / "plan.json"
    wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    reader = _OutputReader("resolving", {}, report)
    command = pip.command("--dry-run", "--report", str(answer), *extra, "-r", str(wanted))
    run_pip(pip, command, reader.line, reader.tick)
    found = json.loads(answer.read_text(encoding="utf-8"))["install"]
    return [
        Package(item["metadata"]["name"], item["metadata"]["version"], _local_size(item["download_info"]["url"]))
        for item in found
    ]


def install(pip: Pip, packages: Sequence[Package], report: Report, target: Path, extra: Sequence[str] = ()) -> None:
    """Install exactly these, without looking for dependencies: they come from `plan`. Raises InstallError.

    `target` is the site-packages folder they end up in: what arrives there is the progress while pip is silent.
    """
    pinned = pip.work / "pinned.txt"
    pinned.write_text("".join(f"{package.name}=={package.version}\n" for package in packages), encoding="utf-8")
    reader = _OutputReader("downloading", {normalise(package.name): package for package in packages}, report, target)
    run_pip(pip, pip.command("--no-deps", *extra, "-r", str(pinned)), reader.line, reader.tick)


def _local_size(url: str) -> int:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "file":
        return 0
    try:
        return Path(urllib.request.url2pathname(parts.path)).stat().st_size
    except OSError:
        return 0


_COLLECTING = re.compile(r"^\s*Collecting ([A-Za-z0-9._-]+)")
_ARCHIVE = re.compile(r"^\s*(?:Downloading|Using cached|Processing) (\S+)(?: \(([\d.]+) ?([kMG]?B)\))?")
_PROGRESS = re.compile(r"^Progress (\d+) of (\d+)")
_BUILDING = re.compile(r"^\s*Building wheel for (\S+)")
_RETRYING = re.compile(r"^\s*WARNING: Retrying ")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}


class _OutputReader:
    """Turns pip's lines into steps."""

    def __init__(self, phase: Phase, packages: dict[str, Package], report: Report, target: Path | None = None) -> None:
        self._step = Step(phase, "", 0, len(packages))
        self._packages = packages
        self._seen: set[str] = set()
        self._report = report
        self._target = target

    def line(self, text: str) -> None:
        if found := _PROGRESS.match(text):
            self._tell(bytes_done=int(found[1]), bytes_total=int(found[2]))
        elif _RETRYING.match(text):
            refused = certificate_refused(text)
            why = "the index's certificate is not accepted" if refused else "no connection to the package index"
            self._tell(trouble=f"{why}; trying again")
        elif found := _BUILDING.match(text):
            self._tell(phase="building", package=self._label(found[1]))
        elif text.startswith("Installing collected packages"):
            self._tell(phase="installing", package="", done=0, bytes_done=0, bytes_total=0)
        elif (found := _ARCHIVE.match(text)) and not found[1].endswith(".metadata"):
            size = int(float(found[2]) * _UNITS[found[3]]) if found[2] else 0
            self._start(re.split(r"-\d", found[1].replace("\\", "/").rsplit("/", 1)[-1])[0], size)
        elif (found := _COLLECTING.match(text)) and not self._packages:
            self._start(found[1], 0)

    def tick(self) -> None:
        if self._step.phase == "installing" and self._target is not None:
            arrived = {normalise(info.name.split("-")[0]) for info in self._target.glob("*.dist-info")}
            self._step = replace(self._step, done=len(arrived & self._packages.keys()))
        self._report(self._step)

    def _start(self, name: str, size_bytes: int) -> None:
        key = normalise(name)
        if self._packages and key not in self._packages:
            return
        self._seen.add(key)
        size = size_bytes or (self._packages[key].size_bytes if key in self._packages else 0)
        self._tell(package=self._label(name), done=len(self._seen), bytes_done=0, bytes_total=size)

    def _label(self, name: str) -> str:
        package = self._packages.get(normalise(name))
        return f"{package.name} {package.version}" if package else name

    def _tell(self, **changes: object) -> None:
        self._step = replace(self._step, **({"trouble": ""} | changes))  # type: ignore[arg-type]
        self._report(self._step)
