"""The founding documents' claims, one a line, and what each is measured by; nothing here is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Hardware = Literal["cpu", "nvidia", "tensorrt", "named card", "16-core cpu", "apple"]

ON_PROCESSOR = ("resnet18", "bert", "checkpointing", "kv-cache", "steps")
"""the parts that `--only` names; "card" is one more"""

NEEDS: dict[Hardware, str] = {
    "cpu": "",
    "nvidia": "an NVIDIA card",
    "tensorrt": "TensorRT and an NVIDIA card that it takes; unverified, as no engine of ours ever ran",
    "named card": "that very card",
    "16-core cpu": "16 cores",
    "apple": "an Apple computer of that kind",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One promise. `key` names the measurement that answers it."""

    key: str
    what: str
    claimed: str
    least: float
    """the lower end of what was promised"""
    unit: Literal["x", "%"]
    hardware: Hardware = "cpu"


CLAIMS: tuple[Claim, ...] = (
    Claim("dynamic size", "A: int8, model size", "-75 %", 75, "%"),
    Claim("bf16 memory", "A: mixed precision, memory", "-50 %", 50, "%"),
    Claim("checkpointing memory", "A: gradient checkpointing, memory", "-40 %", 40, "%"),
    Claim("kv cache", "A: KV cache on instead of off, speed", "2-3x", 2, "x"),
    Claim("tf32", "B: TF32 on Ampere and later", "8x", 8, "x", "nvidia"),
    Claim("4090", "B: RTX 4090", "1.8x", 1.8, "x", "named card"),
    Claim("3090", "B: RTX 3090", "1.6x", 1.6, "x", "named card"),
    Claim("m2", "B: M2 Ultra", "1.4x", 1.4, "x", "apple"),
    Claim("m1", "B: M1 Max", "1.3x", 1.3, "x", "apple"),
    Claim("cpu switches", "B: 16-core CPU", "1.2x", 1.2, "x", "16-core cpu"),
    Claim("static size", "C: INT8, model size", "up to -75 %", 75, "%"),
    Claim("fp16 size", "C: FP16, model size", "up to -75 %", 75, "%"),
    Claim("dynamic size", "D: dynamic int8, size", "-75 %", 75, "%"),
    Claim("dynamic speed", "D: dynamic int8, CPU", "2-3x", 2, "x"),
    Claim("dynamic gpu", "D: dynamic int8, GPU", "1.2x", 1.2, "x", "nvidia"),
    Claim("static size", "D: static int8, size", "-75 %", 75, "%"),
    Claim("static speed", "D: static int8, CPU", "2-4x", 2, "x"),
    Claim("static gpu", "D: static int8, GPU", "1.5x", 1.5, "x", "nvidia"),
    Claim("fp16 size", "D: FP16, size", "-50 %", 50, "%"),
    Claim("fp16 speed", "D: FP16, CPU", "1x", 1, "x"),
    Claim("fp16 gpu", "D: FP16, GPU", "2-3x", 2, "x", "nvidia"),
    Claim("onnx size", "D: ONNX, size", "0 %", 0, "%"),
    Claim("onnx speed", "D: ONNX Runtime, CPU", "1.2x", 1.2, "x"),
    Claim("onnx gpu", "D: ONNX Runtime, GPU", "1.3x", 1.3, "x", "nvidia"),
    Claim("tensorrt fp16", "D: TensorRT FP16", "3-5x", 3, "x", "tensorrt"),
    Claim("tensorrt int8", "D: TensorRT INT8", "4-8x", 4, "x", "tensorrt"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A claim beside what was measured on one network, or why nothing was. What `bench` prints."""

    claim: Claim
    network: str = ""
    value: float | None = None
    cost: str = ""
    """of quality"""
    why: str = ""

    @property
    def ok(self) -> None:
        """A claim is no target of ours: not holding fails nothing."""
        return

    @property
    def holds(self) -> bool | None:
        """Whether the lower end of the claim was reached; within half a percent for sizes."""
        if self.value is None:
            return None
        return self.value >= self.claim.least - (0.5 if self.claim.unit == "%" else 0.0)

    def as_json(self) -> dict[str, Any]:
        """As a Figure's, and the claim."""
        return {
            "name": self.claim.what,
            "value": self.value,
            "unit": self.claim.unit,
            "baseline": None,
            "target": None,
            "better": "higher",
            "ok": None,
            "claimed": self.claim.claimed,
            "holds": self.holds,
            "network": self.network,
            "cost": self.cost,
            "why": self.why,
        }

    def line(self) -> str:
        """For people."""
        start = f"{self.claim.what:38} claimed {self.claim.claimed:12}"
        if self.value is None:
            return f"{start} not measured: {self.why}"
        value = f"{round(-self.value, 1) + 0.0:+.1f} %" if self.claim.unit == "%" else f"{self.value:.2f}x"
        verdict = "holds" if self.holds else "does not hold"
        return f"{start} {value:>8}  {verdict:14} {self.network}{'; ' + self.cost if self.cost else ''}"


def no_hardware(claim: Claim) -> Answer:
    """For what this machine has not."""
    return Answer(claim, why=f"no such hardware: it needs {NEEDS[claim.hardware]}")
