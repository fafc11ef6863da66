"""The processor: its name, its cores, those this process may use, and its vector instructions.

Linux through /proc and /sys, macOS through sysctl, Windows through kernel32 and the registry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.optimization.cgroups import cpu_quota
from core.optimization.host import Host, parse_cpu_list, parse_sysctl
from core.optimization.profile import Cpu

LINUX_FLAGS = {
    "avx2": {"avx2"},
    "avx512": {"avx512f"},
    "vnni": {"avx512_vnni", "avx_vnni"},
    "amx": {"amx_tile"},
    "neon": {"asimd", "neon"},
}
DARWIN_FLAGS = {"avx2": "hw.optional.avx2_0", "avx512": "hw.optional.avx512f"}
WINDOWS_FLAGS = {"avx2": 40, "avx512": 41}
"""PF_AVX2_INSTRUCTIONS_AVAILABLE and PF_AVX512F_INSTRUCTIONS_AVAILABLE; Windows names neither VNNI nor AMX"""
ARM64 = frozenset({"aarch64", "arm64", "ARM64"})
ARM_CORES = {
    0xD03: "Cortex-A53",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD44: "Cortex-X1",
    0xD49: "Neoverse-N2",
    0xD4F: "Neoverse-V2",
}
"""`CPU part` of implementer 0x41 (ARM), from the kernel's arch/arm64/include/asm/cputype.h"""
DARWIN_NAMES = (
    "machdep.cpu.brand_string",
    "hw.physicalcpu",
    "hw.logicalcpu",
    "hw.perflevel0.physicalcpu",
    *DARWIN_FLAGS.values(),
)


@dataclass(frozen=True, slots=True)
class _Cores:
    physical: int
    logical: int
    usable: int
    """physical ones within the affinity mask"""
    fast: int | None = None
    """of the usable ones; None where all are alike"""


def read_cpu(host: Host) -> Cpu:
    """What this process has of the processor."""
    if host.system == "Darwin":
        return _darwin(host)
    return _windows(host) if host.system == "Windows" else _linux(host)


def _describe(host: Host, model: str, cores: _Cores, flags: Iterator[str]) -> Cpu:
    quota = cpu_quota(host) if host.system == "Linux" else None
    usable = float(max(1, cores.usable))
    return Cpu(
        model=" ".join(model.split()) or host.architecture,
        architecture=host.architecture,
        physical_cores=max(1, cores.physical),
        logical_cores=max(1, cores.logical),
        usable_cores=usable if quota is None else min(usable, quota),
        instruction_sets=frozenset(flags),
        performance_cores=cores.fast,
    )


def _linux(host: Host) -> Cpu:
    processors = [_fields(block) for block in (host.text("/proc/cpuinfo") or "").split("\n\n") if block.strip()]
    words: set[str] = set()
    for processor in processors:
        words.update(processor.get("flags", "").split(), processor.get("Features", "").split())
    found = (name for name, flags in LINUX_FLAGS.items() if flags & words)
    return _describe(host, _linux_model(host, processors), _linux_cores(host, processors), found)


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _linux_model(host: Host, processors: list[dict[str, str]]) -> str:
    """ARM's /proc/cpuinfo has no `model name`: the cores by their part numbers, and the board by its device tree."""
    for processor in processors:
        if name := processor.get("model name"):
            return name
    parts = {processor["CPU part"] for processor in processors if "CPU part" in processor}
    cores = " + ".join(sorted(ARM_CORES.get(int(part, 16), f"ARM part {part}") for part in parts))
    board = host.word("/proc/device-tree/model") or next(
        (name for processor in processors if (name := processor.get("Model") or processor.get("Hardware"))), ""
    )
    return f"{cores} ({board})" if cores and board else cores or board


