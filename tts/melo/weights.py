"""A voice's weights: read strictly by name, weight norm folded, what only training uses left out; kept as safetensors.

A pickle is read by torch's reader of plain tensors alone, so code in it is refused and never run.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.models.safetensors_file import SafetensorsFile
from core.utils.errors import ModelLoadError
from tts.melo.configuration import read_config
from tts.melo.durations import TRAINING_ONLY as DURATIONS_TRAINING_ONLY
from tts.melo.network import MeloNetwork

logger = logging.getLogger(__name__)

CHECKPOINT_FILE = "checkpoint.pth"
CONVERTED_FILE = "network.safetensors"
TRAINING_ONLY = ("enc_q.", *DURATIONS_TRAINING_ONLY)
"""prefixes of tensors that inference has no use for"""


def load_network(folder: Path) -> MeloNetwork:
    """The network in a voice's folder on the CPU, in eval mode; converted weights are taken where there are any.

    Raises ModelLoadError: a file is missing or damaged, holds code, or does not fit config.json.
    """
    config = read_config(folder)
    converted = folder / CONVERTED_FILE
    path = converted if converted.exists() else folder / CHECKPOINT_FILE
    tensors = _read_converted(path) if path == converted else inference_tensors(read_checkpoint(path))
    with torch.device("meta"):
        network = MeloNetwork(config)
    check_fit({name: tensor.shape for name, tensor in network.state_dict().items()}, tensors, path)
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def convert(folder: Path) -> Path:
    """Write `network.safetensors` beside the checkpoint, once; the checkpoint is no longer needed then.

    Raises ModelLoadError as load_network does, OSError where the folder cannot be written to.
    """
    target = folder / CONVERTED_FILE
    if not target.exists():
        write_tensors(load_network(folder).state_dict(), target)
    return target


def write_tensors(tensors: Mapping[str, Tensor], target: Path) -> None:
    """As safetensors, whole or not at all. Raises OSError, of a full disk too.

    What an earlier process left when it was killed amid this goes; one process at a time writes to a folder.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    for left in target.parent.glob(f"{target.stem}.*.tmp"):
        left.unlink(missing_ok=True)
    unfinished = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished)
        unfinished.replace(target)
    except SafetensorError as error:  # its own kind, whatever the system said
        raise OSError(f"{target}: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """All tensors of a published checkpoint, mapped from the disk. Raises ModelLoadError."""
    content = _read_pickle(path)
    model = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(model, Mapping) or not all(isinstance(value, Tensor) for value in model.values()):
        raise ModelLoadError(f"{path} has no table of tensors named 'model': it is not a MeloTTS checkpoint")
    return dict(model)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, or of a pickle that is a plain table of them, in memory mapped from the file.

    Raises ModelLoadError.
    """
    if path.suffix == ".safetensors":
        return SafetensorsFile(path).mapped()
    content = _read_pickle(path)
    if not isinstance(content, Mapping):
        raise ModelLoadError(f"{path} is not a table of tensors; download the voice again")
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def _read_pickle(path: Path) -> Any:
    _check_kind(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on pickles of an unusual kind, which are refused right after
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except FileNotFoundError as error:
        others = sorted(other.name for other in path.parent.glob(f"*{path.suffix}"))
        cure = f"rename it if {others[0]} is it, or " if others else ""
        raise ModelLoadError(f"{path} is missing: {cure}download the voice again (`models download`)") from error
    except pickle.UnpicklingError as error:
        raise ModelLoadError(
            f"{path} holds more than tensors{_asked_for(error)} and was refused, nothing in it was run; "
            "take the checkpoint from its publisher"
        ) from error
    except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        raise ModelLoadError(f"{path} is damaged ({error}); download the voice again") from error


def _check_kind(path: Path) -> None:
    """Raises ModelLoadError for a file that a failed download leaves: nothing, or a page in place of the weights."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if not head:
        raise ModelLoadError(f"{path} is empty; download the voice again")
    if head[:1] == b"<" or head.startswith(b"version https://git-lfs"):
        raise ModelLoadError(
            f"{path} is no checkpoint but a page or a pointer to one ({head[:30].decode('ascii', 'replace')!r}); "
            "download the file itself"
        )


def _asked_for(error: pickle.UnpicklingError) -> str:
    """What a pickle wanted besides tensors; torch's own words advise to run it."""
    found = re.search(r"GLOBAL (\S+)", str(error))
    return f" ({found[1]})" if found else ""


def _read_converted(path: Path) -> dict[str, Tensor]:
    file = SafetensorsFile(path)
    return {name: file.read(name) for name in file.tensors}


def inference_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What inference needs of a checkpoint, in float32, with every weight norm's pair as the weight it stands for."""
    needed = {name: tensor for name, tensor in tensors.items() if not name.startswith(TRAINING_ONLY)}
    folded = {}
    for name, tensor in needed.items():
        base, _, last = name.rpartition(".")
        if last == "weight_g" and f"{base}.weight_v" in needed:
            folded[f"{base}.weight"] = fold_weight_norm(tensor.float(), needed[f"{base}.weight_v"].float())
        elif last != "weight_v" or f"{base}.weight_g" not in needed:
            folded[name] = tensor.to(torch.float32, copy=True)  # not a view of the file, which may be written anew
    return folded


def fold_weight_norm(length: Tensor, direction: Tensor) -> Tensor:
    """The weight of a pair (Salimans & Kingma 2016): each row of `direction` brought to its `length`."""
    return torch._weight_norm(direction, length, 0)


def check_fit(expected: Mapping[str, torch.Size], found: Mapping[str, Tensor], path: Path) -> None:
    """Raises ModelLoadError, naming the tensors, unless names and shapes agree."""
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or unknown:
        parts = [f"{words} {_some(names)}" for words, names in (("lacks", missing), ("has also", unknown)) if names]
        raise ModelLoadError(f"{path} {' and '.join(parts)}: checkpoint and config.json are of different voices")
    for name, shape in expected.items():
        if found[name].shape != shape:
            raise ModelLoadError(
                f"{path}: {name} is {list(found[name].shape)} where config.json asks for {list(shape)}: "
                "checkpoint and config.json are of voices of different language or size"
            )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
