"""A fetched voice or BERT in its lasting form, safetensors with what inference needs and nothing else; read back once.

Where a pickle lies, it is what was fetched last: an older safetensors file beside it, damaged perhaps, is made anew.
A pickle is read by torch's reader of plain tensors alone, so code in it is refused and never run.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from core.utils.errors import ModelLoadError
from tts.melo.bert import WEIGHT_FILES, load_bert
from tts.melo.weights import CHECKPOINT_FILE, CONVERTED_FILE, convert, load_network, read_tensors, write_tensors


def convert_voice(folder: Path) -> tuple[str, str] | None:
    """(file that is no longer needed, file that was made of it), names in `folder`; None where there is nothing to do.

    Raises ModelLoadError for what is damaged, holds code or is no voice, OSError where the folder cannot be written to.
    """
    checkpoint = folder / CHECKPOINT_FILE
    if not checkpoint.exists():
        return None
    (folder / CONVERTED_FILE).unlink(missing_ok=True)
    original = load_network(folder).state_dict()
    made = convert(folder)
    _compare(original, read_tensors(made), made)
    return checkpoint.name, made.name


def convert_bert(folder: Path) -> tuple[str, str] | None:
    """The same for a masked language model that came as a pickle."""
    lasting, pickled = WEIGHT_FILES
    if not (folder / pickled).exists():
        return None
    (folder / lasting).unlink(missing_ok=True)
    tensors = {f"bert.{name}": tensor.contiguous() for name, tensor in load_bert(folder).state_dict().items()}
    write_tensors(tensors, folder / lasting)
    _compare(tensors, read_tensors(folder / lasting), folder / lasting)
    return pickled, lasting


def _compare(expected: dict[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    if expected.keys() != found.keys() or not all(torch.equal(one, found[name]) for name, one in expected.items()):
        path.unlink()
        raise ModelLoadError(f"{path}: what was written is not what was to be written; check the disk and try again")
