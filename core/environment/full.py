"""Adds the `full` extra to .venv while Merline runs: the body of the child process that core/background.py starts.

Everything is fetched and unpacked into a folder of its own beside .venv and then moved in by renaming, so being killed
costs nothing. Packages that are there keep their versions; where that is impossible the next start puts the change in.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

from core.environment.failures import InstallError, SetupError
from core.environment.own import OWN, OWN_PYTHON, PYPROJECT, ROOT, STAGED, STATE, Stamp, setup_lock, site_packages
from core.environment.pip import (
    BYTE_COUNTING_PIP,
    Package,
    Pip,
    Step,
    install,
    normalise,
    persist,
    plan,
)
from core.environment.requirements import Declared, drop_damaged, read_declared
from core.environment.torch_index import nvidia_present, torch_index_options

WORK = STATE / "full"
STAGING = WORK / "staging"
BATCH = 6  # packages to a pip call: what a cut costs at most, against pip's start-up
PLAN_LASTS_S = 7 * 86_400.0
TOOLS = {"pip", "setuptools", "wheel"}  # never loaded by Merline, so they may change under it

Tell = Callable[[str], None]


def run(report: Callable[[Step], None], tell: Tell) -> bool:
    """Install what is missing of `full`. True: it can be used at once; False: from the next start.

    Raises SetupError, or its subclass InstallError; nothing that worked before works less then.
    """
    declared = read_declared(PYPROJECT)
    needed_mb, free_mb = declared.disk_mb.get("full", 0), shutil.disk_usage(ROOT).free // 10**6
    staged_mb = sum(file.stat().st_size for file in STAGING.rglob("*") if file.is_file()) // 10**6
    if free_mb < needed_mb - staged_mb:
        raise SetupError(f"The full engines need about {needed_mb - staged_mb} MB on the disk, {free_mb} MB are free")
    WORK.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(WORK / "tmp", ignore_errors=True)  # what a killed pip left
    counts = tuple(int(part) for part in metadata.version("pip").split(".")[:2]) >= BYTE_COUNTING_PIP
    pip = Pip(OWN_PYTHON, WORK, options=torch_index_options(), counts_bytes=counts)
    packages = _planned(pip, declared, report)
    persist(lambda: _stage(pip, packages, report), tell)
    if not packages:
        _sign(declared)
        return True
    present = {normalise(name) for name, _ in _installed(site_packages())}
    if any(normalise(package.name) in present - TOOLS for package in packages):
        STAGED.write_text(declared.digest("full"), encoding="utf-8")
        return False
    with setup_lock(tell):
        _move_in(packages)
        _sign(declared)
    return True


def apply_staged(tell: Tell) -> None:
    """Put in what had to wait for a start with nothing loaded. The caller holds the lock."""
    declared = read_declared(PYPROJECT)
    if STAGED.read_text(encoding="utf-8") != declared.digest("full"):
        shutil.rmtree(WORK)  # pyproject.toml has changed since; the next background run looks again
        return
    tell("Putting in the full engines that were fetched in the background ...")
    before = Stamp.read()
    unsigned = Stamp(before.python, before.pyproject)
    unsigned.write()  # cut off from here on, the next start goes through everything
    _move_in([Package(name, version) for name, version in _installed(_staged_packages())])
    before.write()
    _sign(declared)


def _planned(pip: Pip, declared: Declared, report: Callable[[Step], None]) -> list[Package]:
    """What to install, worked out once and kept for a week: the same list after each interruption."""
    installed = sorted(f"{name}=={version}" for name, version in _installed(site_packages()))
    key = [declared.digest("full"), *installed, *pip.options]
    note = WORK / "planned.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["key"] == key and time.time() - known["at_s"] < PLAN_LASTS_S:
            return [Package(**package) for package in known["packages"]]
    except (OSError, ValueError, KeyError, TypeError):
        note.unlink(missing_ok=True)
    constraints = WORK / "constraints.txt"
    kept = [line for line in installed if normalise(line.split("==")[0]) not in TOOLS]
    constraints.write_text("\n".join(kept) + "\n", encoding="utf-8")
    wanted = [*declared.default, *declared.requirements("full")]
    try:
        packages = plan(pip, wanted, report, ("-c", str(constraints)))
    except InstallError as error:
        if error.kind != "conflict":
            raise
        packages = plan(pip, wanted, report)
    if not nvidia_present():
        # openai-whisper asks for triton on every Linux and calls it on CUDA only: some 200 MB saved
        packages = [package for package in packages if normalise(package.name) != "triton"]
    known = {"key": key, "at_s": time.time(), "packages": [asdict(package) for package in packages]}
    _write(note, json.dumps(known))
    return packages


def _stage(pip: Pip, packages: Sequence[Package], report: Callable[[Step], None]) -> None:
    wanted = {(normalise(package.name), package.version) for package in packages}
    if STAGING.exists():
        drop_damaged(_staged_packages())
        if not set(_installed(_staged_packages(), spelled_alike=True)) <= wanted:
            shutil.rmtree(STAGING)
    staged = set(_installed(_staged_packages(), spelled_alike=True))
    missing = [package for package in packages if (normalise(package.name), package.version) not in staged]
    options = ("--prefix", str(STAGING), "--ignore-installed", "--no-warn-script-location")
    for first in range(0, len(missing), BATCH):
        before = len(packages) - len(missing) + first

        def shift(step: Step, before: int = before) -> None:
            report(replace(step, done=before + step.done, total=len(packages)))

        install(pip, missing[first : first + BATCH], shift, _staged_packages(), options)


def _staged_packages() -> Path:
    """Where pip puts packages under STAGING; distributions differ in lib and in site- or dist-packages."""
    return next((path for path in STAGING.rglob("*-packages") if path.is_dir()), STAGING / "site-packages")


def _installed(folder: Path, spelled_alike: bool = False) -> Iterator[tuple[str, str]]:
    for distribution in metadata.distributions(path=[str(folder)]):
        name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        if name and version:
            yield normalise(name) if spelled_alike else name, version


def _move_in(packages: Sequence[Package]) -> None:
    """Move the staged packages into .venv by renaming; metadata last, so that a package half moved is not believed."""
    source, target = _staged_packages(), site_packages()
    wanted = {normalise(package.name) for package in packages}
    for distribution in list(metadata.distributions(path=[str(target)])):
        if normalise(distribution.metadata["Name"] or "") in wanted:
            for file in distribution.files or ():
                Path(str(file.locate())).unlink(missing_ok=True)
    for entry in sorted(source.iterdir(), key=lambda path: path.suffix == ".dist-info"):
        _merge(entry, target / entry.name)
    for script in (*STAGING.glob("bin/*"), *STAGING.glob("Scripts/*")):
        script.replace(OWN / script.parent.name / script.name)
    STAGED.unlink(missing_ok=True)
    shutil.rmtree(STAGING)


def _merge(source: Path, target: Path) -> None:
    if source.is_dir() and target.is_dir():
        for entry in list(source.iterdir()):
            _merge(entry, target / entry.name)
    else:
        source.replace(target)


def _sign(declared: Declared) -> None:
    stamp = Stamp.read()
    stamp.groups["full"] = declared.digest("full")
    stamp.write()


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
