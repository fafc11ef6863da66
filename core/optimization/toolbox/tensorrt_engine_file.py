"""Engine files that say what they need: a header with versions, card and shapes, a checksum, then TensorRT's plan.

A plan alone is refused by TensorRT late and darkly, or crashes it; here a damaged or a foreign one is named before.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.optimization.toolbox.targets import write_whole
from core.optimization.toolbox.tensorrt_profile import ShapeProfile
from core.utils.errors import ExportError, ModelLoadError, TensorRTUnavailableError

MAGIC = b"MERLTRT1"
_LENGTH = struct.Struct("<I")
LARGEST_HEADER = 2**20


@dataclass(frozen=True, slots=True)
class EngineHeader:
    """What an engine needs and is."""

    tensorrt_version: str
    """of the library that built it; another major.minor cannot read it"""
    compute_capability: str
    """of the card it was built on, e.g. 8.6; "" where unknown"""
    gpu: str
    precision: str
    """float32, float16, int8 or int8+float16"""
    profiles: Mapping[str, ShapeProfile]
    onnx_sha256: str
    """of the model it was built from"""
    plan_sha256: str = ""
    plan_bytes: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        shapes = {n: [list(p.least), list(p.usual), list(p.largest)] for n, p in self.profiles.items()}
        return {
            "tensorrt_version": self.tensorrt_version,
            "compute_capability": self.compute_capability,
            "gpu": self.gpu,
            "precision": self.precision,
            "profiles": shapes,
            "onnx_sha256": self.onnx_sha256,
            "plan_sha256": self.plan_sha256,
            "plan_bytes": self.plan_bytes,
        }

    def check_fits(self, tensorrt_version: str, compute_capability: str) -> None:
        """Raises TensorRTUnavailableError where this library or card is not the one the engine needs."""
        if _release(tensorrt_version) != _release(self.tensorrt_version):
            raise TensorRTUnavailableError(
                f"the engine needs TensorRT {_release(self.tensorrt_version)} (built by {self.tensorrt_version}) and "
                f"{tensorrt_version} is installed; build it again from the ONNX model, or install that version"
            )
        if self.compute_capability and compute_capability != self.compute_capability:
            raise TensorRTUnavailableError(
                f"the engine was built on a card of compute capability {self.compute_capability} ({self.gpu}), and "
                f"this one has {compute_capability}; build it again on this machine"
            )


def _release(version: str) -> str:
    return ".".join(version.split(".")[:2])


def write_engine(path: Path, header: EngineHeader, plan: bytes) -> EngineHeader:
    """Write header and plan, whole or not at all; the header as written. Raises ExportError where the disk refuses."""
    whole = replace(header, plan_sha256=hashlib.sha256(plan).hexdigest(), plan_bytes=len(plan))
    told = json.dumps(whole.as_json()).encode()

    def write(to: Path) -> None:
        with to.open("wb") as file:
            file.write(MAGIC + _LENGTH.pack(len(told)) + told)
            file.write(plan)

    write_whole(path, write, ExportError)
    return whole


def read_engine(path: Path) -> tuple[EngineHeader, bytes]:
    """Header and plan. Raises ModelLoadError: absent, no engine of ours, cut off, or changed since it was written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelLoadError(f"{path}: there is no engine ({error.strerror}); build it from the ONNX model") from error
    start = len(MAGIC) + _LENGTH.size
    if content[: len(MAGIC)] != MAGIC or len(content) < start:
        raise ModelLoadError(
            f"{path} is no engine of Merline's: it does not say which TensorRT it needs; build it from the ONNX model"
        )
    length = _LENGTH.unpack_from(content, len(MAGIC))[0]
    header = _header(path, content[start : start + min(length, LARGEST_HEADER)])
    plan = content[start + length :]
    if len(plan) != header.plan_bytes or hashlib.sha256(plan).hexdigest() != header.plan_sha256:
        raise ModelLoadError(
            f"{path} is damaged ({len(plan)} of {header.plan_bytes} bytes, or changed ones); build it again"
        )
    return header, plan


def _header(path: Path, told: bytes) -> EngineHeader:
    try:
        values = json.loads(told)
        profiles = {
            name: ShapeProfile(*(tuple(int(size) for size in shape) for shape in shapes))
            for name, shapes in values["profiles"].items()
        }
        return EngineHeader(**{**values, "profiles": profiles})
    except (ValueError, KeyError, TypeError, AttributeError, ExportError) as error:
        raise ModelLoadError(f"{path} is damaged: its header cannot be read; build it again") from error


def sha256_of(path: Path) -> str:
    """Of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
