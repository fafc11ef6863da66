"""A stand-in for the tensorrt module and a card: keeps what it is told, builds a plan of bytes, runs nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any


class FakeCard:
    """As torch.cuda describes a card."""

    def __init__(self, capability: tuple[int, int] = (8, 6), available: bool = True) -> None:
        self._capability = capability
        self._available = available

    def is_available(self) -> bool:
        return self._available

    def get_device_capability(self) -> tuple[int, int]:
        return self._capability

    def get_device_name(self) -> str:
        return "RTX 3090"


class FakeTensorRT:
    """The part of TensorRT 10's Python interface that core.optimization.toolbox calls, by the same names."""

    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
    BuilderFlag = SimpleNamespace(FP16="fp16", INT8="int8")

    class IInt8EntropyCalibrator2:
        """What a calibrator inherits from."""

    class Logger:
        WARNING = 2

        def __init__(self, level: int) -> None:
            self.level = level

    def __init__(self, version: str = "10.3.0", parses: bool = True, plan: bytes | None = b"plan") -> None:
        self.__version__ = version
        self.__name__ = "tensorrt"
        self._parses = parses
        self.plan = plan
        self.calls: list[Any] = []
        self.calibrated: list[list[int]] = []

    def Builder(self, logger: Any) -> Any:
        return _Builder(self)

    def OnnxParser(self, network: Any, logger: Any) -> Any:
        return SimpleNamespace(
            parse_from_file=lambda path: self._parses and Path(path).is_file(),
            num_errors=1,
            get_error=lambda place: "In node 3: unsupported operator NonZero",
        )

    def Runtime(self, logger: Any) -> Any:
        return SimpleNamespace(deserialize_cuda_engine=lambda plan: None)


class _Builder:
    def __init__(self, library: FakeTensorRT) -> None:
        self._library = library

    def create_network(self, flags: int) -> Any:
        return SimpleNamespace(flags=flags)

    def create_builder_config(self) -> Any:
        return _Config(self._library.calls)

    def create_optimization_profile(self) -> Any:
        return SimpleNamespace(set_shape=lambda *shape: self._library.calls.append(("shape", *shape)))

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        calibrator = getattr(config, "int8_calibrator", None)
        if calibrator is not None and calibrator.read_calibration_cache() is None:
            while (addresses := calibrator.get_batch(["input"])) is not None:
                self._library.calibrated.append(addresses)
            calibrator.write_calibration_cache(memoryview(b"TRT-100300-EntropyCalibration2\ninput: 3c010a14\n"))
        return self._library.plan


class _Config:
    def __init__(self, calls: list[Any]) -> None:
        self._calls = calls

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self._calls.append(("memory", pool, size))

    def set_flag(self, flag: str) -> None:
        self._calls.append(("flag", flag))

    def add_optimization_profile(self, profile: Any) -> None:
        self._calls.append(("profile",))

    def set_calibration_profile(self, profile: Any) -> None:
        self._calls.append(("calibration profile",))
