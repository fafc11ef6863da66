"""INT8 calibration for TensorRT 10: batches handed over on the card, and its cache, read and checked before use.

The cache is TensorRT's own text: a first line with version and method, then `tensor: scale`, the scale being the eight
hexadecimal digits of a big-endian float32. Unverified: TensorRT 10 never ran with it, for want of library and card.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.optimization.toolbox.targets import write_whole
from core.utils.errors import QuantizationError

METHOD = "EntropyCalibration2"
_FIRST = re.compile(r"^TRT-(\d+)-(\w+)$")
_LINE = re.compile(r"^(.+): ([0-9a-fA-F]{8})$")


@dataclass(frozen=True, slots=True)
class CalibrationCache:
    """Scales by tensor, from which TensorRT builds int8 without looking at data again."""

    version: str
    """of TensorRT as the cache has it, without dots: 100300 is 10.3.0"""
    scales: Mapping[str, float]
    method: str = METHOD

    def text(self) -> str:
        """As TensorRT writes it."""
        lines = [f"TRT-{self.version}-{self.method}"]
        lines += [f"{name}: {struct.pack('>f', scale).hex()}" for name, scale in self.scales.items()]
        return "\n".join(lines) + "\n"


def read_cache(content: bytes, where: str = "the calibration cache", method: str = METHOD) -> CalibrationCache:
    """Raises QuantizationError: not of this format, of another method, or a scale that is none."""
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        lines = []
    first = _FIRST.match(lines[0]) if lines else None
    if first is None:
        raise QuantizationError(f"{where} is no calibration cache of TensorRT's; delete it to calibrate again")
    if first[2] != method:
        raise QuantizationError(f"{where} is of {first[2]} and {method} is wanted; delete it to calibrate again")
    scales: dict[str, float] = {}
    for number, line in enumerate(lines[1:], start=2):
        found = _LINE.match(line)
        scale = struct.unpack(">f", bytes.fromhex(found[2]))[0] if found else math.nan
        if found is None or not math.isfinite(scale) or scale < 0:
            raise QuantizationError(f"{where}, line {number}: '{line[:80]}' is no scale; delete it to calibrate again")
        scales[found[1]] = scale
    if not scales:
        raise QuantizationError(f"{where} holds no scale: it is cut off; delete it to calibrate again")
    return CalibrationCache(first[1], scales, method)


class CalibrationFeed:
    """What an entropy calibrator asks for: batches as addresses on the card, and the cache's bytes.

    `place` puts a numpy array on the card and gives something with `data_ptr()`; torch does it in use.
    """

    def __init__(self, batches: Iterable[Mapping[str, Any]], cache: Path | None, place: Any) -> None:
        self._batches = iter(batches)
        self._cache = cache
        self._place = place
        self._held: list[Any] = []

    def addresses(self, names: Sequence[str]) -> list[int] | None:
        """Of the next batch, in the order of `names`; None at the end. Raises QuantizationError for a missing input."""
        batch = next(self._batches, None)
        if batch is None:
            self._held = []
            return None
        missing = [name for name in names if name not in batch]
        if missing:
            raise QuantizationError(f"calibration_data lacks the input {missing[0]}; it has {', '.join(sorted(batch))}")
        self._held = [self._place(batch[name]) for name in names]  # alive until the next batch: TensorRT reads them
        return [int(one.data_ptr()) for one in self._held]

    def cached(self, method: str = METHOD) -> bytes | None:
        """The cache's bytes, checked; None where there is none."""
        if self._cache is None or not self._cache.exists():
            return None
        content = self._cache.read_bytes()
        read_cache(content, str(self._cache), method)
        return content

    def keep(self, content: bytes) -> None:
        """Write the cache, whole or not at all. Raises QuantizationError where the disk refuses."""
        if self._cache is not None:
            write_whole(self._cache, lambda to: to.write_bytes(content), QuantizationError)


def make_calibrator(trt: Any, feed: CalibrationFeed, batch_size: int) -> Any:
    """An IInt8EntropyCalibrator2 of the library `trt` over `feed`."""

    class EntropyCalibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        """TensorRT calls these by name."""

        def get_batch_size(self) -> int:
            return batch_size

        def get_batch(self, names: Sequence[str]) -> list[int] | None:
            return feed.addresses(names)

        def read_calibration_cache(self) -> bytes | None:
            return feed.cached()

        def write_calibration_cache(self, cache: Any) -> None:
            feed.keep(bytes(cache))

    return EntropyCalibrator()
