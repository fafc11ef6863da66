"""The real program as a subprocess: its lines as they come, its exit, and what it leaves behind."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


def variables(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a run that sees only its own data folder."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8", **(extra or {}), "MERLINE_HOME": str(home)}


def run(home: Path, *arguments: str, text: str | None = None, timeout: float = 60.0, **extra: str):
    """Run one command to its end; the completed process with its output as text."""
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        env=variables(home, extra),
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


class Program:
    """`main.py` running in the background; its standard output and error are read together, line by line."""

    def __init__(
        self,
        home: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        keyboard: bool = False,
        terminal: bool = False,
    ) -> None:
        """`keyboard`: its input alone is a terminal; `terminal`: what it prints goes there too."""
        self._keys, keys_read = os.openpty() if keyboard or terminal else (None, subprocess.DEVNULL)
        self.lines: list[str] = []
        self._new: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._read = 0
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), *arguments],
            env=variables(home, environment),
            stdin=keys_read,
            stdout=keys_read if terminal else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if self._keys is not None:
            os.close(keys_read)
        self._output = self.process.stdout or os.fdopen(os.dup(self._keys), encoding="utf-8", errors="replace")
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait for a line that comes after the last one waited for; AssertionError with all output otherwise."""
        deadline = time.monotonic() + timeout
        while True:
            while self._read < len(self.lines):
                found = re.search(pattern, self.lines[self._read], re.IGNORECASE)
                self._read += 1
                if found:
                    return found
            try:
                line = self._new.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = ""
            if line is None or time.monotonic() > deadline:
                state = "ended" if line is None else "still running"
                raise AssertionError(f"no line matched {pattern!r} ({state}); output:\n" + "\n".join(self.lines))

    def unread(self) -> list[str]:
        """The lines that came after the last one waited for."""
        return self.lines[self._read :]

    def press(self, keys: str) -> None:
        """Press keys on its terminal."""
        assert self._keys is not None, "started without a keyboard"
        os.write(self._keys, keys.encode())

    def skip(self) -> None:
        """Take everything printed so far as read."""
        self._read = len(self.lines)

    def interrupt(self, timeout: float = 10.0) -> int:
        """Press Ctrl-C and wait for the end; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout)

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Kill what still runs, and close what was open."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(10)
        self._output.close()
        if self._keys is not None:
            os.close(self._keys)
            self._keys = None

    def _collect(self) -> None:
        try:
            for line in self._output:
                self.lines.append(line.rstrip("\n"))
                self._new.put(line)
        except OSError:  # how a terminal ends
            self.lines.append("")
        self._new.put(None)
