"""Shows an installation: one line that moves on a terminal, plain lines at a modest rate elsewhere.

Standard library only; the terminal view proper (rich) is among the packages that are only now being installed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from core.environment.pip import Package, Step

_QUIET_S = 5.0  # between two plain lines about the same package


class SetupView:
    """Writes messages and steps to one stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moving = stream.isatty()
        self._open_line = False
        self._last: Step | None = None
        self._last_at_s = float("-inf")
        self._begun_s = time.monotonic()
        self._sizes: dict[str, int] = {}
        self._count = 0

    def tell(self, text: str) -> None:
        """A message of its own line."""
        self._wipe()
        self._write(text + "\n")

    def begin(self, packages: Sequence[Package]) -> None:
        """The list is known: say how many, and how large as far as that is known before fetching."""
        self._count = len(packages)
        self._sizes.clear()  # some indexes make pip fetch whole files to work out what is needed; they count once
        total = sum(package.size_bytes for package in packages)
        all_known = all(package.size_bytes for package in packages)  # a registry tells a size only as it sends the file
        count = f"{len(packages)} package{'s' * (len(packages) != 1)}"
        self.tell(f"Installing {count}" + (f", {readable(total)}:" if all_known else ":"))

    def step(self, step: Step) -> None:
        """Show where the installation stands."""
        if step.phase == "downloading" and not step.package:
            return
        last, self._last = self._last, step
        if step.bytes_total and step.package:
            self._sizes[step.package] = step.bytes_total
        another = last is None or (last.phase, last.package) != (step.phase, step.package)
        now_s = time.monotonic()
        if self._moving:
            if another and last is not None and last.phase == "downloading" and last.package:
                self.tell(_text(last, whole=True))
            self._rewrite(_text(step))
        elif (another and step.phase != "resolving") or (now_s - self._last_at_s >= _QUIET_S):
            self._write(_text(step) + "\n")
            self._last_at_s = now_s

    def finish(self) -> None:
        """All is in: one line with the number, the size fetched and the time."""
        if self._count:
            took_s = time.monotonic() - self._begun_s
            self.tell(f"Installed, {readable(sum(self._sizes.values()))} fetched. All of it took {took_s:.0f} s.")

    def close(self) -> None:
        """Leave the terminal's line clean."""
        self._wipe()

    def _rewrite(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._write("\r\x1b[K" + text[:width])
        self._open_line = True

    def _wipe(self) -> None:
        if self._open_line:
            self._write("\r\x1b[K")
            self._open_line = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _text(step: Step, whole: bool = False) -> str:
    """`whole`: the file is here, so its size alone is worth showing."""
    trouble = f"  ({step.trouble})" if step.trouble else ""
    if step.phase == "resolving":
        size = f", {_size(step)}" if step.bytes_total else ""
        where = f": {step.package} ({step.done} looked at{size})" if step.package else " ..."
        return f"  working out what is needed{where}{trouble}"
    if step.phase == "installing":
        return f"  unpacking{f': {step.done} of' if step.done else ''} {step.total} package{'s' * (step.total != 1)}"
    size = f"  {readable(step.bytes_total)}" if whole or not step.bytes_done else f"  {_size(step)}"
    verb = "building " if step.phase == "building" else ""
    width = len(str(step.total))
    return f"  [{step.done:{width}}/{step.total}] {verb}{step.package}" + (size if step.bytes_total else "") + trouble


def _size(step: Step) -> str:
    return f"{step.bytes_done / 1e6:.1f} of {step.bytes_total / 1e6:.1f} MB"


def readable(size_bytes: int) -> str:
    """A size for people: "33 kB", "5.0 MB", "183 MB"."""
    if size_bytes < 100_000:
        return f"{size_bytes / 1e3:.0f} kB"
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes < 100_000_000 else f"{size_bytes / 1e6:.0f} MB"
