"""Reads the machine into a frozen profile, without torch; decides nothing.

Reading takes milliseconds and writes nothing; measuring speed takes seconds, once: it is kept in the data folder, and
measured again only where other programs were at work meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.optimization.cpu import ARM64, read_cpu
from core.optimization.host import Host, this_host
from core.optimization.host_memory import read_memory
from core.optimization.machine_speed import measure_speed
from core.optimization.profile import Disk, MachineProfile, Speed
from core.utils.gpu import Gpu
from core.utils.paths import data_folder

logger = logging.getLogger(__name__)

SPEED_FILE = "machine_speed.json"
GIB = 1 << 30


def _read_gpus() -> tuple[Gpu, ...]:
    from core.utils.gpu import read_gpus

    return tuple(read_gpus())


@dataclass(frozen=True, slots=True)
class AnalyzerSources:
    """Where an analyser reads; None stands for this machine."""

    host: Host | None = None
    read_gpus: Callable[[], tuple[Gpu, ...]] = _read_gpus
    measure: Callable[[MachineProfile, Host], Speed] = measure_speed
    folder: Path | None = None
    """the data folder"""


class SystemAnalyzer:
    """Says what the machine is, and, asked to, what it can do."""

    def __init__(self, sources: AnalyzerSources | None = None) -> None:
        self._sources = sources or AnalyzerSources()

    def analyze(self, measure: bool = False) -> MachineProfile:
        """The machine as it is now.

        Its speed is in the profile if it was ever measured on this machine, or with `measure`, which measures it if
        need be: where it never was, or was disturbed by other programs. Raises what `core.utils.gpu.read_gpus` raises.
        """
        host = self._sources.host or this_host()
        profile = MachineProfile(
            system=host.system,
            cpu=read_cpu(host),
            memory=read_memory(host),
            disk=self._disk(),
            gpus=self._sources.read_gpus(),
            mps=host.system == "Darwin" and host.architecture in ARM64,
        )
        key = _speed_key(profile)
        speed = _load_speed(self._folder() / SPEED_FILE, key)
        if measure and (speed is None or speed.disturbed):
            found = self._sources.measure(profile, host)
            speed = found if speed is None or not found.disturbed else found.better(speed)
            _keep_speed(self._folder() / SPEED_FILE, key, speed)
        return replace(profile, speed=speed)

    def _folder(self) -> Path:
        return self._sources.folder or data_folder()

    def _disk(self) -> Disk:
        """Of the data folder, or where it will be."""
        folder = self._folder()
        standing = next((level for level in (folder, *folder.parents) if level.exists()), None)
        if standing is None:
            return Disk(str(folder), 0, 0)
        usage = shutil.disk_usage(standing)
        return Disk(str(folder), usage.total, usage.free)


def _speed_key(profile: MachineProfile) -> dict[str, Any]:
    """What a measured speed depends on. Memory in whole GiB: the kernel's own share of it changes with every update."""
    return {
        "cpu": profile.cpu.model,
        "physical_cores": profile.cpu.physical_cores,
        "usable_cores": profile.cpu.usable_cores,
        "memory_gib": round(profile.memory.total_bytes / GIB),
        "numpy": _version("numpy"),
        "torch": _version("torch"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _load_speed(path: Path, key: dict[str, Any]) -> Speed | None:
    """None where nothing was measured for this machine, or the file is damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        # a file of an earlier version does not say whether the machine was busy then
        known = kept["key"] == key and "spread" in kept["speed"]
        speed = Speed(**kept["speed"]) if known else None
        return speed if speed is None or _is_sane(speed) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.info("%s: cannot be used (%s), so the speed counts as not measured", path, error)
        return None


def _is_sane(speed: Speed) -> bool:
    figures = [speed.bandwidth_gb_s, speed.gemm_fp32_gflops, 1.0 + speed.spread, 1.0 + speed.others]
    if speed.gemm_int8_gops is not None:
        figures.append(speed.gemm_int8_gops)
    return all(math.isfinite(figure) and figure > 0 for figure in figures)


def _keep_speed(path: Path, key: dict[str, Any], speed: Speed) -> None:
    """In one step: a program that reads meanwhile sees the old file or the new one. Not being able to is no failure."""
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_text(json.dumps({"key": key, "speed": asdict(speed)}, indent=1), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        logger.warning("%s: the measured speed cannot be kept (%s); it will be measured again", path, error.strerror)
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