def _linux_cores(host: Host, processors: list[dict[str, str]]) -> _Cores:
    online = parse_cpu_list(host.word("/sys/devices/system/cpu/online") or "") or frozenset(
        int(number) for processor in processors if (number := processor.get("processor", "")).isdigit()
    )
    online = online or frozenset(range(host.logical_cores))
    core_of = (
        _core_by_topology(host, online) or _core_by_cpuinfo(processors) or {number: str(number) for number in online}
    )
    allowed = online & host.affinity if host.affinity else online
    usable = {core_of[number] for number in allowed if number in core_of}
    fast = _fast_processors(host, online)
    return _Cores(
        physical=len(set(core_of.values())),
        logical=len(online),
        usable=len(usable),
        fast=len({core_of[number] for number in allowed & fast if number in core_of}) if fast else None,
    )


def _core_by_topology(host: Host, online: frozenset[int]) -> dict[int, str]:
    """Each processor's core, named by the list of the processors that share it."""
    cores: dict[int, str] = {}
    for number in online:
        folder = f"/sys/devices/system/cpu/cpu{number}/topology"
        siblings = host.word(f"{folder}/core_cpus_list") or host.word(f"{folder}/thread_siblings_list")
        if not siblings:
            return {}
        cores[number] = siblings
    return cores


def _core_by_cpuinfo(processors: list[dict[str, str]]) -> dict[int, str]:
    return {
        int(processor["processor"]): f"{processor.get('physical id', '0')}/{processor['core id']}"
        for processor in processors
        if processor.get("processor", "").isdigit() and "core id" in processor
    }


def _fast_processors(host: Host, online: frozenset[int]) -> frozenset[int]:
    """Intel's hybrid processors list them; ARM's rate each core from 0 to 1024. Empty where all are alike."""
    if listed := parse_cpu_list(host.word("/sys/devices/cpu_core/cpus") or ""):
        return listed if host.word("/sys/devices/cpu_atom/cpus") else frozenset()
    rates = {number: host.word(f"/sys/devices/system/cpu/cpu{number}/cpu_capacity") or "" for number in online}
    known = {number: int(rate) for number, rate in rates.items() if rate.isdigit()}
    if len(set(known.values())) < 2:
        return frozenset()
    # A phone's chip has three kinds of cores: those within a fifth of the fastest count as fast.
    return frozenset(number for number, rate in known.items() if 5 * rate >= 4 * max(known.values()))


def _darwin(host: Host) -> Cpu:
    told = parse_sysctl(host.run(("sysctl", *DARWIN_NAMES)))
    physical = _count(told, "hw.physicalcpu") or host.logical_cores
    fast = _count(told, "hw.perflevel0.physicalcpu")
    cores = _Cores(
        physical=physical,
        logical=_count(told, "hw.logicalcpu") or host.logical_cores,
        usable=physical,
        fast=fast if fast and fast < physical else None,
    )
    found = {name for name, key in DARWIN_FLAGS.items() if told.get(key) == "1"}
    neon = {"neon"} if host.architecture in ARM64 else set()
    return _describe(host, told.get("machdep.cpu.brand_string", ""), cores, iter(found | neon))


def _count(told: Mapping[str, str], name: str) -> int:
    value = told.get(name, "")
    return int(value) if value.isdigit() else 0


def _windows(host: Host) -> Cpu:
    calls = host.windows
    records = calls.core_records() if calls else b""
    classes = list(_efficiency_classes(records))
    fast = classes.count(max(classes)) if classes and min(classes) < max(classes) else None
    # Without the records every logical processor counts as a core: too many threads rather than none.
    physical = len(classes) or host.logical_cores
    found = {name for name, number in WINDOWS_FLAGS.items() if calls and calls.has_feature(number)}
    neon = {"neon"} if host.architecture in ARM64 else set()
    cores = _Cores(physical, host.logical_cores, physical, fast)
    return _describe(host, calls.processor_name() if calls else "", cores, iter(found | neon))


def _efficiency_classes(records: bytes) -> Iterator[int]:
    """One number a core, higher is faster: SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX, whose records tell their size."""
    offset = 0
    while offset + 10 <= len(records):
        relationship, size = struct.unpack_from("<II", records, offset)
        if size < 10:
            return
        if relationship == 0:
            yield records[offset + 9]
        offset += size
