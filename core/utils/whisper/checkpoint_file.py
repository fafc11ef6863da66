"""Reads openai-whisper's checkpoints, and says what a file is instead that was given as one and is none."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from core.utils.errors import ModelLoadError

if TYPE_CHECKING:
    from whisper.model import Whisper

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""torch.save before version 1.6"""
_BEGINNINGS = (
    (b"version https://git-lfs", "a pointer of Git LFS and not the file that it stands for"),
    (b"<", "a web page"),
    (b"RIFF", "a sound or a film"),
    (b"GGUF", "a GGUF file, which neither backend reads"),
    (b"lmgg", "a file of whisper.cpp, which neither backend reads"),
)
_HEAD = 200


def read_checkpoint(path: Path) -> Whisper:
    """The model in a file, on the CPU. Raises ModelLoadError."""
    import whisper

    try:
        kind = not_a_checkpoint(path)
        if kind:
            raise ModelLoadError(f"{path}: no Whisper checkpoint but {kind}; fetch it again")
        return whisper.load_model(str(path), device="cpu")
    except pickle.UnpicklingError as error:
        raise ModelLoadError(
            f"{path}: no Whisper checkpoint, as it holds more than tensors; nothing in it was run"
        ) from error
    except KeyError as error:
        raise ModelLoadError(f"{path}: no Whisper checkpoint of OpenAI's, as it lacks {error}") from error
    except (RuntimeError, EOFError, TypeError, IndexError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelLoadError(f"{path}: no Whisper checkpoint, or damaged ({reason}); fetch it again") from error


def not_a_checkpoint(path: Path) -> str:
    """What the file is instead, in plain words; empty for one that torch.save may have made. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        return "an empty file"
    if head.startswith(b"PK"):
        return "" if zipfile.is_zipfile(path) else "a damaged or shortened one"
    if head.startswith(_LEGACY):
        return ""
    for beginning, kind in _BEGINNINGS:
        if head.lstrip().startswith(beginning):
            return kind
    if head[8:9] == b"{" and not head[7]:  # eight bytes of length before a table in JSON
        return "a safetensors file, which neither backend reads"
    text = head.decode("utf-8", "ignore")
    if len(text.encode()) > len(head) - 4 and all(letter.isprintable() or letter.isspace() for letter in text):
        return f"a text that begins with {text.strip().partition(chr(10))[0][:40]!r}"
    return "no file of torch.save"
