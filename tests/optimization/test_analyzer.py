"""The whole profile: read quickly, measured once, kept by machine."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from recorded_hosts import M1_SYSCTL, M1_VM_STAT, RASPBERRY_PI_5, linux, mac, meminfo, topology, x86_cpuinfo

from core.optimization.analyzer import SPEED_FILE, AnalyzerSources, SystemAnalyzer
from core.optimization.host import Host
from core.optimization.machine_speed import (
    RUNS,
    ProcessorTime,
    measure_bandwidth,
    measure_fp32,
    measure_rate,
    measure_speed,
)
from core.optimization.pace import pace_of
from core.optimization.profile import MachineProfile, Speed
from core.optimization.profile_file import parse_profile
from core.utils.gpu import Gpu

SPEED = Speed(bandwidth_gb_s=20.5, gemm_fp32_gflops=90.0, gemm_int8_gops=None)
CARD = Gpu(0, "NVIDIA GeForce RTX 3090", "GPU-1", "00000000:01:00.0", 24 << 30, 23 << 30, (8, 6))


LEAST_MEMORY_FOR_TORCH = 600 << 20


@dataclass
class CountedMeasurement:
    """Gives one speed and counts how often it was asked."""

    speed: Speed = SPEED
    asked: list[MachineProfile] = field(default_factory=list)

    def __call__(self, profile: MachineProfile, host: Host) -> Speed:
        self.asked.append(profile)
        return self.speed


def desktop(root: Path, cores: int = 6) -> Host:
    files = {"/proc/cpuinfo": x86_cpuinfo("Some CPU", cores, 2), "/proc/meminfo": meminfo(7_519_531, 1_171_875)}
    return linux(root, {**files, **topology(cores, 2)}, 2 * cores)


def analyzer(host: Host, folder: Path, measure: CountedMeasurement, *gpus: Gpu) -> SystemAnalyzer:
    return SystemAnalyzer(AnalyzerSources(host, lambda: gpus, measure, folder))


def test_the_parts_come_together(tmp_path: Path):
    measure = CountedMeasurement()
    profile = analyzer(desktop(tmp_path / "root"), tmp_path / "data", measure, CARD).analyze()
    assert (profile.system, profile.cpu.physical_cores, profile.gpus, profile.mps) == ("Linux", 6, (CARD,), False)
    assert profile.memory.total_bytes == 7_519_531 * 1024
    assert (profile.speed, measure.asked) == (None, [])


def test_reading_writes_nothing_and_the_disk_is_told_before_the_folder_exists(tmp_path: Path):
    folder = tmp_path / "not" / "yet"
    disk = analyzer(desktop(tmp_path / "root"), folder, CountedMeasurement()).analyze().disk
    assert disk.path == str(folder)
    assert 0 < disk.free_bytes <= disk.total_bytes
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(("architecture", "mps"), [("arm64", True), ("x86_64", False)])
def test_apples_gpu_comes_with_apples_chip(tmp_path: Path, architecture: str, mps: bool):
    host = mac(M1_SYSCTL, M1_VM_STAT, architecture)
    assert analyzer(host, tmp_path, CountedMeasurement()).analyze().mps is mps


def test_a_raspberry_pi_has_no_apple_gpu(tmp_path: Path):
    host = linux(tmp_path / "root", RASPBERRY_PI_5, 4)
    assert analyzer(host, tmp_path, CountedMeasurement()).analyze().mps is False


def test_a_speed_is_measured_once_and_then_always_known(tmp_path: Path):
    measure = CountedMeasurement()
    host = desktop(tmp_path / "root")
    assert analyzer(host, tmp_path, measure).analyze(measure=True).speed == SPEED
    assert analyzer(host, tmp_path, measure).analyze(measure=True).speed == SPEED
    assert analyzer(host, tmp_path, measure).analyze().speed == SPEED
    assert len(measure.asked) == 1
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


BUSY = replace(SPEED, bandwidth_gb_s=7.0, gemm_fp32_gflops=95.0, spread=0.5, others=0.4)


def test_a_speed_measured_while_others_were_at_work_is_measured_again_until_it_is_calm(tmp_path: Path):
    host = desktop(tmp_path / "root")
    measure = CountedMeasurement(BUSY)
    assert analyzer(host, tmp_path, measure).analyze(measure=True).speed == BUSY
    assert analyzer(host, tmp_path, measure).analyze().speed == BUSY, "better than nothing meanwhile"
    measure.speed = replace(BUSY, bandwidth_gb_s=9.0, gemm_fp32_gflops=50.0, spread=0.4)
    again = analyzer(host, tmp_path, measure).analyze(measure=True).speed
    assert again == replace(BUSY, bandwidth_gb_s=9.0, spread=0.4), "each figure's best, as calm as the last"
    measure.speed = SPEED
    assert analyzer(host, tmp_path, measure).analyze(measure=True).speed == SPEED
    assert analyzer(host, tmp_path, measure).analyze(measure=True).speed == SPEED
    assert len(measure.asked) == 3


def test_a_speed_kept_by_an_earlier_version_does_not_say_how_calm_it_was_and_is_measured_anew(tmp_path: Path):
    host, measure = desktop(tmp_path / "root"), CountedMeasurement()
    analyzer(host, tmp_path, measure).analyze(measure=True)
    kept = json.loads((tmp_path / SPEED_FILE).read_text(encoding="utf-8"))
    del kept["speed"]["spread"], kept["speed"]["others"]
    (tmp_path / SPEED_FILE).write_text(json.dumps(kept), encoding="utf-8")
    assert analyzer(host, tmp_path, measure).analyze().speed is None


def test_a_busy_machine_is_taken_for_no_less_than_one_of_its_kind(tmp_path: Path):
    plain = analyzer(desktop(tmp_path / "root"), tmp_path, CountedMeasurement()).analyze()
    guessed = pace_of(plain, 6)
    slow = Speed(0.5, 1.0, None, spread=0.6)
    assert pace_of(replace(plain, speed=slow), 6) == guessed
    assert pace_of(replace(plain, speed=replace(slow, spread=0.05)), 6).gflops == 1.0
    fast = pace_of(replace(plain, speed=replace(slow, bandwidth_gb_s=300.0)), 6)
    assert (fast.gb_s, fast.measured) == (300.0, False)


@pytest.mark.parametrize(("slow", "spread"), [(0, 0.0), (1, 0.0), (3, 0.375), (5, 0.75)])
def test_runs_that_differ_are_noticed_but_not_one_alone(monkeypatch: pytest.MonkeyPatch, slow: int, spread: float):
    """The warm-up, then so many runs that meet another program."""
    took = iter([0.125, *[0.5] * slow, *[0.125] * RUNS])
    now = [0.0]

    def work() -> None:
        now[0] += next(took)

    monkeypatch.setattr("core.optimization.machine_speed.time.perf_counter", lambda: now[0])
    rate = measure_rate(work, 1.0)
    assert (rate.best, rate.spread) == (8.0, spread)


STAT = """cpu  900 0 0 900 0 0 0 0 0 0
cpu0 {user} 0 0 {idle} 0 0 0 {steal} 0 0
cpu1 {user} 0 0 {idle} 0 0 0 0 0 0
cpu7 999999 0 0 0 0 0 0 0 0 0
intr 12345
"""


def processor_time(tmp_path: Path, user: int, idle: int, steal: int = 0) -> ProcessorTime:
    stat = STAT.format(user=user, idle=idle, steal=steal)
    host = replace(linux(tmp_path, {"/proc/stat": stat}, 8), affinity=frozenset({0, 1}))
    return replace(ProcessorTime.read(host), mine_s=0.0)


def test_what_others_take_of_these_cores_is_told_and_what_they_take_of_others_is_not(tmp_path: Path):
    before = processor_time(tmp_path / "before", 100, 100)
    idle = processor_time(tmp_path / "idle", 100, 300)
    busy = processor_time(tmp_path / "busy", 200, 200)
    robbed = processor_time(tmp_path / "robbed", 100, 200, steal=100)
    assert idle.others_since(before) == 0.0
    assert busy.others_since(before) == pytest.approx(0.5)
    assert robbed.others_since(before) == pytest.approx(1 / 3)
    mine = replace(busy, mine_s=busy.worked_s - before.worked_s)
    assert mine.others_since(before) == 0.0


def test_a_system_that_does_not_tell_counts_as_calm(tmp_path: Path):
    nothing = ProcessorTime.read(linux(tmp_path, {}, 4))
    assert nothing == ProcessorTime()
    assert nothing.others_since(nothing) == 0.0


def test_another_machine_on_the_same_folder_is_measured_anew(tmp_path: Path):
    measure = CountedMeasurement()
    analyzer(desktop(tmp_path / "six"), tmp_path, measure).analyze(measure=True)
    other = analyzer(desktop(tmp_path / "eight", cores=8), tmp_path, measure)
    assert other.analyze().speed is None
    assert other.analyze(measure=True).speed == SPEED
    assert len(measure.asked) == 2


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe\0",
        b"[]",
        b"{}",
        b'{"key": 1',
        b'{"speed": {"bandwidth_gb_s": 1}}',
        b"null",
    ],
)
def test_a_damaged_file_is_measured_anew(tmp_path: Path, damage: bytes):
    measure = CountedMeasurement()
    (tmp_path / SPEED_FILE).write_bytes(damage)
    assert analyzer(desktop(tmp_path / "root"), tmp_path, measure).analyze(measure=True).speed == SPEED
    assert len(measure.asked) == 1
    json.loads((tmp_path / SPEED_FILE).read_text(encoding="utf-8"))


@pytest.mark.parametrize("figure", [0, -3.0, math.nan, math.inf, "fast", None])
def test_a_kept_speed_that_cannot_be_is_measured_anew(tmp_path: Path, figure: object):
    measure = CountedMeasurement()
    host = desktop(tmp_path / "root")
    analyzer(host, tmp_path, measure).analyze(measure=True)
    kept = json.loads((tmp_path / SPEED_FILE).read_text(encoding="utf-8"))
    kept["speed"]["gemm_fp32_gflops"] = figure
    (tmp_path / SPEED_FILE).write_text(json.dumps(kept), encoding="utf-8")
    assert analyzer(host, tmp_path, measure).analyze().speed is None


def test_a_folder_that_cannot_be_written_to_costs_only_the_keeping(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    measure = CountedMeasurement()
    assert analyzer(desktop(tmp_path / "root"), blocked, measure).analyze(measure=True).speed == SPEED
    assert "cannot be kept" in caplog.text


def test_this_machine_is_read_without_torch_and_numpy(tmp_path: Path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from core.optimization.analyzer import AnalyzerSources, SystemAnalyzer\n"
        f"sources = AnalyzerSources(read_gpus=lambda: (), folder=Path({str(tmp_path)!r}))\n"
        "profile = SystemAnalyzer(sources).analyze()\n"
        "assert profile.cpu.usable_cores > 0 and profile.memory.available_bytes > 0, profile\n"
        "print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_a_profile_survives_json(tmp_path: Path):
    profile = analyzer(desktop(tmp_path / "root"), tmp_path, CountedMeasurement(), CARD).analyze(measure=True)
    assert parse_profile(json.loads(json.dumps(profile.as_json())), "here") == profile


def plain_reference() -> tuple[float, float]:
    """Bytes read and operations done a second by numpy in the plainest way, in one thread and a small product."""
    import time

    import numpy as np

    array, square = np.ones(8 << 20, np.float32), np.ones((512, 512), np.float32)
    read, product = math.inf, math.inf
    for _ in range(3):
        started = time.perf_counter()
        array.max()
        read = min(read, time.perf_counter() - started)
        started = time.perf_counter()
        square @ square
        product = min(product, time.perf_counter() - started)
    return array.nbytes / read, 2 * 512**3 / product


def test_the_measured_speed_is_of_the_machines_order():
    bandwidth, products = plain_reference()
    assert 0.01 < measure_bandwidth(64 << 20, 2).best / bandwidth < 100
    assert 0.01 < measure_fp32().best / products < 100


@pytest.mark.parametrize("available", [40 << 20, LEAST_MEMORY_FOR_TORCH])
def test_what_is_measured_follows_the_memory_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: int):
    """A small array in a small memory; torch's int8 product, apart, where torch is installed and has room."""
    monkeypatch.setattr("core.optimization.machine_speed.RUN_S", 0.01)
    host = desktop(tmp_path)
    profile = analyzer(host, tmp_path, CountedMeasurement()).analyze()
    small = replace(profile, memory=replace(profile.memory, available_bytes=available))
    loaded = "torch" in sys.modules
    speed = measure_speed(small, host)
    assert ("torch" in sys.modules) is loaded
    for figure in (speed.bandwidth_gb_s, speed.gemm_fp32_gflops, speed.gemm_int8_gops or 1.0):
        assert math.isfinite(figure)
        assert figure > 0
    if not loaded and (available < LEAST_MEMORY_FOR_TORCH or find_spec("torch") is None):
        assert speed.gemm_int8_gops is None
    elif platform.machine() in ("x86_64", "AMD64"):
        assert speed.gemm_int8_gops is not None
