"""Start here: `python3 main.py`. Checks Python's version, makes sure of the environment, hands over to core.app.

Standard library only. Nothing in this file is newer than Python 2.7, so that an older one can still say what it needs.
"""
# ruff: noqa: UP020, UP024, UP032

import io
import os
import sys

OLDEST = (3, 11)
NEWEST = (3, 13)
RESTARTED = "MERLINE_RESTARTED_FROM"
INTERRUPTED = 130

# Which Python a system offers by its own package manager: (ID, VERSION_ID in /etc/os-release) -> command, and its name.
_APT = "sudo apt install {0} {0}-venv"
_CURES = {
    ("debian", "12"): (_APT.format("python3.11"), "python3.11"),
    ("debian", "13"): (_APT.format("python3.13"), "python3.13"),
    ("ubuntu", "22.04"): (_APT.format("python3.11"), "python3.11"),
    ("ubuntu", "24.04"): (_APT.format("python3.12"), "python3.12"),
    ("fedora", ""): ("sudo dnf install python3.12", "python3.12"),
    ("arch", ""): ("sudo pacman -S uv && uv python install 3.13", "python3.13"),
    ("darwin", ""): ("brew install python@3.13", "python3.13"),
    ("win32", ""): ("winget install Python.Python.3.13", "py -3.13"),
}
_PLACES = "install Python 3.12 from python.org, or with `uv python install 3.12` or `pyenv install 3.12`"
_ELSEWHERE = (_PLACES, "python3.12")


def fits(version):
    """Whether Merline runs on this (major, minor)."""
    return OLDEST <= tuple(version[:2]) <= NEWEST


def version_message(version, system, release):
    """What is wrong with this Python and its cure, for a (ID, VERSION_ID) of /etc/os-release or (sys.platform, "")."""
    found = ".".join(str(number) for number in version[:2])
    cure, name = _CURES.get((system, release)) or _CURES.get((system, "")) or _ELSEWHERE
    return (
        "Merline needs Python 3.11, 3.12 or 3.13; this one is {}, and no fitting one is on the PATH.\n"
        "Cure: {}\nThen start again with it: {} main.py"
    ).format(found, cure, name)


def operating_system():
    """(ID, VERSION_ID) from /etc/os-release on Linux, (sys.platform, "") elsewhere."""
    values = {}
    try:
        with io.open("/etc/os-release", encoding="utf-8") as release:
            for line in release:
                key, _, value = line.strip().partition("=")
                values[key] = value.strip("\"'")
    except (IOError, OSError):
        return sys.platform, ""
    return values.get("ID", sys.platform), values.get("VERSION_ID", "")


def find_python():
    """Path of a Python that fits: .venv's, else the newest on the PATH that really starts; else None."""
    import subprocess

    folder = os.path.dirname(os.path.abspath(__file__))
    own = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    names = ["python3.13", "python3.12", "python3.11", "python3", "python"]
    ending = ".exe" if os.name == "nt" else ""
    places = os.environ.get("PATH", "").split(os.pathsep)
    candidates = [os.path.join(folder, ".venv", *own)]
    candidates += [os.path.join(place, name + ending) for name in names for place in places if place]
    question = "import sys; sys.exit(not {} <= sys.version_info[:2] <= {})".format(OLDEST, NEWEST)
    with open(os.devnull, "w") as nowhere:
        for candidate in candidates:
            if os.path.exists(candidate):
                try:
                    # A version manager's shim exists for every Python it knows and fails for those not selected.
                    answer = subprocess.call([candidate, "-c", question], stdout=nowhere, stderr=nowhere)
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
    sys.stderr.flush()
    os.environ[RESTARTED] = found
    command = [other, os.path.abspath(__file__)] + arguments  # noqa: RUF005
    if os.name == "nt":
        import subprocess

        running = subprocess.Popen(command)
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:  # it reaches both, and the other has things to close
                continue
    os.execv(other, command)


def fill_streams():
    """Put /dev/null in the place of each standard stream that was closed when this program was started."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
                os.set_inheritable(number, True)  # dup2 does not where it was this very number that was free
            setattr(sys, name, io.open(os.devnull, mode))  # noqa: SIM115 (it lasts as long as the program)


def main():
    """The whole program; returns its exit code."""
    fill_streams()
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
        what_next = bootstrap.mend_later(error.name)
        if not what_next:
            raise
        sys.stderr.write("merline: " + what_next + "\n")
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
