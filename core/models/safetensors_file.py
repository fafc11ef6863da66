"""Reads and writes .safetensors files tensor by tensor, without ever holding more than the one in hand.

Files are read, not mapped, unless `mapped` is asked for: pages of a mapped file that were touched count as resident
until the system wants them back, and a model that is converted on the way would be there twice.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.utils.errors import ModelError, ModelLoadError

DTYPES = {
    "C64": torch.complex64,
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
LENGTH_BYTES = 8
ALIGNMENT = 64
"""bytes: what is written begins at a multiple, so that vectors of a mapped file lie in one cache line each"""
MAX_HEADER_BYTES = 100_000_000
"""the format's own limit"""
CHUNK_BYTES = 16 * 2**20
"""read at a time where the type changes on the way"""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where a tensor lies in its file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    """bytes from the file's beginning"""
    size_bytes: int


class SafetensorsFile:
    """One file. Opened for each read: nothing is held between them."""

    def __init__(self, path: Path, cure: str = "fetch the model again") -> None:
        """Reads the header. Raises ModelLoadError, with the cure, for a file that is absent, cut short or damaged."""
        self.path = path
        self._cure = cure
        self.tensors: dict[str, TensorEntry] = {}
        self.metadata: dict[str, str] = {}
        try:
            self.size_bytes = path.stat().st_size
            with path.open("rb") as file:
                length = int.from_bytes(file.read(LENGTH_BYTES), "little")
                if not 2 <= length <= min(MAX_HEADER_BYTES, self.size_bytes - LENGTH_BYTES):
                    raise self._damaged(f"a header of {length} bytes in a file of {self.size_bytes}")
                header = json.loads(file.read(length))
            self._read_header(header, LENGTH_BYTES + length)
        except FileNotFoundError as error:
            raise ModelLoadError(f"{path} is missing; {cure}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(str(error)) from error

    def read(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor of the file's type or of `dtype`, on the CPU and of its own memory."""
        entry = self.tensors[name]
        return self._read(name, entry, entry.start, entry.shape, dtype)

    def rows(self, name: str, start: int, stop: int, dtype: torch.dtype | None = None) -> Tensor:
        """Rows start .. stop-1 of the first dimension."""
        entry = self.tensors[name]
        row_bytes = entry.size_bytes // entry.shape[0]
        return self._read(name, entry, entry.start + start * row_bytes, (stop - start, *entry.shape[1:]), dtype)

    def mapped(self) -> dict[str, Tensor]:
        """All tensors, in memory that the system brings from the file when it is touched; changes stay in memory."""
        with torch.inference_mode(False):
            storage: Any = torch.UntypedStorage.from_file(str(self.path), False, self.size_bytes)
            return {name: _view(storage, entry) for name, entry in self.tensors.items()}

    def _read(
        self, name: str, entry: TensorEntry, start: int, shape: tuple[int, ...], dtype: torch.dtype | None
    ) -> Tensor:
        wanted = entry.dtype if dtype is None else dtype
        with torch.inference_mode(False):
            found = _empty(shape, wanted)
            flat = found.view(-1)
            step = max(1, flat.numel() if wanted == entry.dtype else CHUNK_BYTES // entry.dtype.itemsize)
            try:
                with self.path.open("rb", buffering=0) as file:
                    file.seek(start)
                    for at in range(0, flat.numel(), step):
                        part = flat[at : at + step]
                        if wanted == entry.dtype:
                            self._fill(file, name, part)
                        else:
                            piece = _apart(part.numel(), entry.dtype)
                            self._fill(file, name, piece)
                            part.copy_(piece)
            except OSError as error:
                raise ModelLoadError(f"{self.path}: {name} cannot be read ({error}); check the disk") from error
        return found

    def _fill(self, file: Any, name: str, part: Tensor) -> None:
        buffer: Any = part.view(torch.uint8).numpy()
        got = 0
        while got < len(buffer):
            count = file.readinto(buffer[got:])
            if not count:
                raise self._damaged(f"{name} ends after {got} of {len(buffer)} bytes")
            got += count

    def _read_header(self, header: dict[str, Any], data_start: int) -> None:
        self.metadata = header.pop("__metadata__", {})
        for name, given in header.items():
            if given["dtype"] not in DTYPES:
                raise ModelLoadError(
                    f"{self.path}: {name} is of type {given['dtype']}, which is not read here; "
                    "take the model's float32, bfloat16 or float16 version"
                )
            dtype, shape = DTYPES[given["dtype"]], tuple(int(size) for size in given["shape"])
            begin, end = given["data_offsets"]
            size_bytes = math.prod(shape) * dtype.itemsize
            if end - begin != size_bytes or begin < 0 or data_start + end > self.size_bytes:
                raise self._damaged(f"{name} needs bytes {data_start + begin} to {data_start + begin + size_bytes}")
            self.tensors[name] = TensorEntry(dtype, shape, data_start + begin, size_bytes)

    def _damaged(self, how: str) -> ModelLoadError:
        return ModelLoadError(f"{self.path} is damaged or incomplete ({how}); {self._cure}")


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file, and have the disk take it; one tensor after the other, so that nothing is copied but one.

    Raises ModelError, with nothing written, for a tensor of a type that such files do not hold.
    """
    names = {dtype: name for name, dtype in DTYPES.items()}
    for name, tensor in tensors.items():
        if tensor.dtype not in names:
            told = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(f"{path}: {name} is of type {told}, which no safetensors file holds; convert it first")
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    # Wide types first: each then begins at a multiple of its size, as the format's own writer does it.
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    for name in order:
        tensor = tensors[name]
        end = at + tensor.numel() * tensor.dtype.itemsize
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-(LENGTH_BYTES + len(text)) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        for name in order:
            whole = tensors[name].detach().resolve_conj().resolve_neg()
            flat: Any = whole.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            file.write(flat)
        file.flush()
        os.fsync(file.fileno())


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Room for a tensor, at a multiple of ALIGNMENT.

    numpy asks Linux for large pages where 4 MB or more are wanted, torch does not: fewer addresses to look up make
    reading all of a model in float32 5 % quicker.
    """
    size_bytes = math.prod(shape) * dtype.itemsize
    room = np.empty(size_bytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return torch.from_numpy(room)[start : start + size_bytes].view(dtype).view(shape)


def _apart(count: int, dtype: torch.dtype) -> Tensor:
    """Room for [count] that the system has back at once.

    malloc would put it between the tensors that stay, and the hole that it leaves serves nothing larger: a quarter of
    a model of 0.5 B in float32.
    """
    return torch.frombuffer(mmap.mmap(-1, max(1, count * dtype.itemsize)), dtype=dtype, count=count)


def _view(storage: Any, entry: TensorEntry) -> Tensor:
    empty = torch.empty(0, dtype=entry.dtype)
    strides = [math.prod(entry.shape[axis + 1 :]) for axis in range(len(entry.shape))]
    return empty.set_(storage, entry.start // entry.dtype.itemsize, entry.shape, strides)
