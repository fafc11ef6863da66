"""What a benchmark reports: figures with their baseline and target, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. A ratio's baseline was measured in the same run."""

    name: str
    value: float
    unit: str
    better: Literal["lower", "higher"]
    target: float | None = None
    baseline: float | None = None

    @property
    def ok(self) -> bool | None:
        """Whether the target was met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "ok": self.ok}

    def line(self) -> str:
        """One line for people."""
        verdict = {None: "", True: "  ok", False: "  MISSED"}[self.ok]
        sign = "<=" if self.better == "lower" else ">="
        target = f"  (target {sign} {self.target:g})" if self.target is not None else ""
        baseline = f"  baseline {self.baseline:g}" if self.baseline is not None else ""
        return f"{self.name:48} {self.value:10.4g} {self.unit:8}{baseline}{target}{verdict}"


def machine() -> dict[str, Any]:
    """The facts of this machine that figures depend on."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
