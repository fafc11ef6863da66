"""How much memory there is for this process, on recorded machines and under a real limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from recorded_hosts import M1_SYSCTL, M1_VM_STAT, ROOT_MOUNT, V2_MOUNT, RecordedWindows, linux, mac, meminfo, v1_mounts

from core.optimization.host import Host, RawMemory, this_host
from core.optimization.host_memory import read_memory
from core.optimization.profile import Memory

MIB = 1 << 20
KIB = 1024
TOTAL_KB, AVAILABLE_KB = 7_519_531, 1_171_875  # 7.7 GB, of which 1.2 GB are free
MACHINE = {"/proc/meminfo": meminfo(TOTAL_KB, AVAILABLE_KB)}
V2 = {**MACHINE, "/proc/self/mountinfo": ROOT_MOUNT + V2_MOUNT}
SERVICE = "/sys/fs/cgroup/system.slice/merline.service"


def test_a_machine_without_limits(tmp_path: Path):
    assert read_memory(linux(tmp_path, MACHINE, 12)) == Memory(TOTAL_KB * KIB, AVAILABLE_KB * KIB, None)


def test_a_kernel_that_does_not_tell_what_is_available(tmp_path: Path):
    text = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\n"
    assert read_memory(linux(tmp_path, {"/proc/meminfo": text}, 1)).available_bytes == 420 * KIB


@pytest.mark.parametrize(
    ("files", "limit_mib", "available_mib"),
    [
        pytest.param(
            {
                "/proc/self/cgroup": "0::/\n",
                "/sys/fs/cgroup/memory.max": f"{512 * MIB}\n",
                "/sys/fs/cgroup/memory.current": f"{200 * MIB}\n",
                "/sys/fs/cgroup/memory.stat": f"anon {100 * MIB}\nactive_file 5\ninactive_file {80 * MIB}\n",
            },
            512,
            512 - 120,
            id="docker",
        ),
        pytest.param(
            {
                "/proc/self/cgroup": "0::/system.slice/merline.service\n",
                f"{SERVICE}/memory.max": f"{600 * MIB}\n",
                f"{SERVICE}/memory.current": f"{50 * MIB}\n",
                "/sys/fs/cgroup/system.slice/memory.max": f"{900 * MIB}\n",
                "/sys/fs/cgroup/system.slice/memory.current": f"{700 * MIB}\n",
            },
            600,
            200,
            id="least-limit-and-least-room-at-two-levels",
        ),
        pytest.param(
            {
                "/proc/self/cgroup": "0::/a\n",
                "/sys/fs/cgroup/a/memory.max": "max\n",
                "/sys/fs/cgroup/a/memory.high": f"{300 * MIB}\n",
                "/sys/fs/cgroup/a/memory.current": f"{400 * MIB}\n",
            },
            300,
            0,
            id="already-above-high",
        ),
    ],
)
def test_version_2(tmp_path: Path, files: dict[str, str], limit_mib: int, available_mib: int):
    memory = read_memory(linux(tmp_path, {**V2, **files}, 4))
    assert memory == Memory(limit_mib * MIB, available_mib * MIB, limit_mib * MIB)


def test_version_2_without_a_limit(tmp_path: Path):
    files = {**V2, "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "max\n"}
    assert read_memory(linux(tmp_path, files, 4)).limit_bytes is None


@pytest.mark.parametrize(("root", "folder"), [("/docker/ab", ""), ("/", "/docker/ab")])
def test_version_1(tmp_path: Path, root: str, folder: str):
    group = f"/sys/fs/cgroup/memory{folder}"
    files = {
        **MACHINE,
        "/proc/self/mountinfo": v1_mounts(root),
        "/proc/self/cgroup": "9:memory:/docker/ab\n5:cpu,cpuacct:/docker/ab\n0::/\n",
        f"{group}/memory.limit_in_bytes": f"{1024 * MIB}\n",
        f"{group}/memory.usage_in_bytes": f"{600 * MIB}\n",
        f"{group}/memory.stat": f"inactive_file 7\ntotal_inactive_file {100 * MIB}\n",
    }
    if folder:
        files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n"
    assert read_memory(linux(tmp_path, files, 4)) == Memory(1024 * MIB, 524 * MIB, 1024 * MIB)


def test_a_limit_above_the_machine_is_none(tmp_path: Path):
    files = {**V2, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": f"{64 << 30}\n"}
    assert read_memory(linux(tmp_path, files, 4)) == Memory(TOTAL_KB * KIB, AVAILABLE_KB * KIB, None)


LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max data size             {data:<20} unlimited            bytes
Max resident set          unlimited            unlimited            bytes
Max address space         {space:<20} unlimited            bytes
"""
STATUS = "Name:\tpython3\nVmPeak:\t  500000 kB\nVmSize:\t  204800 kB\nVmData:\t   51200 kB\n"


@pytest.mark.parametrize(
    ("data", "space", "limit_mib", "available_mib"),
    [("unlimited", str(600 * MIB), 600, 400), (str(600 * MIB), "unlimited", 600, 550), (str(600 * MIB), "0", 0, 0)],
)
def test_resource_limits(tmp_path: Path, data: str, space: str, limit_mib: int, available_mib: int):
    files = {**MACHINE, "/proc/self/limits": LIMITS.format(data=data, space=space), "/proc/self/status": STATUS}
    memory = read_memory(linux(tmp_path, files, 4))
    assert memory == Memory(limit_mib * MIB, available_mib * MIB, limit_mib * MIB)


def test_unlimited_resources_are_no_limit(tmp_path: Path):
    limits = LIMITS.format(data="unlimited", space="unlimited")
    files = {**MACHINE, "/proc/self/limits": limits, "/proc/self/status": STATUS}
    assert read_memory(linux(tmp_path, files, 4)).limit_bytes is None


def test_a_mac_counts_what_can_be_had_without_swapping():
    pages = 12801 + 147203 + 2046 + 1210
    assert read_memory(mac(M1_SYSCTL, M1_VM_STAT, "arm64")) == Memory(8 << 30, pages * 16384, None)


def test_windows():
    recorded = RecordedWindows("x", b"", frozenset(), RawMemory(16 << 30, 9 << 30))
    assert read_memory(Host("Windows", "AMD64", 8, windows=recorded)) == Memory(16 << 30, 9 << 30, None)


def test_an_unknown_system_tells_nothing():
    assert read_memory(Host("FreeBSD", "amd64", 8)) == Memory(0, 0, None)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is kept by Linux")
@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_real_limit_counts(kind: str):
    code = (
        "import json, resource\n"
        "from dataclasses import asdict\n"
        "from core.optimization.host import this_host\n"
        "from core.optimization.host_memory import read_memory\n"
        f"resource.setrlimit(resource.{kind}, (600_000_000, 600_000_000))\n"
        "print(json.dumps(asdict(read_memory(this_host()))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    memory = json.loads(done.stdout)
    # The kernel keeps RLIMIT_AS in whole pages.
    assert 600_000_000 - 4096 <= memory["limit_bytes"] <= 600_000_000
    assert memory["total_bytes"] == memory["limit_bytes"]
    assert 300_000_000 < memory["available_bytes"] < 600_000_000


def test_this_machine_agrees_with_psutil():
    psutil = pytest.importorskip("psutil", reason="psutil counts the memory a second way")
    memory = read_memory(this_host())
    assert 0 < memory.available_bytes <= memory.total_bytes <= psutil.virtual_memory().total
    if memory.limit_bytes is None:
        assert memory.total_bytes == psutil.virtual_memory().total
