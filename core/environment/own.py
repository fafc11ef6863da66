"""Our own .venv: where it is, the stamp that says what it holds, the lock that lets one process at a time change it.

Cheap to import: every start does. Nothing here makes or changes an environment.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.environment.requirements import Declared

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"
OWN = ROOT / ".venv"
STAMP = OWN / "merline-stamp"
STATE = ROOT / ".venv-state"  # outlives .venv: the lock, pip's log, what was found out about an active environment
STAGED = STATE / "full" / "apply"  # core/background.py leaves it when packages wait for a start with nothing loaded

_BIN = OWN / ("Scripts" if os.name == "nt" else "bin")
OWN_PYTHON = _BIN / ("python.exe" if os.name == "nt" else "python")


class Stamp:
    """What .venv holds, written last: its Python, pyproject.toml's time and size, a digest for each complete group."""

    __slots__ = ("groups", "pyproject", "python")

    def __init__(self, python: str = "", pyproject: str = "", groups: dict[str, str] | None = None) -> None:
        self.python = python
        self.pyproject = pyproject
        self.groups = groups or {}

    @classmethod
    def read(cls) -> Stamp:
        """The stamp of .venv; an empty one when there is none. Raises PermissionError where it may not be looked at."""
        try:
            lines = STAMP.read_text(encoding="utf-8").splitlines()
        except PermissionError:
            raise
        except OSError:
            return cls()
        values = dict(line.partition(" ")[::2] for line in lines)
        return cls(values.pop("python", ""), values.pop("pyproject", ""), values)

    def write(self) -> None:
        """Replace the stamp in one step."""
        lines = [f"python {self.python}", f"pyproject {self.pyproject}", *(f"{k} {v}" for k, v in self.groups.items())]
        fresh = STAMP.with_name(f"{STAMP.name}.{os.getpid()}")
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fresh.replace(STAMP)

    def current_groups(self, declared: Declared) -> dict[str, str]:
        """The groups whose lists in pyproject.toml are still those that were installed."""
        known = {"default", *declared.extras}
        return {
            name: digest for name, digest in self.groups.items() if name in known and declared.digest(name) == digest
        }


def inside_own() -> bool:
    """Whether this process runs in .venv."""
    return os.path.realpath(sys.prefix) == os.path.realpath(OWN)


def is_ready(extras: tuple[str, ...] = ()) -> bool:
    """Whether .venv is complete and current, by its stamp alone: a few file accesses, no import worth naming.

    Raises SetupError where this user may not look into it.
    """
    try:
        return _is_current(extras)
    except PermissionError as error:
        from core.environment.failures import SetupError

        folder = STATE if str(error.filename).startswith(str(STATE)) else OWN
        raise SetupError(
            f"{folder} may not be read by you ({error.filename}: {error.strerror}); copy {ROOT} without "
            f".venv and .venv-state to a folder of your own and start there, or let its "
            f"owner run: chmod -R a+rX {folder}"
        ) from error


def _is_current(extras: tuple[str, ...]) -> bool:
    stamp = Stamp.read()
    wanted = {"default", *extras}
    if not wanted <= stamp.groups.keys() or not OWN_PYTHON.exists() or STAGED.exists():
        return False
    if inside_own() and stamp.python != minor_version():
        return False
    if stamp.pyproject == fingerprint():
        return True
    from core.environment.requirements import read_declared

    current = stamp.current_groups(read_declared(PYPROJECT))
    if not wanted <= current.keys():
        return False
    stamp.groups, stamp.pyproject = current, fingerprint()
    with contextlib.suppress(OSError):  # a read-only .venv is only slower
        stamp.write()
    return True


def site_packages() -> Path:
    """.venv's folder of packages; it may not exist yet."""
    if os.name == "nt":
        return OWN / "Lib" / "site-packages"
    return next((OWN / "lib").glob("python3.*/site-packages"), OWN / "lib" / "python3" / "site-packages")


def fingerprint() -> str:
    try:
        status = PYPROJECT.stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns} {status.st_size}"


def minor_version() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


@contextlib.contextmanager
def setup_lock(tell: Callable[[str], None]) -> Iterator[int]:
    """Hold the one lock on .venv; waits, and says so, while another start has it. Gives the lock's descriptor."""
    import time

    STATE.mkdir(exist_ok=True)
    descriptor = os.open(STATE / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        waiting = False
        while not try_lock(descriptor):
            if not waiting:
                tell("Another start is setting up this folder; waiting for it ...")
                waiting = True
            time.sleep(0.1)
        yield descriptor
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
