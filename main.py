"""Start here: `python3 main.py`. Checks Python's version, makes sure of the environment, hands over to core.app.

Standard library only. Nothing in this file is newer than Python 3.6, so that an older one can still say what it needs.
"""

import os
import sys

OLDEST = (3, 11)
NEWEST = (3, 13)
RESTARTED = "MERLINE_RESTARTED_FROM"
INTERRUPTED = 130

# Which Python a distribution offers by its own package manager: (ID, VERSION_ID in /etc/os-release) -> command.
_APT = "sudo apt install {0} {0}-venv"
_CURES = {
    ("debian", "12"): _APT.format("python3.11"),
    ("debian", "13"): _APT.format("python3.13"),
    ("ubuntu", "22.04"): _APT.format("python3.11"),
    ("ubuntu", "24.04"): _APT.format("python3.12"),
    ("fedora", ""): "sudo dnf install python3.12",
    ("arch", ""): "sudo pacman -S uv && uv python install 3.13",
    ("darwin", ""): "brew install python@3.13",
    ("win32", ""): "winget install Python.Python.3.13",
}
_ELSEWHERE = "install Python 3.12 from python.org, or with `uv python install 3.12` or `pyenv install 3.12`"


def fits(version):
    """Whether Merline runs on this (major, minor)."""
    return OLDEST <= tuple(version[:2]) <= NEWEST


def version_message(version, system, release):
    """What is wrong with this Python and its cure, for a (ID, VERSION_ID) of /etc/os-release or (sys.platform, "")."""
    found = ".".join(str(number) for number in version[:2])
    cure = _CURES.get((system, release)) or _CURES.get((system, "")) or _ELSEWHERE
    return (
        f"Merline needs Python 3.11, 3.12 or 3.13; this one is {found}, and no fitting one is on the PATH.\n"
        f"Cure: {cure}\nThen start again with it, e.g.: python3.12 main.py"
    )


def operating_system():
    """(ID, VERSION_ID) from /etc/os-release on Linux, (sys.platform, "") elsewhere."""
    values = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as release:
            for line in release:
                key, _, value = line.strip().partition("=")
                values[key] = value.strip("\"'")
    except OSError:
        return sys.platform, ""
    return values.get("ID", sys.platform), values.get("VERSION_ID", "")


def find_python():
    """Path of a Python that fits: .venv's, else the newest on the PATH that really starts; else None."""
    import shutil
    import subprocess

    folder = os.path.dirname(os.path.abspath(__file__))
    own = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    names = ["python3.13", "python3.12", "python3.11", "python3", "python"]
    candidates = [os.path.join(folder, ".venv", *own)] + [shutil.which(name) for name in names]
    question = f"import sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    for candidate in candidates:
        if candidate and os.path.exists(candidate):
            try:
                # A version manager's shim exists for every Python it knows and fails for those not selected.
                answer = subprocess.call(
                    [candidate, "-c", question], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            except OSError:
                continue
            if answer == 0:
                return candidate
    return None


def restart(arguments):
    """Run again under a Python that fits; returns an exit code only where there is none."""
    other = None if os.environ.get(RESTARTED) else find_python()
    if other is None:
        system, release = operating_system()
        sys.stderr.write(version_message(sys.version_info, system, release) + "\n")
        return 1
    found = ".".join(str(number) for number in sys.version_info[:2])
    sys.stderr.write("This is Python " + found + ", which Merline cannot use: going on with " + other + "\n")
    os.environ[RESTARTED] = found
    command = [other, os.path.abspath(__file__)] + arguments  # noqa: RUF005
    if os.name == "nt":
        import subprocess

        return subprocess.call(command)
    os.execv(other, command)


def main():
    """The whole program; returns its exit code."""
    arguments = sys.argv[1:]
    if not fits(sys.version_info):
        return restart(arguments)
    os.environ.pop(RESTARTED, None)
    from core import bootstrap

    if bootstrap.asks_for_words(arguments):
        try:
            from core.app.cli import main as run
        except ImportError:
            run = None  # the command line needs a package: get the environment first, as for everything else
        if run is not None:
            return run(arguments)
    code = bootstrap.enter(arguments)
    if code is not None:
        return code
    try:
        from core.app.cli import main as run

        return run(arguments)
    except ModuleNotFoundError as error:
        if not bootstrap.repairable(error.name):
            raise
        sys.stderr.write("merline: the package " + str(error.name) + " has gone; start again and it is put back\n")
        return 1


if __name__ == "__main__":
    try:
        exit_code = main()
    except KeyboardInterrupt:  # while packages are being imported: later ones have their own end
        exit_code = INTERRUPTED
    leave = getattr(sys.modules.get("core.app.cli"), "leave", None)
    if leave is not None:
        leave(exit_code)
    sys.exit(exit_code)
