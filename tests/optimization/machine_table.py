"""Machines as people have them, each with the plan that it must get where all engines are installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.optimization.profile import Cpu, Disk, MachineProfile, Memory, Speed
from core.utils.gpu import Gpu, GpuProcess

GB = 10**9
AVX2 = frozenset({"avx2"})
VNNI = frozenset({"avx2", "vnni"})
SERVER = frozenset({"avx2", "avx512", "vnni", "amx"})
AVX512 = frozenset({"avx2", "avx512", "vnni"})
NEON = frozenset({"neon"})


@dataclass(frozen=True)
class Expected:
    """A plan in short. `stt` and so on: engine, model and what its weights are kept in, with all engines installed."""

    device: str
    compute: str
    threads: int
    batch: int
    stt: str
    llm: str
    tts: str
    shares: tuple[int, int, int, int]
    """capture, stt, llm, tts"""


@dataclass(frozen=True)
class Machine:
    """A machine, what is configured on it, and what must come of it."""

    name: str
    profile: MachineProfile
    expected: Expected
    settings: Mapping[str, Any] = field(default_factory=dict)


def profile(
    cores: int,
    available_gb: float,
    total_gb: float,
    sets: frozenset[str] = AVX2,
    *,
    logical: int | None = None,
    usable: float | None = None,
    fast: int | None = None,
    limit_gb: float | None = None,
    gpus: tuple[Gpu, ...] = (),
    system: str = "Linux",
    mps: bool = False,
    speed: Speed | None = None,
) -> MachineProfile:
    architecture = ("arm64" if mps else "aarch64") if "neon" in sets else "x86_64"
    return MachineProfile(
        system,
        Cpu(
            "a processor", architecture, cores, logical or cores, float(cores if usable is None else usable), sets, fast
        ),
        Memory(round(total_gb * GB), round(available_gb * GB), None if limit_gb is None else round(limit_gb * GB)),
        Disk("/home/user/.local/share/merline", 500 * GB, 200 * GB),
        gpus,
        mps,
        speed,
    )


def card(
    name: str,
    total_gb: float,
    free_gb: float,
    capability: tuple[int, int] | None = (8, 6),
    bus: int = 1,
    processes: tuple[GpuProcess, ...] = (),
) -> Gpu:
    return Gpu(
        bus - 1,
        f"NVIDIA {name}",
        f"GPU-{bus:08d}-0000-0000-0000-000000000000",
        f"00000000:{bus:02x}:00.0",
        round(total_gb * GB),
        round(free_gb * GB),
        capability,
        processes,
    )


POCKET, SKILLS, ESPEAK = "pocketsphinx - float32", "skills - float32", "espeak - float32"
MELO32, MELO16 = "melo - float32", "melo - float16"
MEASURED_FAST_AVX2 = Speed(bandwidth_gb_s=38.0, gemm_fp32_gflops=420.0, gemm_int8_gops=900.0)

MACHINES = (
    Machine(
        "the founding machine, 1.2 GB free",
        profile(6, 1.2, 7.7, logical=12),
        Expected("cpu", "float32", 6, 2, "whisper base int8", SKILLS, ESPEAK, (1, 3, 1, 1)),
    ),
    Machine(
        "the founding machine, 0.6 GB free",
        profile(6, 0.6, 7.7, logical=12),
        Expected("cpu", "float32", 6, 2, "whisper base int8", SKILLS, ESPEAK, (1, 3, 1, 1)),
    ),
    Machine(
        "the founding machine, measured, nothing else running",
        profile(6, 5.5, 7.7, logical=12, speed=MEASURED_FAST_AVX2),
        Expected("cpu", "float32", 6, 8, "whisper small int8", "mlx 1.7B int8", MELO32, (1, 2, 6, 2)),
    ),
    Machine(
        "a laptop of two cores",
        profile(2, 4.5, 8.0, logical=4),
        Expected("cpu", "float32", 2, 4, "whisper base int8", "mlx 0.6B int8", MELO32, (1, 1, 2, 1)),
    ),
    Machine(
        "an old laptop without AVX2",
        profile(2, 1.6, 4.0, frozenset(), logical=2),
        Expected("cpu", "float32", 2, 4, "whisper tiny float32", SKILLS, ESPEAK, (1, 1, 1, 1)),
    ),
    Machine(
        "an 8 GB Mac with M1",
        profile(8, 2.8, 8.6, NEON, fast=4, system="Darwin", mps=True),
        Expected("mps", "float16", 4, 4, "whisper tiny int8", "mlx 0.6B float16", ESPEAK, (1, 1, 1, 1)),
    ),
    Machine(
        "a 64 GB Mac with M2 Ultra",
        profile(24, 48.0, 68.7, NEON, fast=16, system="Darwin", mps=True),
        Expected("mps", "float16", 16, 8, "whisper small int8", "mlx 8B float16", MELO16, (1, 13, 1, 1)),
    ),
    Machine(
        "an Intel Mac",
        profile(6, 8.0, 17.2, logical=12, system="Darwin"),
        Expected("cpu", "float32", 6, 8, "whisper base int8", "mlx 0.6B int8", MELO32, (1, 2, 6, 2)),
    ),
    Machine(
        "a Raspberry Pi 5 with 8 GB",
        profile(4, 7.1, 8.5, NEON),
        Expected("cpu", "float32", 4, 8, "whisper base int8", "mlx 0.6B int8", MELO32, (1, 1, 4, 1)),
    ),
    Machine(
        "a Raspberry Pi 4 with 2 GB",
        profile(4, 1.4, 1.9, NEON),
        Expected("cpu", "float32", 4, 2, "whisper tiny int8", SKILLS, MELO32, (1, 1, 1, 1)),
    ),
    Machine(
        "a hybrid laptop of 4 fast and 8 slow cores",
        profile(12, 9.0, 16.0, VNNI, logical=16, fast=4),
        Expected("cpu", "float32", 12, 8, "whisper small int8", "mlx 0.6B int8", MELO32, (1, 5, 12, 5)),
    ),
    Machine(
        "a hybrid desktop of 8 fast and 4 slow cores",
        profile(12, 20.0, 32.0, VNNI, logical=20, fast=8),
        Expected("cpu", "float32", 8, 8, "whisper small int8", "mlx 0.6B int8", MELO32, (1, 3, 8, 3)),
    ),
    Machine(
        "a Windows laptop",
        profile(4, 6.0, 16.0, logical=8, system="Windows"),
        Expected("cpu", "float32", 4, 8, "whisper base int8", "mlx 0.6B int8", MELO32, (1, 1, 4, 1)),
    ),
    Machine(
        "WSL2 with half of the machine's memory",
        profile(8, 6.5, 8.2, logical=16, gpus=(card("GeForce RTX 3060", 12.9, 11.2),)),
        Expected("cuda", "bfloat16", 8, 16, "whisper small float16", "mlx 4B bfloat16", MELO16, (1, 1, 1, 1)),
    ),
    Machine(
        "a container with half a core",
        profile(8, 1.8, 2.1, logical=16, usable=0.5, limit_gb=2.1),
        Expected("cpu", "float32", 1, 2, POCKET, SKILLS, ESPEAK, (1, 1, 1, 1)),
    ),
    Machine(
        "a container of 512 MB",
        profile(4, 0.45, 0.537, usable=2, limit_gb=0.537),
        Expected("cpu", "float32", 2, 1, "whisper tiny int8", SKILLS, ESPEAK, (1, 1, 1, 1)),
    ),
    Machine(
        "a container of two and a half cores",
        profile(16, 6.0, 8.0, AVX512, usable=2.5, limit_gb=8.0),
        Expected("cpu", "float32", 2, 4, "whisper base int8", "mlx 0.6B int8", MELO32, (1, 1, 2, 1)),
    ),
    Machine(
        "a server of 64 cores with AMX, measured",
        profile(64, 240.0, 256.0, SERVER, logical=128, speed=Speed(280.0, 4200.0, 30_000.0)),
        Expected("cpu", "float32", 64, 8, "whisper large-v3 int8", "mlx 8B int8", MELO32, (1, 31, 64, 31)),
    ),
    Machine(
        "a server pinned to four of its cores",
        profile(32, 60.0, 64.0, AVX512, logical=64, usable=4),
        Expected("cpu", "float32", 4, 8, "whisper base int8", "mlx 0.6B int8", MELO32, (1, 1, 4, 1)),
    ),
    Machine(
        "a machine where int8 measured slower than float32",
        profile(8, 12.0, 16.0, speed=Speed(40.0, 400.0, 300.0)),
        Expected("cpu", "float32", 8, 8, "whisper small float32", "mlx 0.6B float32", MELO32, (1, 3, 8, 3)),
    ),
    Machine(
        "a 24 GB card beside a forbidden one of 16 GB",
        profile(
            16,
            50.0,
            64.0,
            logical=32,
            gpus=(
                card("GeForce RTX 5060 Ti", 17.1, 16.8, (12, 0), 1),
                card("GeForce RTX 3090", 25.8, 25.3, (8, 6), 2),
            ),
        ),
        Expected("cuda", "bfloat16", 16, 32, "whisper large-v3 float16", "mlx 8B bfloat16", MELO16, (1, 1, 1, 1)),
        {"gpu": {"forbid": ["RTX 5060 Ti"]}},
    ),
    Machine(
        "an RTX 4090",
        profile(16, 40.0, 64.0, logical=32, gpus=(card("GeForce RTX 4090", 25.8, 24.9, (8, 9)),)),
        Expected("cuda", "bfloat16", 16, 32, "whisper large-v3 float16", "mlx 8B bfloat16", MELO16, (1, 1, 1, 1)),
    ),
    Machine(
        "a laptop card of 4 GB",
        profile(4, 8.0, 16.0, logical=8, gpus=(card("GeForce GTX 1650", 4.3, 3.9, (7, 5)),)),
        Expected("cuda", "float16", 4, 4, "whisper small float16", "mlx 0.6B float16", MELO16, (1, 1, 1, 1)),
    ),
    Machine(
        "a card too small to begin",
        profile(4, 6.0, 16.0, logical=8, gpus=(card("GeForce MX150", 2.1, 1.2, (6, 1)),)),
        Expected("cpu", "float32", 4, 8, "whisper base int8", "mlx 0.6B int8", MELO32, (1, 1, 4, 1)),
    ),
    Machine(
        "a card taken by a game",
        profile(
            8,
            10.0,
            32.0,
            logical=16,
            gpus=(card("GeForce RTX 4070", 12.9, 0.9, (8, 9), processes=(GpuProcess(4242, "game.exe", 11 * GB),)),),
        ),
        Expected("cpu", "float32", 8, 8, "whisper small int8", "mlx 0.6B int8", MELO32, (1, 3, 8, 3)),
    ),
    Machine(
        "an H200",
        profile(16, 120.0, 137.0, SERVER, gpus=(card("H200", 150.8, 150.2, (9, 0)),)),
        Expected("cuda", "bfloat16", 16, 32, "whisper large-v3 float16", "mlx 8B bfloat16", MELO16, (1, 1, 1, 1)),
    ),
    Machine(
        "two cards, the freer one is taken",
        profile(
            8,
            20.0,
            32.0,
            gpus=(card("GeForce RTX 3090", 25.8, 6.0, (8, 6), 1), card("GeForce RTX 3060", 12.9, 12.5, (8, 6), 2)),
        ),
        Expected("cuda", "bfloat16", 8, 16, "whisper large-v3-turbo float16", "mlx 4B bfloat16", MELO16, (1, 1, 1, 1)),
    ),
    Machine(
        "a single old core with half a gigabyte",
        profile(1, 0.3, 0.5, frozenset()),
        Expected("cpu", "float32", 1, 1, POCKET, SKILLS, ESPEAK, (1, 1, 1, 1)),
    ),
    Machine(
        "a cloud machine of one core with AVX512",
        profile(1, 1.7, 2.0, AVX512, logical=2),
        Expected("cpu", "float32", 1, 2, "whisper base int8", SKILLS, ESPEAK, (1, 1, 1, 1)),
    ),
    Machine(
        "an RTX 4090 that the owner keeps for games",
        profile(16, 40.0, 64.0, logical=32, gpus=(card("GeForce RTX 4090", 25.8, 24.9, (8, 9)),)),
        Expected("cpu", "float32", 16, 8, "whisper small int8", "mlx 0.6B int8", MELO32, (1, 7, 16, 7)),
        {"optimization": {"device": "cpu"}},
    ),
)
