"""A model folder's weights: one .safetensors file or several with an index, seen as one table of tensors by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from core.models.safetensors_file import SafetensorsFile, TensorEntry
from core.utils.errors import ModelLoadError

INDEX_NAME = "model.safetensors.index.json"
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
OTHER_FORMATS = ("pytorch_model*.bin", "*.gguf", "*.pt", "*.pth", "tf_model.h5", "flax_model.msgpack")


class Checkpoint:
    """Tensors by name. Reading one reads only that one."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelLoadError when there is no folder, no safetensors in it, or a file is missing or damaged."""
        if not folder.is_dir():
            raise ModelLoadError(f"{folder} is no folder; give the folder of a model or the name of a repository")
        self.folder = folder
        self.paths = _shards(folder)
        self._files: dict[str, SafetensorsFile] = {}
        for path in self.paths:
            file = SafetensorsFile(path)
            self._files |= dict.fromkeys(file.tensors, file)
        missing = sorted(_indexed(folder).keys() - self._files.keys())
        if missing:
            raise ModelLoadError(f"{folder / INDEX_NAME} names {missing[0]}, which no file has; fetch the model again")

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def entry(self, name: str) -> TensorEntry:
        """Shape and type of a tensor."""
        return self._files[name].tensors[name]

    def read(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor, of its own memory. Raises ModelLoadError for one that is not of a float type."""
        self._check_float(name)
        return self._files[name].read(name, dtype)

    def rows(self, name: str, start: int, stop: int, dtype: torch.dtype | None = None) -> Tensor:
        """Rows start .. stop-1 of a tensor."""
        self._check_float(name)
        return self._files[name].rows(name, start, stop, dtype)

    def fingerprint(self) -> str:
        """Changes when a file does: names, sizes and times of change."""
        parts = []
        for path in (*self.paths, self.folder / "config.json"):
            found = path.stat()
            parts.append(f"{path.name}:{found.st_size}:{found.st_mtime_ns}")
        return " ".join(parts)

    def _check_float(self, name: str) -> None:
        dtype = self.entry(name).dtype
        if dtype not in FLOATS:
            raise ModelLoadError(
                f"{self._files[name].path}: {name} is of type {str(dtype).removeprefix('torch.')}, where weights are "
                "floating-point numbers; take the model's float32, bfloat16 or float16 version"
            )


def _shards(folder: Path) -> list[Path]:
    named = sorted({folder / name for name in _indexed(folder).values()})
    if named:
        return named
    single = folder / "model.safetensors"
    found = [single] if single.is_file() else sorted(folder.glob("model*.safetensors"))
    if found:
        return found
    others = sorted(path.name for pattern in OTHER_FORMATS for path in folder.glob(pattern))
    if others:
        raise ModelLoadError(
            f"{folder} holds {others[0]} and no .safetensors file; only safetensors are read, "
            "because other formats can run code or are another engine's: take a version of the model that has them"
        )
    raise ModelLoadError(f"{folder} has no model*.safetensors file; fetch the model again")


def _indexed(folder: Path) -> dict[str, str]:
    """The index's table, tensor to file; empty without an index."""
    path = folder / INDEX_NAME
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        found = {str(name): str(file) for name, file in index["weight_map"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{path} is damaged ({type(error).__name__}: {error}); fetch the model again") from error
    outside = [file for file in found.values() if Path(file).name != file]
    if outside:
        raise ModelLoadError(f"{path} names {outside[0]!r}, which is not a file of the folder; fetch the model again")
    return found
