"""Makes sure that this process, or the one it becomes, runs with the packages pyproject.toml names.

Standard library only. Uses an active environment that satisfies pyproject.toml, else keeps .venv beside main.py:
made, repaired and updated by one process at a time, left alone while its stamp is current. Says everything on stderr.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.utils.errors import MerlineError

if TYPE_CHECKING:
    from core.installer import Pip
    from core.requirements import Declared
    from core.setup_view import SetupView

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = ROOT / "pyproject.toml"
OWN = ROOT / ".venv"
STAMP = OWN / "merline-stamp"
STATE = ROOT / ".venv-state"  # outlives .venv: the lock, pip's log, what was found out about an active environment
STAGED = STATE / "full" / "apply"  # core/background.py leaves it when packages wait for a start with nothing loaded
HANDED_OVER = "MERLINE_HANDED_OVER"
INTERRUPTED = 130

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
        """The stamp of .venv; an empty one when there is none."""
        try:
            lines = STAMP.read_text(encoding="utf-8").splitlines()
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


def enter(arguments: list[str]) -> int | None:
    """Prepare for the command in `arguments`. None: this process may go on; a number: all is done, exit with it."""
    testing = arguments[:1] == ["test"]
    try:
        python = prepare(("test",) if testing else (), offline="--offline" in arguments)
    except MerlineError as error:
        print(f"merline: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nStopped. What is installed so far is kept; the next start goes on from there.", file=sys.stderr)
        return INTERRUPTED
    if testing:
        os.chdir(ROOT)
        return _become(python, ["-m", "pytest", *arguments[1:]])
    if python == sys.executable:
        os.environ.pop(HANDED_OVER, None)
        return None
    return _become(python, [str(ROOT / "main.py"), *arguments])


def prepare(extras: tuple[str, ...] = (), offline: bool = False) -> str:
    """Path of a Python whose environment has the default packages and these extras: sys.executable when this one has.

    Raises SetupError, or its subclass InstallError, when that cannot be had.
    """
    inside = inside_own()
    if not inside and os.environ.pop(HANDED_OVER, ""):
        from core.installer import SetupError

        raise SetupError(f"{OWN_PYTHON} does not start inside {OWN}; delete that folder and start again")
    if not inside and active_environment() and active_satisfies(extras):
        return sys.executable
    if not is_ready(extras):
        _make(extras, offline)
    unfit = inside and Stamp.read().python != _minor()
    return sys.executable if inside and not unfit else str(OWN_PYTHON)


def inside_own() -> bool:
    """Whether this process runs in .venv."""
    return os.path.realpath(sys.prefix) == os.path.realpath(OWN)


def is_ready(extras: tuple[str, ...] = ()) -> bool:
    """Whether .venv is complete and current, by its stamp alone: a few file accesses, no import worth naming."""
    stamp = Stamp.read()
    if not {"default", *extras} <= stamp.groups.keys() or not OWN_PYTHON.exists() or STAGED.exists():
        return False
    if inside_own() and stamp.python != _minor():
        return False
    fingerprint = _fingerprint()
    if stamp.pyproject == fingerprint:
        return True
    from core.requirements import read_declared

    declared = read_declared(PYPROJECT)
    stamp.groups = _current_groups(stamp, declared)
    stamp.pyproject = fingerprint
    with contextlib.suppress(OSError):  # a read-only .venv is only slower
        stamp.write()
    return {"default", *extras} <= stamp.groups.keys()


def asks_for_words(arguments: list[str]) -> bool:
    """Whether only the help or the version is wanted, which need no packages."""
    return arguments[:1] != ["test"] and not {"-h", "--help", "--version"}.isdisjoint(arguments)


def repairable(module: str | None) -> bool:
    """Whether a module that could not be imported is one that .venv should have; the next start then puts it back."""
    if not inside_own() or module is None or (ROOT / module.split(".")[0]).exists():
        return False
    STAMP.unlink(missing_ok=True)
    return True


def active_environment() -> bool:
    """Whether this Python belongs to an active virtual environment or to conda."""
    conda = os.environ.get("CONDA_PREFIX")
    return sys.prefix != sys.base_prefix or bool(conda and os.path.realpath(conda) == os.path.realpath(sys.prefix))


def active_satisfies(extras: tuple[str, ...] = ()) -> bool:
    """Whether the active environment meets pyproject.toml; remembered until it or pyproject.toml changes."""
    import zlib

    folders = [folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    ages = " ".join(str(os.stat(folder).st_mtime_ns) for folder in folders if os.path.isdir(folder))
    key = f"{sys.prefix} {_minor()} {ages} {_fingerprint()} {' '.join(extras)}"
    note = STATE / f"active-{zlib.crc32((sys.prefix + ' '.join(extras)).encode()):08x}"
    with contextlib.suppress(OSError):
        known, _, verdict = note.read_text(encoding="utf-8").rpartition("\n")
        if known == key:
            return verdict == "yes"
    from core.requirements import read_declared, unmet

    declared = read_declared(PYPROJECT)
    missing = unmet([name for group in ("default", *extras) for name in declared.requirements(group)], folders)
    if missing:
        text = f"The active environment {sys.prefix} lacks {', '.join(missing[:3])}"
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        print(f"{text}{more}: using {OWN} instead.", file=sys.stderr)
    with contextlib.suppress(OSError):  # not remembered: found out again next time
        STATE.mkdir(exist_ok=True)
        note.write_text(f"{key}\n{'no' if missing else 'yes'}", encoding="utf-8")
    return not missing


def _make(extras: tuple[str, ...], offline: bool) -> None:
    from core.installer import SetupError
    from core.requirements import drop_damaged, read_declared, unmet
    from core.setup_view import SetupView

    view = SetupView(sys.stderr)
    try:
        with setup_lock(view) as lock:
            if is_ready(extras):
                return  # the start we waited for has done it
            declared = read_declared(PYPROJECT)
            groups = ("default", *extras)
            wanted = [name for group in groups for name in declared.requirements(group)]
            before = Stamp.read()
            _check_room(declared, [group for group in groups if group not in before.groups])
            pip_version = _ensure_venv(view, offline)
            if STAGED.exists():
                from core.background import apply_staged

                apply_staged(view.tell)
            # Only what was complete once is judged by its named packages: theirs may be missing after an interruption.
            complete = Stamp.read().groups.keys() >= set(groups)
            if not complete or unmet(wanted, [str(site_packages())]):
                if offline:
                    raise SetupError(f"{OWN} is not complete, and --offline forbids fetching; start once without it")
                _provide_portaudio(view, before)
                drop_damaged(site_packages())
                _install(view, _pip(lock, pip_version, view), wanted, groups)
            _sign(declared, groups, before)
    except OSError as error:
        raise SetupError(_explain(error)) from error
    finally:
        view.close()


def _check_room(declared: Declared, groups: list[str]) -> None:
    import shutil

    from core.installer import SetupError

    needed_mb = sum(declared.disk_mb.get(group, 0) for group in groups)
    free_mb = shutil.disk_usage(ROOT).free // 10**6
    if free_mb < needed_mb:
        raise SetupError(
            f"The disk is too full: the packages need about {needed_mb} MB, {free_mb} MB are free where {ROOT} is. "
            "Make room and start again."
        )


def _ensure_venv(view: SetupView, offline: bool) -> tuple[int, ...]:
    """A .venv whose Python and pip start, made anew if need be; returns pip's version."""
    import shutil
    import subprocess

    from core.installer import SetupError, explain_failure

    version = _probe()
    if version:
        return version
    if OWN.exists() or OWN.is_symlink():
        view.tell("Remaking .venv: it is incomplete or its Python is gone.")
        OWN.unlink() if OWN.is_symlink() else shutil.rmtree(OWN)
    _require_ensurepip(view, offline)
    base = getattr(sys, "_base_executable", None) or sys.executable
    view.tell(f"Making {OWN} with Python {sys.version.split()[0]} ...")
    made = subprocess.run(
        [base, "-m", "venv", str(OWN)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    version = _probe() if made.returncode == 0 else ()
    if not version:
        STATE.mkdir(exist_ok=True)
        output = made.stdout + made.stderr
        (STATE / "pip.log").write_text(output, encoding="utf-8")
        full = shutil.disk_usage(ROOT).free < 2 * 10**6  # venv hides ensurepip's own words
        raise SetupError(
            f"No virtual environment could be made. {explain_failure(output + 'Errno 28' * full, OWN, STATE)}"
        )
    return version


def _probe() -> tuple[int, ...]:
    """pip's version in .venv; () when its Python, or pip, does not start, or is of a kind we cannot use."""
    import subprocess

    if not OWN_PYTHON.exists() or not (OWN / "pyvenv.cfg").is_file():
        return ()
    code = "import sys, pip; print(*sys.version_info[:2]); print(sys.prefix); print(pip.__version__)"
    try:
        answer = subprocess.run([OWN_PYTHON, "-I", "-c", code], capture_output=True, encoding="utf-8", timeout=60)
        python, prefix, version = answer.stdout.splitlines()
        fits = (3, 11) <= tuple(int(part) for part in python.split()) <= (3, 13) and site_packages().is_dir()
        return tuple(int(part) for part in version.split(".")[:2]) if fits and os.path.samefile(prefix, OWN) else ()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ()


def _require_ensurepip(view: SetupView, offline: bool) -> None:
    import importlib.util

    from core import system_packages
    from core.installer import SetupError

    if importlib.util.find_spec("ensurepip"):
        return
    if not offline and system_packages.provide(system_packages.VENV, view.tell):
        importlib.invalidate_caches()
        if importlib.util.find_spec("ensurepip"):
            return
    raise SetupError(
        f"{system_packages.VENV.what} is missing. Run this, then start again: "
        f"{system_packages.install_command(system_packages.VENV)}"
    )


def _provide_portaudio(view: SetupView, before: Stamp) -> None:
    from core import system_packages

    if "default" not in before.groups:
        system_packages.provide_portaudio(view.tell)


def _pip(lock: int, version: tuple[int, ...], view: SetupView) -> Pip:
    """The pip of .venv, brought to 24.1 or later where one is to be had: older ones do not count bytes."""
    from dataclasses import replace

    from core.installer import InstallError, Pip, run_pip

    pip = Pip(OWN_PYTHON, STATE, keep_open=(lock,))
    if version >= (24, 1):
        return pip
    view.tell(f"Updating pip {'.'.join(map(str, version))} ...")
    try:
        run_pip(pip, ["install", "--upgrade", "--quiet", "pip"], lambda line: None, lambda: None)
    except InstallError as error:
        if error.kind == "disk":
            raise
        return replace(
            pip, counts_bytes=False
        )  # the old one does the work as well; the rest shows if the network is gone
    return pip


def _install(view: SetupView, pip: Pip, wanted: list[str], groups: tuple[str, ...]) -> None:
    from core.installer import install, persist, plan

    def attempt() -> None:
        packages = plan(pip, wanted, view.step)
        if not packages:
            return
        unsigned = Stamp.read()
        unsigned.groups = {name: digest for name, digest in unsigned.groups.items() if name not in groups}
        unsigned.write()
        view.begin(packages)
        install(pip, packages, view.step, site_packages())

    persist(attempt, view.tell)
    view.finish()


def _sign(declared: Declared, groups: tuple[str, ...], before: Stamp) -> None:
    kept = _current_groups(before, declared)
    signed = Stamp.read()
    signed.python = site_packages().parent.name.removeprefix("python") if os.name != "nt" else _minor()
    signed.pyproject = _fingerprint()
    signed.groups = {name: digest for name, digest in signed.groups.items() if name in kept}
    signed.groups |= {group: declared.digest(group) for group in groups}
    signed.write()


def _current_groups(stamp: Stamp, declared: Declared) -> dict[str, str]:
    known = {"default", *declared.extras}
    return {name: digest for name, digest in stamp.groups.items() if name in known and declared.digest(name) == digest}


@contextlib.contextmanager
def setup_lock(view: SetupView) -> Iterator[int]:
    """Hold the one lock on .venv; waits, and says so, while another start has it. Gives the lock's descriptor."""
    import time

    STATE.mkdir(exist_ok=True)
    descriptor = os.open(STATE / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        waiting = False
        while not _try_lock(descriptor):
            if not waiting:
                view.tell("Another start is setting up this folder; waiting for it ...")
                waiting = True
            time.sleep(0.1)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
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


def site_packages() -> Path:
    """.venv's folder of packages; it may not exist yet."""
    if os.name == "nt":
        return OWN / "Lib" / "site-packages"
    return next((OWN / "lib").glob("python3.*/site-packages"), OWN / "lib" / "python3" / "site-packages")


def _become(python: str, arguments: list[str]) -> int:
    """Replace this process by `python ARGUMENTS`; Windows cannot, so there run it and pass its exit code on."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ[HANDED_OVER] = "1"
    if os.name != "nt":
        os.execv(python, [python, *arguments])
    import subprocess

    return subprocess.call([python, *arguments])


def _fingerprint() -> str:
    try:
        status = PYPROJECT.stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns} {status.st_size}"


def _minor() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _explain(error: OSError) -> str:
    import errno

    if error.errno == errno.ENOSPC:
        return f"The disk is full where {ROOT} is. Make room and start again; what is installed already is kept."
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return (
            f"{error.filename or ROOT} cannot be written to; copy this folder to one of your own and start from there"
        )
    return f"The environment could not be made: {error}"
