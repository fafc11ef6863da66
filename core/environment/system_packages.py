"""What Merline needs from the system's own package manager: PortAudio's library, and Python's venv on Debian.

Standard library only. Installs with apt-get where it may without asking (root, or sudo without a password), saying what
and how much; elsewhere it says the exact command. A missing PortAudio never stops a start.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Tell = Callable[[str], None]
_LOCK_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to have, and the package that brings it under each package manager ("" where there is none)."""

    what: str
    apt: str
    dnf: str = ""
    pacman: str = ""
    zypper: str = ""
    apk: str = ""


PORTAUDIO = Need(
    "PortAudio, the sound library", "libportaudio2", "portaudio", "portaudio", "libportaudio2", "portaudio"
)
# Debian and Ubuntu take ensurepip out of python3.X and put it into python3.X-venv; the others ship it with Python.
VENV = Need(
    f"Python {sys.version_info[0]}.{sys.version_info[1]}'s venv module",
    f"python{sys.version_info[0]}.{sys.version_info[1]}-venv",
    "python3-pip",
    "python",
    "python3-base",
    "python3",
)

_COMMANDS = {
    # a fresh machine has no package lists, and old lists name files that are gone
    "apt": "apt-get update && sudo apt-get install -y {}",
    "dnf": "dnf install -y {}",
    "pacman": "pacman -S --noconfirm {}",
    "zypper": "zypper install -y {}",
    "apk": "apk add {}",
}
_FAMILIES = {
    "debian": "apt",
    "ubuntu": "apt",
    "fedora": "dnf",
    "rhel": "dnf",
    "centos": "dnf",
    "arch": "pacman",
    "suse": "zypper",
    "opensuse": "zypper",
    "alpine": "apk",
}


def package_manager(release: str) -> str | None:
    """The package manager for the text of /etc/os-release: apt, dnf, pacman, zypper, apk, or None when unknown."""
    values = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    names = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split()
    return next((_FAMILIES[name] for name in names if name in _FAMILIES), None)


def install_command(*needs: Need, release: str | None = None) -> str:
    """The exact command that brings all of `needs` on this system (or on the one whose /etc/os-release is given)."""
    manager = package_manager(_release() if release is None else release)
    if manager is None:
        named = " and ".join(f"{need.what} ({need.apt} on Debian)" for need in needs)
        return f"install {named} with this system's package manager"
    packages: list[str] = [getattr(need, manager) for need in needs]
    return "sudo " + _COMMANDS[manager].format(" ".join(packages))


def portaudio_missing() -> bool:
    """Whether PortAudio must come from the system and is not there; macOS and Windows have it inside sounddevice."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        ctypes.CDLL("libportaudio.so.2")
    except OSError:
        return True
    return False


def provide(need: Need, tell: Tell) -> bool:
    """Install `need` where that is possible without asking anyone; True when the package manager says it is done."""
    prefix = _privilege()
    if prefix is None:
        return False
    apt = [*prefix, "env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    apt += ["-o", f"DPkg::Lock::Timeout={_LOCK_TIMEOUT_S}"]
    install = [*apt, "install", "-y", "--no-install-recommends", need.apt]
    tell(f"Installing {need.what} ({need.apt}) with apt-get ...")
    if _run_apt(install, tell):
        tell("  the package lists are missing or old; refreshing them ...")  # a fresh image has none yet
        _run_apt([*apt, "update"], lambda text: None)
        if reason := _run_apt(install, tell):
            tell(f"  apt-get could not: {reason}")
            return False
    tell(f"  {need.apt} is in.")
    return True


_COUNTS = re.compile(r"^(\d+) upgraded, (\d+) newly installed")
_FETCHING = re.compile(r"^Get:(\d+) \S+ \S+ \S+ (\S+) .*\[([^\]]+)\]$")
_LOCKED = re.compile(r"^Waiting for cache lock")


def _run_apt(command: list[str], tell: Tell) -> str:
    """Run apt-get, telling what it fetches; "" when it succeeds, else its own reason."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    total, waiting, reason = 0, False, "it gave no reason"
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := _COUNTS.match(line):
                total = int(found[1]) + int(found[2])
            elif found := _FETCHING.match(line):
                tell(f"  [{int(found[1]):{len(str(total))}}/{total}] {found[2]}  {found[3]}")
            elif _LOCKED.match(line) and not waiting:
                waiting = True
                tell(f"  another program is installing packages; waiting for it, {_LOCK_TIMEOUT_S} s at most ...")
            elif line.startswith("E: "):
                reason = line[3:].strip()
    return reason if process.returncode else ""


def provide_portaudio(tell: Tell) -> None:
    """See to PortAudio; where that cannot be done, say what it is for and the command, and go on."""
    if not portaudio_missing() or (provide(PORTAUDIO, tell) and not portaudio_missing()):
        return
    tell(f"{PORTAUDIO.what[0].upper()}{PORTAUDIO.what[1:]}, is missing. Typing works without it; to talk, run:")
    tell(f"  {install_command(PORTAUDIO)}")


def _privilege() -> list[str] | None:
    """What to put before apt-get: nothing for root, sudo where it asks no password; None where neither will do."""
    if not shutil.which("apt-get"):
        return None
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    asked = subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def _release() -> str:
    try:
        return Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
