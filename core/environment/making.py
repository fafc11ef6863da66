"""Makes, repairs and updates .venv; whatever interrupts it, the next call goes on from what is there.

Standard library only. Says what it does through a SetupView; raises SetupError in plain English.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import replace

from core.environment import system_packages
from core.environment.failures import InstallError, SetupError, explain_failure
from core.environment.own import (
    OWN,
    OWN_PYTHON,
    PYPROJECT,
    ROOT,
    STAGED,
    STAMP,
    STATE,
    Stamp,
    fingerprint,
    is_ready,
    minor_version,
    setup_lock,
    site_packages,
)
from core.environment.pip import (
    BYTE_COUNTING_PIP,
    Pip,
    install,
    persist,
    plan,
    run_pip,
)
from core.environment.requirements import Declared, drop_damaged, read_declared, unmet
from core.environment.torch_index import torch_index_options
from core.environment.view import SetupView


def make(extras: tuple[str, ...], offline: bool) -> None:
    """Have .venv hold the default packages and these extras. Raises SetupError, or its subclass InstallError."""
    view = SetupView(sys.stderr)
    try:
        with setup_lock(view.tell) as lock:
            if is_ready(extras):
                return  # the start we waited for has done it
            declared = read_declared(PYPROJECT)
            groups = ("default", *extras)
            wanted = [name for group in groups for name in declared.requirements(group)]
            before = Stamp.read()
            # Only what was complete once is judged by its named packages: theirs may be missing after an interruption.
            complete = before.groups.keys() >= set(groups)
            if offline and not complete:
                raise SetupError(f"{OWN} is not complete, and --offline forbids fetching; start once without it")
            _check_room(declared, [group for group in groups if group not in before.groups])
            if not before.groups:
                _announce(view, declared)
            pip_version = _ensure_venv(view, offline, lock)
            if STAGED.exists():
                from core.environment.full import apply_staged

                apply_staged(view.tell)
            missing = unmet(wanted, [str(site_packages())])
            if missing and offline:
                raise SetupError(f"{OWN} lacks {missing[0]}, and --offline forbids fetching; start once without it")
            if missing or not complete:
                if "default" not in before.groups:
                    system_packages.provide_portaudio(view.tell)
                drop_damaged(site_packages())
                shutil.rmtree(STATE / "tmp", ignore_errors=True)  # what a killed pip left
                pip = _pip(lock, pip_version, view)
                if "full" in groups:
                    pip = replace(pip, options=torch_index_options())
                _install(view, pip, wanted, groups)
            _sign(declared, groups)
    except OSError as error:
        raise SetupError(_explain(error)) from error
    finally:
        view.close()


def _announce(view: SetupView, declared: Declared) -> None:
    size = f", about {declared.fetch_mb['default']} MB" if "default" in declared.fetch_mb else ""
    what = "Going on with the first start" if OWN.exists() else "First start"
    view.tell(f"{what}: installing what Merline needs into {OWN}{size}. Later starts skip this.")


def _check_room(declared: Declared, groups: list[str]) -> None:
    needed_mb = sum(declared.disk_mb.get(group, 0) for group in groups)
    free_mb = shutil.disk_usage(ROOT).free // 10**6
    if free_mb < needed_mb:
        raise SetupError(
            f"The disk is too full: the packages need about {needed_mb} MB, {free_mb} MB are free where {ROOT} is. "
            "Make room and start again."
        )


def _ensure_venv(view: SetupView, offline: bool, lock: int) -> tuple[int, ...]:
    """A .venv whose Python and pip start, made anew if need be; returns pip's version.

    What makes it holds on to `lock`: if only this process is killed, the next start waits for the other.
    """
    version = _probe()
    if version:
        return version
    if OWN.exists() or OWN.is_symlink():
        view.tell("Remaking .venv: it is incomplete or its Python is gone.")
        if OWN.is_symlink():
            OWN.unlink()
        else:
            STAMP.unlink(missing_ok=True)  # first: half a folder with a stamp would be believed
            shutil.rmtree(OWN)
    _require_ensurepip(view, offline)
    base = getattr(sys, "_base_executable", None) or sys.executable
    view.tell(f"Making {OWN} with Python {sys.version.split()[0]} ...")
    made = subprocess.run(
        [base, "-m", "venv", str(OWN)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=(lock,) if os.name == "posix" else (),
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
    if not OWN_PYTHON.exists() or not (OWN / "pyvenv.cfg").is_file():
        return ()
    code = "import sys, pip; print(*sys.version_info[:2]); print(sys.prefix); print(pip.__version__)"
    try:
        answer = subprocess.run([OWN_PYTHON, "-I", "-c", code], capture_output=True, encoding="utf-8", timeout=60)
        python, prefix, version = answer.stdout.splitlines()
        fits = (3, 11) <= tuple(int(part) for part in python.split()) <= (3, 13) and site_packages().is_dir()
        if os.name == "posix":  # the packages of another Python are there after an upgrade of the one below
            fits = fits and site_packages().parent.name == "python" + python.replace(" ", ".")
        return tuple(int(part) for part in version.split(".")[:2]) if fits and os.path.samefile(prefix, OWN) else ()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ()


def _require_ensurepip(view: SetupView, offline: bool) -> None:
    if importlib.util.find_spec("ensurepip"):
        return
    if not offline and system_packages.provide(system_packages.VENV, view.tell):
        importlib.invalidate_caches()
        if importlib.util.find_spec("ensurepip"):
            return
    needs = [system_packages.VENV]
    if system_packages.portaudio_missing():
        needs.append(system_packages.PORTAUDIO)  # asked for now, so that whoever may install is asked once
    missing, verb = " and ".join(need.what for need in needs), "are" if len(needs) > 1 else "is"
    raise SetupError(
        f"{missing} {verb} missing. Run this, then start again:\n  {system_packages.install_command(*needs)}"
    )


def _pip(lock: int, version: tuple[int, ...], view: SetupView) -> Pip:
    """The pip of .venv, brought to 24.1 or later where one is to be had: older ones do not count bytes."""
    pip = Pip(OWN_PYTHON, STATE, keep_open=(lock,))
    if version >= BYTE_COUNTING_PIP:
        return pip
    view.tell(f"Updating pip {'.'.join(map(str, version))} ...")
    try:
        run_pip(pip, ["install", "--upgrade", "--quiet", "pip"], lambda line: None, lambda: None)
    except InstallError as error:
        if error.kind == "disk":
            raise
        view.tell("  that failed; the old one will do.")
    return replace(pip, counts_bytes=_probe() >= BYTE_COUNTING_PIP)


def _install(view: SetupView, pip: Pip, wanted: list[str], groups: tuple[str, ...]) -> None:
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


def _sign(declared: Declared, groups: tuple[str, ...]) -> None:
    signed = Stamp.read()
    signed.python = site_packages().parent.name.removeprefix("python") if os.name != "nt" else minor_version()
    signed.pyproject = fingerprint()
    signed.groups = signed.current_groups(declared) | {group: declared.digest(group) for group in groups}
    signed.write()


def _explain(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full where {ROOT} is. Make room and start again; what is installed already is kept."
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return (
            f"{error.filename or ROOT} cannot be written to; copy this folder to one of your own and start from there"
        )
    return f"The environment could not be made: {error}"
