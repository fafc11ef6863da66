"""What goes wrong on an NVIDIA card, by an engine's own words; and a CUDA library that is found only where it lies.

CTranslate2 opens cuBLAS 12 at its first product, by name. A torch built for CUDA 13 brings version 13 only, so the
model would load and each turn be lost.
"""

from __future__ import annotations

import ctypes
import logging
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from core.utils.errors import GpuBusyError, GpuUnfitError

logger = logging.getLogger(__name__)

EXTRA = "cuda"
_NO_ROOM = ("out of memory", "STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED")
"""the last is how cuBLAS puts it when there is no room for its own work space"""
_ABSENT = re.compile(r"Library (\S+) is not found or cannot be loaded")
_FAULTS = ("CUDA failed", "CUDA error", "cuBLAS failed", "cuDNN", "no kernel image")


def absent_library(error: BaseException) -> str | None:
    """The CUDA library that CTranslate2 did not find."""
    found = _ABSENT.search(str(error))
    return None if found is None else found.group(1)


def card_error(engine: str, error: BaseException) -> GpuBusyError | GpuUnfitError | None:
    """What an engine's RuntimeError says of the card, with the cure; None where it says nothing of it."""
    words = str(error).partition("\n")[0]
    if any(mark in words for mark in _NO_ROOM):
        return GpuBusyError(f"{engine}: the GPU's memory did not suffice ({words})")
    library = absent_library(error)
    if library is not None:
        return GpuUnfitError(
            f"{engine} needs {library} on an NVIDIA card, and it is not there: install the extra '{EXTRA}' "
            f"(`MERLINE_EXTRAS={EXTRA} python3 main.py`), or the CUDA 12 toolkit of your system"
        )
    if any(mark in words for mark in _FAULTS):
        return GpuUnfitError(f"{engine}: the GPU failed ({words}); a newer driver may help")
    return None


def load_packaged(library: str, places: Iterable[str] | None = None) -> bool:
    """Load `library`, e.g. libcublas.so.12, from NVIDIA's Python packages, so that it is found by its name from now on.

    `places`: folders of packages, sys.path unless given. False where none has it or it cannot be loaded.
    """
    if sys.platform != "linux":
        return False
    for place in sys.path if places is None else places:
        for path in sorted(Path(place or ".").glob(f"nvidia/*/lib/{library}")):
            try:
                for needed in sorted(path.parent.glob(library.replace(".so", "Lt.so"))):
                    ctypes.CDLL(str(needed))
                ctypes.CDLL(str(path))
            except OSError as error:
                logger.info("%s cannot be loaded: %s", path, error)
                continue
            logger.debug("%s is loaded from %s", library, path)
            return True
    return False
