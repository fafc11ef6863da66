"""What was measured already, in a file: a run that is broken off goes on where it stopped, on the same machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.claim_parts.measured import Measured
from benchmarks.figures import machine


class Kept:
    """Parts and when each was measured. Without a path nothing outlasts the run."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.parts: dict[str, list[Measured]] = {}
        self.times: dict[str, str] = {}
        if path is not None and path.exists():
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["machine"] != machine():
                raise SystemExit(f"{path} was measured on another machine; choose another file")
            self.times = told["times"]
            self.parts = {name: [Measured(**one) for one in found] for name, found in told["parts"].items()}

    def add(self, name: str, found: Iterable[Measured]) -> None:
        """One more part, written at once; one that gave nothing is tried again the next time."""
        told = list(found)
        if not told:
            return
        self.parts[name] = told
        self.times[name] = time.strftime("%Y-%m-%d %H:%M")
        if self._path is not None:
            parts = {part: [asdict(one) for one in measured] for part, measured in self.parts.items()}
            whole = {"machine": machine(), "times": self.times, "parts": parts}
            self._path.write_text(json.dumps(whole, indent=1), encoding="utf-8")

    def all(self) -> list[Measured]:
        """In the order in which they were measured."""
        return [one for found in self.parts.values() for one in found]
