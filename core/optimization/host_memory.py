"""How much main memory there is for this process: the machine's, a container's, or what a resource limit leaves.

The least of them counts. Nothing is allocated to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.optimization.cgroups import MemoryLimit, memory_limits
from core.optimization.host import Host, RawMemory, parse_sysctl
from core.optimization.profile import Memory

KIB = 1024


def read_memory(host: Host) -> Memory:
    """Total and available bytes; a limit counts as the total. Both are 0 where the system tells nothing."""
    raw = _READERS[host.system](host) if host.system in _READERS else RawMemory(0, 0)
    limits: tuple[MemoryLimit, ...] = ()
    if host.system == "Linux":
        limits = (*memory_limits(host), *_resource_limits(host))
    least = min((limit.limit_bytes for limit in limits), default=None)
    known = raw.total_bytes or least or 0
    if least is not None and least > known:
        least = None  # more than the machine has: no limit
    return Memory(
        total_bytes=known if least is None else min(known, least),
        available_bytes=min((*(limit.left_bytes for limit in limits), raw.available_bytes or known)),
        limit_bytes=least,
    )


def _linux(host: Host) -> RawMemory:
    fields = {
        name: int(value.split()[0]) * KIB
        for name, colon, value in (line.partition(":") for line in (host.text("/proc/meminfo") or "").splitlines())
        if colon and value.split() and value.split()[0].isdigit()
    }
    # Before Linux 3.14 there is no MemAvailable: free memory and the file cache come nearest.
    near = fields.get("MemFree", 0) + fields.get("Buffers", 0) + fields.get("Cached", 0)
    return RawMemory(fields.get("MemTotal", 0), fields.get("MemAvailable", near))


def _resource_limits(host: Host) -> Iterator[MemoryLimit]:
    """RLIMIT_AS and RLIMIT_DATA with what counts against them; a thread's stack counts as well as a model."""
    limits, status = host.text("/proc/self/limits") or "", host.text("/proc/self/status") or ""
    for limit_name, used_name in (("Max address space", "VmSize"), ("Max data size", "VmData")):
        limit = re.search(rf"^{limit_name}\s+(\d+)", limits, re.MULTILINE)
        used = re.search(rf"^{used_name}:\s+(\d+) kB", status, re.MULTILINE)
        if limit:
            yield MemoryLimit(int(limit[1]), int(used[1]) * KIB if used else 0)


def _darwin(host: Host) -> RawMemory:
    """Free, inactive, speculative and purgeable pages can be had without swapping: Activity Monitor counts likewise."""
    total = parse_sysctl(host.run(("sysctl", "hw.memsize"))).get("hw.memsize", "")
    text = host.run(("vm_stat",))
    page = re.search(r"page size of (\d+) bytes", text)
    size = int(page[1]) if page else 4096
    pages = sum(
        int(found[1])
        for kind in ("free", "inactive", "speculative", "purgeable")
        if (found := re.search(rf"^Pages {kind}:\s+(\d+)\.", text, re.MULTILINE))
    )
    return RawMemory(int(total) if total.isdigit() else 0, pages * size)


def _windows(host: Host) -> RawMemory:
    return host.windows.memory() if host.windows else RawMemory(0, 0)


_READERS = {"Linux": _linux, "Darwin": _darwin, "Windows": _windows}
