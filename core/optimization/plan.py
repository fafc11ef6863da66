"""What was decided for a machine, frozen: one plan that every stage takes its device, precision and threads from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.utils.gpu import Gpu

Device = Literal["cpu", "cuda", "mps"]
ComputeType = Literal["float32", "float16", "bfloat16", "int8"]
WeightType = Literal["float32", "float16", "bfloat16", "int8", "int4"]


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage's share."""

    engine: str
    """as the configuration names it: pocketsphinx, whisper, skills, mlx, espeak, melo"""
    model: str | None
    """the size of the model, e.g. base; None where the engine has only one"""
    device: Device
    compute_type: WeightType
    """what its weights are kept in"""
    threads: int
    memory_bytes: int
    """what the engine is reckoned to take while it works, without libraries that it shares with others"""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A better engine that this machine cannot hold, or not now."""

    stage: str
    """stt, llm or tts"""
    what: str
    """engine and model in plain words, e.g. "Whisper small" """
    needs_bytes: int
    why: str
    """a plain sentence"""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan."""

    device: Device
    compute_type: ComputeType
    threads: int
    """for the heaviest stage alone: usable physical cores, at least 1"""
    batch_size: int
    stt: StagePlan
    llm: StagePlan
    tts: StagePlan
    gpu: Gpu | None = None
    """the one card to use"""
    compiles: bool = False
    """whether models go through torch.compile unless the configuration says otherwise"""
    left_out: tuple[LeftOut, ...] = ()
    reasons: tuple[str, ...] = ()
    """why, in plain sentences, in the order of the decisions"""
    capture_threads: int = 1
    """kept for microphone, echo canceller and voice activity"""
    reserve_bytes: int = 0
    """of the memory that was free when this was planned, left to other programs"""
    spare_bytes: int = 0
    """of the rest of it, that these engines do not need"""
    gpu_min_bytes: int = 0
    """of the card, that must be free when torch begins: gpu.min_memory_gb"""

    def explain(self) -> str:
        """What was decided and why, a sentence a line."""
        return "\n".join((*self.reasons, *(f"left out: {left.what} ({left.why})" for left in self.left_out)))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
