"""The processor as recorded machines describe it."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_hosts import (
    INTEL_MAC_SYSCTL,
    M1_SYSCTL,
    M1_VM_STAT,
    RASPBERRY_PI_5,
    ROOT_MOUNT,
    V2_MOUNT,
    RecordedWindows,
    core_record,
    linux,
    mac,
    topology,
    v1_mounts,
    x86_cpuinfo,
)

from core.optimization.cpu import read_cpu
from core.optimization.host import Host, RawMemory, parse_cpu_list, this_host

FOUNDING = "Intel(R) Core(TM) i7-8750H CPU @ 2.20GHz"


def test_twelve_logical_processors_are_six_cores(tmp_path: Path):
    files = {"/proc/cpuinfo": x86_cpuinfo(FOUNDING, 6, 2, "avx avx2"), **topology(6, 2)}
    cpu = read_cpu(linux(tmp_path, files, 12, range(12)))
    assert (cpu.model, cpu.physical_cores, cpu.logical_cores, cpu.usable_cores) == (FOUNDING, 6, 12, 6.0)
    assert cpu.instruction_sets == {"avx2"}
    assert cpu.performance_cores is None


def test_cores_are_counted_from_cpuinfo_where_sysfs_is_hidden(tmp_path: Path):
    files = {"/proc/cpuinfo": x86_cpuinfo("EPYC", 64, 2, packages=2)}
    assert read_cpu(linux(tmp_path, files, 128)).physical_cores == 64


def test_without_any_account_of_cores_each_processor_is_one(tmp_path: Path):
    cpu = read_cpu(linux(tmp_path, {}, 4))
    assert (cpu.model, cpu.physical_cores, cpu.usable_cores) == ("x86_64", 4, 4.0)


@pytest.mark.parametrize(
    ("affinity", "usable"), [((0,), 1), ((0, 6), 1), ((0, 1, 6, 7), 2), ((0, 7), 2), (tuple(range(12)), 6)]
)
def test_two_threads_of_a_core_are_one_usable_core(tmp_path: Path, affinity: tuple[int, ...], usable: int):
    files = {"/proc/cpuinfo": x86_cpuinfo(FOUNDING, 6, 2), **topology(6, 2)}
    cpu = read_cpu(linux(tmp_path, files, 12, affinity))
    assert (cpu.usable_cores, cpu.physical_cores) == (usable, 6)


def test_a_processor_that_is_off_line_does_not_count(tmp_path: Path):
    files = {"/proc/cpuinfo": x86_cpuinfo(FOUNDING, 6, 2), **topology(6, 2), "/sys/devices/system/cpu/online": "0-2\n"}
    cpu = read_cpu(linux(tmp_path, files, 12))
    assert (cpu.physical_cores, cpu.logical_cores) == (3, 3)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("avx avx2 fma", {"avx2"}),
        ("avx2 avx_vnni", {"avx2", "vnni"}),
        ("avx2 avx512f avx512_vnni amx_bf16 amx_tile amx_int8", {"avx2", "avx512", "vnni", "amx"}),
        ("sse4_1 avx", set()),
        ("avx512vbmi", set()),
    ],
)
def test_instruction_sets_are_whole_words(tmp_path: Path, flags: str, expected: set[str]):
    cpu = read_cpu(linux(tmp_path, {"/proc/cpuinfo": x86_cpuinfo("x", 2, 1, flags)}, 2))
    assert cpu.instruction_sets == expected


def test_a_raspberry_pi_is_named_by_its_cores_and_board(tmp_path: Path):
    cpu = read_cpu(linux(tmp_path, RASPBERRY_PI_5, 4, range(4)))
    assert cpu.model == "Cortex-A76 (Raspberry Pi 5 Model B Rev 1.0)"
    assert (cpu.physical_cores, cpu.performance_cores, cpu.instruction_sets) == (4, None, {"neon"})


def test_an_unknown_arm_core_keeps_its_part_number(tmp_path: Path):
    files = {"/proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xfff\n"}
    assert read_cpu(linux(tmp_path, files, 1)).model == "ARM part 0xfff"


def test_the_fast_cores_of_a_hybrid_intel(tmp_path: Path):
    """i5-1235U: two cores of two threads, eight of one."""
    siblings = ["0-1", "0-1", "2-3", "2-3", *(str(number) for number in range(4, 12))]
    files = {
        "/proc/cpuinfo": x86_cpuinfo("12th Gen Intel(R) Core(TM) i5-1235U", 12, 1, "avx2 avx_vnni"),
        "/sys/devices/system/cpu/online": "0-11\n",
        "/sys/devices/cpu_core/cpus": "0-3\n",
        "/sys/devices/cpu_atom/cpus": "4-11\n",
    } | {f"/sys/devices/system/cpu/cpu{n}/topology/core_cpus_list": f"{text}\n" for n, text in enumerate(siblings)}
    cpu = read_cpu(linux(tmp_path, files, 12))
    assert (cpu.physical_cores, cpu.logical_cores, cpu.performance_cores) == (10, 12, 2)


def test_the_fast_cores_of_an_arm_board(tmp_path: Path):
    """RK3588: four Cortex-A76 rated 1024, four Cortex-A55 rated 530."""
    files = {
        **topology(8, 1),
        **{f"/sys/devices/system/cpu/cpu{n}/cpu_capacity": "530\n" if n < 4 else "1024\n" for n in range(8)},
    }
    assert read_cpu(linux(tmp_path, files, 8)).performance_cores == 4
    assert read_cpu(linux(tmp_path, files, 8, (0, 1, 4))).performance_cores == 1


V2 = {"/proc/self/mountinfo": ROOT_MOUNT + V2_MOUNT}
V1_SELF = "12:memory:/docker/ab12\n5:cpu,cpuacct:/docker/ab12\n0::/docker/ab12\n"


@pytest.mark.parametrize(
    ("files", "usable"),
    [
        pytest.param(
            {**V2, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5, id="docker-v2"
        ),
        pytest.param(
            {**V2, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n"}, 6.0, id="no-quota"
        ),
        pytest.param(
            {
                **V2,
                "/proc/self/cgroup": "0::/system.slice/merline.service\n",
                "/sys/fs/cgroup/system.slice/cpu.max": "250000 100000\n",
                "/sys/fs/cgroup/system.slice/merline.service/cpu.max": "400000 100000\n",
            },
            2.5,
            id="the-slice-above-binds",
        ),
        pytest.param(
            {
                "/proc/self/mountinfo": v1_mounts("/docker/ab12"),
                "/proc/self/cgroup": V1_SELF,
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            1.5,
            id="docker-v1",
        ),
        pytest.param(
            {
                "/proc/self/mountinfo": v1_mounts(),
                "/proc/self/cgroup": V1_SELF,
                "/sys/fs/cgroup/cpu,cpuacct/docker/ab12/cpu.cfs_quota_us": "-1\n",
                "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us": "300000\n",
                "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us": "100000\n",
            },
            3.0,
            id="v1-parent-binds",
        ),
        pytest.param(
            {
                **V2,
                "/proc/self/cgroup": "0::/../other\n",
                "/sys/fs/cgroup/cpu.max": "200000 100000\n",
                "/sys/fs/other/cpu.max": "10000 100000\n",
            },
            2.0,
            id="moved-out",
        ),
        pytest.param({**V2, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "garbage\n"}, 6.0, id="damaged"),
        pytest.param(
            {**V2, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "2400000 100000\n"},
            6.0,
            id="above-the-cores",
        ),
    ],
)
def test_the_containers_quota(tmp_path: Path, files: dict[str, str], usable: float):
    machine = {"/proc/cpuinfo": x86_cpuinfo(FOUNDING, 6, 2), **topology(6, 2)}
    cpu = read_cpu(linux(tmp_path, {**machine, **files}, 12))
    assert (cpu.usable_cores, cpu.physical_cores) == (usable, 6)


def test_an_apple_chip():
    cpu = read_cpu(mac(M1_SYSCTL, M1_VM_STAT, "arm64"))
    assert (cpu.model, cpu.physical_cores, cpu.usable_cores, cpu.performance_cores) == ("Apple M1", 8, 8.0, 4)
    assert cpu.instruction_sets == {"neon"}


def test_an_intel_mac():
    cpu = read_cpu(mac(INTEL_MAC_SYSCTL, "", "x86_64"))
    assert (cpu.physical_cores, cpu.logical_cores, cpu.performance_cores) == (6, 12, None)
    assert cpu.instruction_sets == {"avx2"}


def windows(records: bytes, logical: int) -> Host:
    recorded = RecordedWindows("Intel(R) Core(TM)  i7-1260P ", records, frozenset({40}), RawMemory(1, 1))
    return Host("Windows", "AMD64", logical, windows=recorded)


def test_a_windows_laptop_of_two_kinds_of_cores():
    """i7-1260P: four cores of two threads, eight of one."""
    fast = b"".join(core_record(1, 0b11 << 2 * core) for core in range(4))
    slow = b"".join(core_record(0, 1 << 8 + core) for core in range(8))
    cpu = read_cpu(windows(fast + slow, 16))
    assert (cpu.model, cpu.physical_cores, cpu.logical_cores) == ("Intel(R) Core(TM) i7-1260P", 12, 16)
    assert (cpu.performance_cores, cpu.instruction_sets) == (4, {"avx2"})


@pytest.mark.parametrize("records", [b"", b"\0" * 7, b"\0" * 64])
def test_windows_that_does_not_tell_its_cores(records: bytes):
    assert read_cpu(windows(records, 8)).physical_cores == 8


@pytest.mark.parametrize(
    ("text", "numbers"), [("0-3,8", {0, 1, 2, 3, 8}), ("5", {5}), ("", set()), ("a-b,2-", {2}), ("0-1, 4", {0, 1, 4})]
)
def test_lists_of_processors(text: str, numbers: set[int]):
    assert parse_cpu_list(text) == numbers


def test_this_machine_agrees_with_psutil():
    psutil = pytest.importorskip("psutil", reason="psutil counts the cores a second way")
    cpu = read_cpu(this_host())
    assert cpu.logical_cores == psutil.cpu_count()
    assert cpu.physical_cores == (psutil.cpu_count(logical=False) or cpu.physical_cores)
    assert 0 < cpu.usable_cores <= cpu.physical_cores
