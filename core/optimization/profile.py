"""What a machine is, frozen: read by SystemAnalyzer, decided upon by PerformanceTuner, kept and given as JSON.

Nothing here looks at the machine it runs on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from core.utils.gpu import Gpu


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor, and how much of it this process may use."""

    model: str
    architecture: str
    """as platform.machine() says it: x86_64, AMD64, arm64, aarch64"""
    physical_cores: int
    logical_cores: int
    usable_cores: float
    """physical cores within the affinity mask and the container's quota; may be 0.5"""
    instruction_sets: frozenset[str] = frozenset()
    """of avx2, avx512, vnni, amx, neon"""
    performance_cores: int | None = None
    """how many of the physical cores within the affinity mask are the fast ones; None where all are alike"""


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory, in bytes. A container's limit counts as the machine's."""

    total_bytes: int
    available_bytes: int
    limit_bytes: int | None = None
    """of the container or the process; None without one"""


STEADY_SPREAD = 0.35
QUIET_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Speed:
    """What this machine was measured to do, all usable cores together."""

    bandwidth_gb_s: float
    """reading main memory, 10^9 bytes a second"""
    gemm_fp32_gflops: float
    gemm_int8_gops: float | None = None
    """None where no int8 kernel is installed"""
    spread: float = 0.0
    """by how much of the best run of the same work the middle one fell behind it"""
    others: float = 0.0
    """share of these cores' time that other programs took while it was measured; 0 where the system does not tell"""

    @property
    def disturbed(self) -> bool:
        """Whether the machine can do more than this: it was at work for others, or its runs differed too much."""
        return self.spread > STEADY_SPREAD or self.others > QUIET_SHARE

    def better(self, other: Speed) -> Speed:
        """Of two measurements of one machine, each figure's higher one: what it did once it can do. As calm as this."""
        int8 = [one.gemm_int8_gops for one in (self, other) if one.gemm_int8_gops is not None]
        return Speed(
            max(self.bandwidth_gb_s, other.bandwidth_gb_s),
            max(self.gemm_fp32_gflops, other.gemm_fp32_gflops),
            max(int8, default=None),
            self.spread,
            self.others,
        )


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the models lie, in bytes."""

    path: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class MachineProfile:
    """A whole machine."""

    system: str
    """Linux, Darwin or Windows"""
    cpu: Cpu
    memory: Memory
    disk: Disk
    gpus: tuple[Gpu, ...] = ()
    mps: bool = False
    """Apple's GPU can be used"""
    speed: Speed | None = None
    """None until measured"""

    def as_json(self) -> dict[str, Any]:
        """Plain values that core.optimization.profile_file takes."""
        plain = asdict(self)
        plain["cpu"]["instruction_sets"] = sorted(self.cpu.instruction_sets)
        return plain
