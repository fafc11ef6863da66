"""TensorRT engines from ONNX models: FP16, INT8 by QDQ nodes or entropy calibration, shapes that vary.

For TensorRT 10, 11 and TensorRT-RTX. **Unverified**: RTX builds every precision in the tests, without a card, and built
them on an H200, which it does not run on. No engine ever ran; TensorRT 10 and 11 never built one. Reports say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.optimization.toolbox.onnx_files import workshop
from core.optimization.toolbox.onnx_information import OnnxInformation, model_information
from core.optimization.toolbox.targets import target_of
from core.optimization.toolbox.tensorrt_calibration import CalibrationFeed, make_calibrator
from core.optimization.toolbox.tensorrt_engine_file import EngineHeader, sha256_of, write_engine
from core.optimization.toolbox.tensorrt_library import (
    check_card,
    describe_card,
    load_library,
    logger_of,
    strongly_typed,
    version_of,
)
from core.optimization.toolbox.tensorrt_profile import ShapeProfile, read_profiles
from core.optimization.toolbox.tensorrt_typed import Precision, write_typed
from core.utils.errors import ExportError, QuantizationError

UNVERIFIED = "unverified: TensorRT-RTX built engines by this code, but none ever ran, for want of a card that it takes"


@dataclass(frozen=True, slots=True)
class TensorRTConfig:
    """How to build. Raises ExportError for a value out of its range."""

    fp16_mode: bool = False
    int8_mode: bool = False
    workspace_mb: int = 1024
    """memory that kernels may work in while building and running"""
    optimization_level: int = 3
    """0 to 5: how long TensorRT searches for kernels"""
    calibration_cache: Path | None = None
    """a text that is a path will do"""
    calibration_data: Iterable[Mapping[str, Any]] | None = None
    """numpy inputs by name, all of one batch size; for int8_mode on a model without QDQ nodes"""

    def __post_init__(self) -> None:
        if self.calibration_cache is not None:
            object.__setattr__(self, "calibration_cache", Path(self.calibration_cache))
        if self.workspace_mb < 1 or not 0 <= self.optimization_level <= 5:
            raise ExportError(
                f"workspace_mb={self.workspace_mb}, optimization_level={self.optimization_level}: "
                "a workspace of at least 1 MB and a level of 0 to 5 are needed"
            )

    @property
    def precision(self) -> str:
        """As the engine's header has it."""
        names = [name for name, on in (("int8", self.int8_mode), ("float16", self.fp16_mode)) if on]
        return "+".join(names) or "float32"


@dataclass(frozen=True, slots=True)
class EngineReport:
    """An engine that was built."""

    path: Path
    header: EngineHeader
    verified: bool = False
    """whether its outputs were compared with the ONNX model's; run TensorRTEngine.verify for that"""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"path": str(self.path), "verified": self.verified, "note": UNVERIFIED, **self.header.as_json()}

    def lines(self) -> list[str]:
        """For people."""
        header = self.header
        return [
            f"{self.path}: {header.precision}, {header.plan_bytes / 1e6:.1f} MB, needs TensorRT "
            f"{header.tensorrt_version} and a card of compute capability {header.compute_capability or 'unknown'}",
            UNVERIFIED,
        ]


class TensorRTOptimizer:
    """Builds engines on this machine's card. `library` stands in for tensorrt, and `card` for torch.cuda, in tests.

    Unverified: see the module.
    """

    def __init__(self, config: TensorRTConfig | None = None, library: Any = None, card: Any = None) -> None:
        self.config = config or TensorRTConfig()
        self._library = library
        self._card = card

    def optimize_from_onnx(
        self, onnx_path: Path | str, engine_path: Path | str, input_shapes: Mapping[str, Any]
    ) -> EngineReport:
        """Build an engine. `input_shapes`: {input: shape}, or {input: (least, usual, largest)} for shapes that vary.

        Raises ModelLoadError for a damaged model, ExportError for shapes that do not fit it or an operator TensorRT has
        not, QuantizationError for int8 without data, TensorRTUnavailableError without the library or a card,
        OptimizationError where the engine would take the place of the model or of a device.
        """
        source, target = Path(onnx_path), target_of(engine_path, Path(onnx_path))
        information = model_information(source)
        profiles = read_profiles(input_shapes, information)
        self._check_int8(information)
        trt = self._library or load_library()
        capability, name = describe_card(self._card)
        check_card(trt, capability)
        if strongly_typed(trt):
            with workshop(target) as folder:
                typed = write_typed(source, folder / "typed.onnx", self._precision(information))
                plan = self._build(trt, typed, profiles, calibrate=False)
        else:
            plan = self._build(trt, source, profiles, self.config.int8_mode and not information.quantised)
        header = EngineHeader(version_of(trt), capability, name, self.config.precision, profiles, sha256_of(source))
        return EngineReport(target, write_engine(target, header, plan))

    def _check_int8(self, information: OnnxInformation) -> None:
        config = self.config
        cached = config.calibration_cache is not None and config.calibration_cache.exists()
        if config.int8_mode and not information.quantised and config.calibration_data is None and not cached:
            raise QuantizationError(
                f"{information.path}: int8_mode needs a model with QDQ nodes (quantize_onnx writes one), or "
                "TensorRTConfig.calibration_data, or a calibration cache that exists"
            )

    def _precision(self, information: OnnxInformation) -> Precision:
        config = self.config
        return Precision(
            float16=config.fp16_mode,
            quantise=config.int8_mode and not information.quantised,
            calibration_data=config.calibration_data,
            calibration_cache=config.calibration_cache,
        )

    def _build(self, trt: Any, source: Path, profiles: Mapping[str, ShapeProfile], calibrate: bool) -> bytes:
        logger = logger_of(trt)
        builder = trt.Builder(logger)
        network = builder.create_network(0)
        parser = trt.OnnxParser(network, logger)
        if not parser.parse_from_file(str(source)):
            told = "; ".join(str(parser.get_error(place)) for place in range(parser.num_errors))
            raise ExportError(f"{source}: TensorRT cannot take it: {told or 'no reason given'}; export it again")
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, self.config.workspace_mb * 2**20)
        config.builder_optimization_level = self.config.optimization_level
        profile = builder.create_optimization_profile()
        for name, shapes in profiles.items():
            profile.set_shape(name, shapes.least, shapes.usual, shapes.largest)
        config.add_optimization_profile(profile)
        calibrator = None
        if not strongly_typed(trt):
            flags = {"FP16": self.config.fp16_mode, "INT8": self.config.int8_mode}
            for flag in (name for name, wanted in flags.items() if wanted):
                config.set_flag(getattr(trt.BuilderFlag, flag))
        if calibrate:
            batch = next(iter(profiles.values())).usual[0]
            calibrator = make_calibrator(trt, self._feed(), batch)  # held here: the builder only borrows it
            config.int8_calibrator = calibrator
            config.set_calibration_profile(profile)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise ExportError(f"{source}: TensorRT built no engine; its own messages above say why")
        return bytes(plan)

    def _feed(self) -> CalibrationFeed:
        return CalibrationFeed(self.config.calibration_data or (), self.config.calibration_cache, _on_card)


def _on_card(array: Any) -> Any:
    import torch

    return torch.from_numpy(array).contiguous().cuda()
