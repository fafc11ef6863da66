"""Stand-ins for a machine: plans, and a torch that sees the devices it is told to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from core.optimization.plan import ComputeType, Device, Plan, StagePlan
from core.optimization.toolchain import Toolchain

FULL_TOOLCHAIN = Toolchain("Linux", "/usr/bin/g++", "/usr/bin/gcc", python_headers=True, triton=True)
NO_TOOLCHAIN = Toolchain("Linux", None, None, python_headers=False, triton=False)


def plan_of(
    device: Device = "cpu", compute_type: ComputeType = "float32", threads: int = 2, batch_size: int = 2
) -> Plan:
    stage = StagePlan("engine", None, device, compute_type, threads, 1000)
    return Plan(device, compute_type, threads, batch_size, stage, stage, stage)


@dataclass(frozen=True)
class FakeDevice:
    type: str


@dataclass
class FakeTensor:
    device: FakeDevice = field(default_factory=lambda: FakeDevice("cpu"))

    def to(self, device: FakeDevice) -> FakeTensor:
        return FakeTensor(device)


class FakeTorch:
    """As much of torch as TorchOptimizer touches; `calls` says what was asked of it."""

    __version__ = "2.13.0+fake"
    Tensor = FakeTensor
    device = FakeDevice
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"

    def __init__(self, cuda: bool = False, mps: bool = False, free_bytes: int = 0) -> None:
        self.calls: list[str] = []
        self.threads = 8
        self.interop = 8
        self.matmul_precision = "highest"
        self.cudnn = SimpleNamespace(allow_tf32=False, benchmark=False)
        note = self.calls.append
        self.cuda = SimpleNamespace(
            is_available=lambda: cuda,
            is_initialized=lambda: cuda,
            is_bf16_supported=lambda including_emulation=True: including_emulation,
            mem_get_info=lambda: (free_bytes, free_bytes),
            memory_reserved=lambda: 0,
            memory_allocated=lambda: 0,
            empty_cache=lambda: note("cuda.empty_cache"),
            synchronize=lambda: note("cuda.synchronize"),
        )
        self.backends = SimpleNamespace(
            cudnn=self.cudnn,
            mps=SimpleNamespace(is_available=lambda: mps),
        )
        self.mps = SimpleNamespace(
            recommended_max_memory=lambda: free_bytes,
            driver_allocated_memory=lambda: 0,
            empty_cache=lambda: note("mps.empty_cache"),
            synchronize=lambda: note("mps.synchronize"),
        )
        self.amp = SimpleNamespace(is_autocast_available=lambda device: device in ("cpu", "cuda"))
        self.ops = SimpleNamespace(mkldnn=SimpleNamespace(_is_mkldnn_bf16_supported=lambda: True))

    def set_float32_matmul_precision(self, precision: str) -> None:
        self.matmul_precision = precision

    def set_num_threads(self, threads: int) -> None:
        self.threads = threads

    def get_num_threads(self) -> int:
        return self.threads

    def get_num_interop_threads(self) -> int:
        return self.interop

    def set_num_interop_threads(self, threads: int) -> None:
        self.interop = threads

    def compile(self, model: Callable[..., Any]) -> Callable[..., Any]:
        self.calls.append("compile")
        return lambda *inputs, **named: ("compiled", model(*inputs, **named))

    @contextlib.contextmanager
    def inference_mode(self) -> Iterator[None]:
        self.calls.append("inference_mode")
        yield

    @contextlib.contextmanager
    def autocast(self, device: str, dtype: str) -> Iterator[None]:
        self.calls.append(f"autocast {device} {dtype}")
        yield


class ManualClock:
    """Seconds that pass only when told, or `step` at each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now_s = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now_s += self.step
        return self.now_s
