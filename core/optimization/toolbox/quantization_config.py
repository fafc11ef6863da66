"""What is asked of a quantisation, and what came of it. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal, get_args

from core.utils.errors import QuantizationError

Calibration = Literal["minmax", "percentile", "mse"]
BackendName = Literal["auto", "onednn", "x86", "fbgemm", "qnnpack", "plain"]
BACKENDS: tuple[str, ...] = get_args(BackendName)


class QuantizationType(StrEnum):
    """The ways a model can be made smaller."""

    DYNAMIC = "dynamic"
    """linear layers, LSTM, GRU: weights int8, activations rounded as they come, a scale a row; needs no data"""
    STATIC = "static"
    """linear and convolution layers in int8, activations by ranges that calibration data gave"""
    FP16 = "fp16"
    """every weight and activation in float16"""
    BF16 = "bf16"
    """every weight and activation in bfloat16"""
    QAT = "qat"
    """static, with weights trained on under the rounding"""
    INT8_WEIGHT = "int8_weight"
    """weights of linear, embedding and convolution layers in 8 bits"""
    INT4_WEIGHT = "int4_weight"
    """weights of linear and embedding layers in 4 bits"""


@dataclass(frozen=True, slots=True)
class QatConfig:
    """Training under rounding. With labels it follows them, else the outputs of the float model."""

    steps: int = 200
    learning_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.learning_rate > 0:
            raise QuantizationError(
                f"steps={self.steps}, learning_rate={self.learning_rate}: training needs both above zero"
            )


@dataclass(frozen=True, slots=True)
class QuantizationConfig:
    """Raises QuantizationError for a value that is none of those named."""

    quantization_type: QuantizationType = QuantizationType.DYNAMIC
    backend: BackendName = "auto"
    per_channel: bool = True
    """a scale for each output channel instead of one for the layer"""
    fuse: bool = True
    """Conv+BN+ReLU become one layer first"""
    embeddings: bool = True
    """dynamic, static, QAT: embedding tables are kept in 8 bits too"""
    calibration: Calibration = "mse"
    skip: frozenset[str] = frozenset()
    """names of layers that stay in float, as named_modules() gives them"""
    eight_bits: frozenset[str] = frozenset()
    """INT4_WEIGHT: names of layers that take 8 bits, and with each those that share its weight"""
    qat: QatConfig = field(default_factory=QatConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantization_type", type_named(self.quantization_type))
        for name in ("skip", "eight_bits"):
            given = getattr(self, name)
            object.__setattr__(self, name, frozenset((given,) if isinstance(given, str) else given))
        _among("backend", self.backend, BACKENDS)
        _among("calibration", self.calibration, get_args(Calibration))


def type_named(name: str) -> QuantizationType:
    """By its value, in any case. Raises QuantizationError with those there are."""
    _among("quantization_type", str(name).lower(), [one.value for one in QuantizationType])
    return QuantizationType(str(name).lower())


def _among(what: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise QuantizationError(f"{what} {value!r} is unknown; take one of: {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """What was done to a model."""

    quantization_type: QuantizationType
    backend: str
    """what the int8 layers run on; "" where there are none"""
    quantized: tuple[str, ...]
    """names of layers"""
    left_in_float: tuple[tuple[str, str], ...]
    """layers that hold weights, each with the reason"""
    fused: tuple[str, ...] = ()
    """layers that took in a batch norm or a ReLU"""
    handing_on_int8: tuple[str, ...] = ()
    """layers whose output goes to the next ones without becoming float between"""
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "quantization_type": self.quantization_type.value}
