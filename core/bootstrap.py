"""Makes sure that this process, or the one it becomes, runs with the packages pyproject.toml names.

Standard library only. Uses an active environment that satisfies pyproject.toml, else keeps .venv beside main.py:
made, repaired and updated by one process at a time, left alone while its stamp is current. Says everything on stderr.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from core.environment.own import (
    OWN,
    OWN_PYTHON,
    PYPROJECT,
    ROOT,
    STAMP,
    STATE,
    fingerprint,
    inside_own,
    is_ready,
    minor_version,
    site_packages,
)
from core.utils.errors import MerlineError

if TYPE_CHECKING:
    from pathlib import Path

HANDED_OVER = "MERLINE_HANDED_OVER"  # set on the way into .venv: coming back out is an error, not a loop
EXTRAS = "MERLINE_EXTRAS"  # more of pyproject.toml's extras to have, e.g. MERLINE_EXTRAS=pyaudio
INTERRUPTED = 130


def enter(arguments: list[str]) -> int | None:
    """Prepare for the command in `arguments`. None: this process may go on; a number: all is done, exit with it."""
    testing = arguments[:1] == ["test"]
    try:
        extras = (*_asked_for(), *(["test"] if testing else []))
        other = prepare(extras, offline="--offline" in arguments)
    except MerlineError as error:
        print(f"merline: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nStopped. What is installed so far is kept; the next start goes on from there.", file=sys.stderr)
        return INTERRUPTED
    if testing:
        os.chdir(ROOT)
        return _become(other or sys.executable, ["-m", "pytest", *arguments[1:]])
    if other is None:
        os.environ.pop(HANDED_OVER, None)
        return None
    os.environ[HANDED_OVER] = "1"
    return _become(other, [str(ROOT / "main.py"), *arguments])


def prepare(extras: tuple[str, ...] = (), offline: bool = False) -> str | None:
    """Path of the Python to go on with, whose environment has the default packages and these extras; None: this one.

    Raises SetupError, or its subclass InstallError, when that cannot be had.
    """
    inside, remade = inside_own(), False
    if not inside and os.environ.pop(HANDED_OVER, ""):
        from core.environment.failures import SetupError

        raise SetupError(f"{OWN_PYTHON} does not start inside {OWN}; delete that folder and start again")
    if not inside and active_environment() and active_satisfies(extras):
        return None
    if not is_ready(extras):
        from core.environment.making import make

        make(extras, offline)
        # Python looks once, as it starts, for the folder of packages: one that was made since is not on its path.
        remade = os.path.realpath(site_packages()) not in map(os.path.realpath, sys.path)
    return None if inside and not remade else str(OWN_PYTHON)


def asks_for_words(arguments: list[str]) -> bool:
    """Whether only the help or the version is wanted, which need no packages."""
    return arguments[:1] != ["test"] and not {"-h", "--help", "--version"}.isdisjoint(arguments)


def mend_later(module: str | None) -> str:
    """What the next start does about a package's module that could not be imported; "" where that is not its part."""
    if module is None or (ROOT / module.split(".")[0]).exists():
        return ""
    if inside_own():
        STAMP.unlink(missing_ok=True)
        return f"the package {module} has gone; start again and it is put back"
    if not active_environment():
        return ""
    # it has all that pyproject.toml names, but not what that needs in turn
    key, note = _active_note(tuple(_asked_for()))
    _remember(note, key, "no")
    return f"the package {module} is missing from {sys.prefix}; start again and {OWN} is used instead"


def _asked_for() -> list[str]:
    return os.environ.get(EXTRAS, "").replace(",", " ").split()


def active_environment() -> bool:
    """Whether this Python belongs to an active virtual environment or to conda."""
    conda = os.environ.get("CONDA_PREFIX")
    return sys.prefix != sys.base_prefix or bool(conda and os.path.realpath(conda) == os.path.realpath(sys.prefix))


def active_satisfies(extras: tuple[str, ...] = ()) -> bool:
    """Whether the active environment meets pyproject.toml; remembered until it or pyproject.toml changes."""
    key, note = _active_note(extras)
    with contextlib.suppress(OSError):
        known, _, verdict = note.read_text(encoding="utf-8").rpartition("\n")
        if known == key:
            return verdict == "yes"
    from core.environment.requirements import read_declared, unmet

    declared = read_declared(PYPROJECT)
    missing = unmet([name for group in ("default", *extras) for name in declared.requirements(group)], _folders())
    if missing:
        text = f"The active environment {sys.prefix} lacks {', '.join(missing[:3])}"
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        print(f"{text}{more}: using {OWN} instead.", file=sys.stderr)
    _remember(note, key, "no" if missing else "yes")
    return not missing


def _folders() -> list[str]:
    return [folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]


def _active_note(extras: tuple[str, ...]) -> tuple[str, Path]:
    """What must be unchanged for the verdict on the active environment to hold, and where that verdict is kept."""
    import zlib

    ages = " ".join(str(os.stat(folder).st_mtime_ns) for folder in _folders() if os.path.isdir(folder))
    key = f"{sys.prefix} {minor_version()} {ages} {fingerprint()} {' '.join(extras)}"
    return key, STATE / f"active-{zlib.crc32((sys.prefix + ' '.join(extras)).encode()):08x}"


def _remember(note: Path, key: str, verdict: str) -> None:
    with contextlib.suppress(OSError):  # not remembered: found out again next time
        STATE.mkdir(exist_ok=True)
        note.write_text(f"{key}\n{verdict}", encoding="utf-8")


def _become(python: str, arguments: list[str]) -> int:
    """Replace this process by `python ARGUMENTS`; Windows cannot, so there run it and pass its exit code on.

    Ctrl-C reaches both there; this one leaves it to the other, which has things to close.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execv(python, [python, *arguments])
    import subprocess

    running = subprocess.Popen([python, *arguments])
    while True:
        try:
            return running.wait()
        except KeyboardInterrupt:
            continue
