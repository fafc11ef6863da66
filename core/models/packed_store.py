"""Packed weights on the disk: one .safetensors file for a model folder and a number of bits, mapped in when it fits.

Guarantees: the file is there whole or not at all, its tensors are checked against their CRC-32 when it is opened, and
whatever is wrong with it costs only the time to pack again. It belongs to files of the same sizes and times of change.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zlib
from pathlib import Path

import torch
from torch import Tensor

from core.models.checkpoint import Checkpoint
from core.models.quantize import BLOCK, GROUP
from core.models.safetensors_file import SafetensorsFile, write_safetensors
from core.utils.errors import ModelLoadError

logger = logging.getLogger(__name__)

FORMAT = "merline-packed-4"
"""changes with the layout of codes and scales, the bits that each matrix has, and the file"""
CHECKED_AT_ONCE = 16 * 2**20


class PackedStore:
    """Where the packed weights of one checkpoint are kept."""

    def __init__(self, folder: Path, checkpoint: Checkpoint, bits: int) -> None:
        source = str(checkpoint.folder.resolve())
        self._key = f"{FORMAT} {bits} bits, groups of {GROUP}, blocks of {BLOCK}: {source} {checkpoint.fingerprint()}"
        self._kind = f"{hashlib.sha256(source.encode()).hexdigest()[:16]}-int{bits}"
        self._folder = folder
        self.path = folder / f"{self._kind}-{hashlib.sha256(self._key.encode()).hexdigest()[:16]}.safetensors"

    def open(self) -> dict[str, Tensor] | None:
        """The tensors, mapped from the file; None where there is none or it is not whole."""
        if not self.path.is_file():
            return None
        try:
            file = SafetensorsFile(self.path)
            sums: dict[str, int] = json.loads(file.metadata["sums"])
            if file.metadata["key"] != self._key:
                raise ModelLoadError("it belongs to other weights")
            tensors = file.mapped()
            wrong = [name for name, tensor in tensors.items() if _checksum(tensor) != sums[name]]
        except (ModelLoadError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            logger.warning("%s cannot be used (%s); the weights are packed anew", self.path, error)
            return None
        if wrong:
            logger.warning("%s is damaged in %s; the weights are packed anew", self.path, wrong[0])
            return None
        return tensors

    def write(self, tensors: dict[str, Tensor]) -> bool:
        """Keep them, in one step; those of earlier versions of the same model go. False, and told of, where the disk
        refuses.
        """
        sums = {name: _checksum(tensor) for name, tensor in tensors.items()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(prefix=f".{self._kind}-", suffix=".part", dir=self._folder)
            os.close(handle)
            try:
                write_safetensors(Path(name), tensors, {"key": self._key, "sums": json.dumps(sums)})
                os.replace(name, self.path)
            finally:
                Path(name).unlink(missing_ok=True)
            for old in self._folder.glob(f"{self._kind}-*.safetensors"):
                if old != self.path:
                    old.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s: packed weights are not kept (%s); each start packs them anew", self._folder, error)
            return False
        return True


def _checksum(tensor: Tensor) -> int:
    data = memoryview(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
    total = 0
    for at in range(0, len(data), CHECKED_AT_ONCE):
        total = zlib.crc32(data[at : at + CHECKED_AT_ONCE], total)
    return total
