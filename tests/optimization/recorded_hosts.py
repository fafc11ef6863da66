"""Machines written down as the files and the program output that they gave, for the readers of core/optimization."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.optimization.host import Host, RawMemory

X86_FLAGS = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss ht"
ARM_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
ROOT_MOUNT = "23 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"


def v1_mounts(root: str = "/") -> str:
    """Docker on version 1, or this kernel's own root with `/`."""
    return ROOT_MOUNT + "".join(
        f"{number} 31 0:{number} {root} /sys/fs/cgroup/{name} ro,nosuid - cgroup cgroup rw,{name}\n"
        for number, name in ((40, "memory"), (41, "cpu,cpuacct"), (42, "pids"))
    )


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Lay the files out under `root`."""
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def x86_cpuinfo(model: str, cores: int, threads_a_core: int, flags: str = "", packages: int = 1) -> str:
    """/proc/cpuinfo as Intel and AMD number it: first one processor of every core, then their siblings."""
    blocks = []
    for number in range(cores * threads_a_core):
        core = number % cores
        blocks.append(
            f"processor\t: {number}\nvendor_id\t: GenuineIntel\nmodel name\t: {model}\n"
            f"physical id\t: {core * packages // cores}\ncore id\t\t: {core % (cores // packages)}\n"
            f"flags\t\t: {X86_FLAGS} {flags}\n"
        )
    return "\n".join(blocks) + "\n"


def topology(cores: int, threads_a_core: int) -> dict[str, str]:
    """/sys/devices/system/cpu of the same numbering."""
    logical = cores * threads_a_core
    files = {"/sys/devices/system/cpu/online": f"0-{logical - 1}\n" if logical > 1 else "0\n"}
    for number in range(logical):
        siblings = ",".join(str(number % cores + cores * sibling) for sibling in range(threads_a_core))
        files[f"/sys/devices/system/cpu/cpu{number}/topology/core_cpus_list"] = f"{siblings}\n"
    return files


def meminfo(total_kb: int, available_kb: int) -> str:
    return (
        f"MemTotal:       {total_kb} kB\nMemFree:         {available_kb // 3} kB\n"
        f"MemAvailable:   {available_kb} kB\nBuffers:          204800 kB\nCached:          1048576 kB\n"
        "SwapTotal:       2097148 kB\nHugePages_Total:       0\n"
    )


def linux(root: Path, files: Mapping[str, str], logical: int, affinity: Sequence[int] | None = None) -> Host:
    architecture = "aarch64" if "asimd" in files.get("/proc/cpuinfo", "") else "x86_64"
    allowed = None if affinity is None else frozenset(affinity)
    return Host("Linux", architecture, logical, write(root, files), allowed)


RASPBERRY_PI_5 = {
    "/proc/cpuinfo": "".join(
        f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {ARM_FEATURES}\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n"
        for number in range(4)
    )
    + "Revision\t: d04170\nSerial\t\t: 0000000000000000\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
    "/proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "/proc/meminfo": meminfo(8_257_488, 6_904_112),
    **topology(4, 1),
    **{f"/sys/devices/system/cpu/cpu{number}/cpu_capacity": "1024\n" for number in range(4)},
}

M1_SYSCTL = """machdep.cpu.brand_string: Apple M1
hw.physicalcpu: 8
hw.logicalcpu: 8
hw.perflevel0.physicalcpu: 4
hw.memsize: 8589934592
"""
"""sysctl names what it knows and complains on standard error about the x86 ones"""

M1_VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               12801.
Pages active:                            150217.
Pages inactive:                          147203.
Pages speculative:                         2046.
Pages throttled:                              0.
Pages wired down:                        101324.
Pages purgeable:                           1210.
"Translation faults":                 415214771.
"""

INTEL_MAC_SYSCTL = """machdep.cpu.brand_string: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz
hw.physicalcpu: 6
hw.logicalcpu: 12
hw.optional.avx2_0: 1
hw.optional.avx512f: 0
hw.memsize: 17179869184
"""


@dataclass
class RecordedPrograms:
    """Answers commands by their first word and remembers them."""

    answers: Mapping[str, str]
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, command: Sequence[str]) -> str:
        self.asked.append(tuple(command))
        return self.answers.get(command[0], "")


def mac(sysctl: str, vm_stat: str, architecture: str) -> Host:
    return Host("Darwin", architecture, 8, run=RecordedPrograms({"sysctl": sysctl, "vm_stat": vm_stat}))


def core_record(efficiency: int, mask: int) -> bytes:
    """One SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX for a core, 48 bytes as 64-bit Windows gives it."""
    header = struct.pack("<IIBB20sH", 0, 48, 1, efficiency, b"", 1)
    return header + struct.pack("<QHHHH", mask, 0, 0, 0, 0)


@dataclass(frozen=True)
class RecordedWindows:
    """What a Windows machine answered."""

    name: str
    records: bytes
    features: frozenset[int]
    raw: RawMemory

    def processor_name(self) -> str:
        return self.name

    def core_records(self) -> bytes:
        return self.records

    def has_feature(self, number: int) -> bool:
        return number in self.features

    def memory(self) -> RawMemory:
        return self.raw
