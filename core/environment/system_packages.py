"""What Merline needs from the system's own package manager: PortAudio's library, and Python's venv on Debian.

Standard library only. Installs with apt-get where it may without asking (root, or sudo without a password); elsewhere
it says the exact command. A missing PortAudio never stops a start.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Tell = Callable[[str], None]


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
    "apt": "apt-get install -y {}",
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


def install_command(need: Need, release: str | None = None) -> str:
    """The exact command that brings `need` on this system (or on the one whose /etc/os-release is given)."""
    manager = package_manager(_release() if release is None else release)
    if manager is None:
        return f"install {need.what} ({need.apt} on Debian) with this system's package manager"
    package: str = getattr(need, manager)
    return "sudo " + _COMMANDS[manager].format(package)


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
    install = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=60"]
    install += ["install", "-y", "-q", "--no-install-recommends", need.apt]
    tell(f"Installing {need.what} ({need.apt}) with apt-get ...")
    refresh = [*prefix, "apt-get", "-q", "update"]
    for commands in ([install], [refresh, install]):  # a fresh image has no package lists yet
        results = [subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True) for command in commands]
        if results[-1].returncode == 0:
            tell(f"  {need.apt} is in.")
            return True
    return False


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
